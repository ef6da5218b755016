-- Queries that must have the same results as in ClickHouse. A blank line ends a query.

SELECT count() FROM key_verifications_v1

SELECT outcome, count() AS n FROM key_verifications_v1 GROUP BY outcome ORDER BY n DESC, outcome

SELECT toStartOfHour(fromUnixTimestamp64Milli(time)) AS hour, outcome, count() AS n
FROM key_verifications_v1 GROUP BY hour, outcome ORDER BY hour, outcome

SELECT external_id, sum(spent_credits) AS credits, count() c FROM key_verifications_v1
WHERE external_id != '' GROUP BY external_id ORDER BY credits DESC, external_id LIMIT 3

SELECT countIf(outcome = 'VALID') AS valid, countIf(outcome != 'VALID') / count() AS share,
avg(latency) AS mean, min(latency) AS least, max(latency) AS most, sum(latency) AS all
FROM key_verifications_v1

SELECT quantile(0.5)(latency) AS p50, quantile(0.99)(latency) AS p99, quantile(latency) AS q
FROM key_verifications_v1

SELECT key_id, uniq(external_id) AS users, uniqExact(outcome, key_space_id) AS kinds
FROM key_verifications_v1 GROUP BY key_id ORDER BY key_id

SELECT arrayJoin(tags) AS tag, count() AS n FROM key_verifications_v1 GROUP BY tag ORDER BY tag

SELECT tag, count() AS n FROM key_verifications_v1 ARRAY JOIN tags AS tag
WHERE tag LIKE 'path=%' GROUP BY tag ORDER BY n DESC, tag

SELECT count() AS n FROM key_verifications_v1 WHERE has(tags, 'path=/1') AND NOT hasAny(tags, ['path=/0', 'x'])

SELECT count() AS n FROM key_verifications_v1 WHERE hasAll(tags, ['path=/0', 'path=/1'])

SELECT length(arrayFilter(t -> endsWith(t, '/2'), tags)) AS l, count() AS n FROM key_verifications_v1 GROUP BY l ORDER BY l

SELECT toDate(fromUnixTimestamp64Milli(time)) AS d, uniqExact(key_id) AS keys FROM key_verifications_v1
GROUP BY d ORDER BY d DESC

SELECT time, outcome, count FROM key_verifications_per_hour_v1 WHERE key_id = 'key_1' AND time >= now() - INTERVAL 1 DAY
ORDER BY time, outcome, count, tags, external_id, key_space_id

SELECT time, sum(count) AS total, sum(spent_credits) AS credits FROM key_verifications_per_day_v1
GROUP BY time ORDER BY time

SELECT time, sum(count) AS total FROM key_verifications_per_month_v1 GROUP BY time ORDER BY time

SELECT toStartOfDay(time) AS time, sum(count) AS count FROM key_verifications_per_minute_v1 GROUP BY time ORDER BY time

SELECT time, sum(count) AS n FROM key_verifications_per_hour_v1
WHERE time BETWEEN '2026-10-14 00:00:00' AND '2026-10-14 06:00:00' GROUP BY time ORDER BY time

WITH busy AS (SELECT key_id, count() AS n FROM key_verifications_v1 GROUP BY key_id HAVING n > 10)
SELECT key_id, n FROM busy ORDER BY n DESC, key_id

SELECT count() AS n FROM key_verifications_v1 WHERE key_id IN (SELECT key_id FROM key_verifications_v1
WHERE outcome = 'EXPIRED' AND key_id NOT IN ('key_3', 'key_4'))

SELECT max(n) AS most FROM (SELECT external_id, count() AS n FROM key_verifications_v1 GROUP BY external_id)

SELECT outcome, n FROM (SELECT outcome, count() AS n FROM key_verifications_v1 WHERE outcome = 'VALID' GROUP BY outcome
UNION ALL SELECT 'all' AS outcome, count() AS n FROM key_verifications_v1) ORDER BY outcome

SELECT DISTINCT key_space_id FROM key_verifications_v1 ORDER BY key_space_id

SELECT CASE WHEN latency < 5 THEN 'fast' WHEN latency < 10 THEN 'fair' ELSE 'slow' END AS speed, count() AS n
FROM key_verifications_v1 GROUP BY speed ORDER BY speed

SELECT if(outcome = 'VALID', 1, 0) AS ok, outcome = 'VALID' ? 'y' : 'n' AS yn, count() AS n FROM key_verifications_v1
GROUP BY ok, yn ORDER BY ok

SELECT a.key_id, a.n, b.m FROM (SELECT key_id, count() AS n FROM key_verifications_v1 GROUP BY key_id) AS a
LEFT JOIN (SELECT key_id, count() AS m FROM key_verifications_v1 WHERE key_id < 'key_3' GROUP BY key_id) AS b
ON a.key_id = b.key_id ORDER BY a.key_id

SELECT key_id, n, m FROM (SELECT key_id, count() AS n FROM key_verifications_v1 GROUP BY key_id) a
INNER JOIN (SELECT key_id, max(latency) AS m FROM key_verifications_v1 GROUP BY key_id) b USING (key_id) ORDER BY key_id

SELECT toStartOfHour(fromUnixTimestamp64Milli(time)) AS hour, count() AS n FROM key_verifications_v1
WHERE key_id = 'key_1' AND external_id = '' GROUP BY hour
ORDER BY hour WITH FILL FROM toStartOfHour(now() - INTERVAL 2 DAY) TO toStartOfHour(now()) STEP INTERVAL 1 HOUR

SELECT toDate(time) AS d, sum(total) AS n FROM ratelimits_per_hour_v1 GROUP BY d ORDER BY d WITH FILL STEP 1

SELECT formatDateTime(fromUnixTimestamp64Milli(time), '%Y-%m-%d %H:%i:%S') AS t, request_id FROM key_verifications_v1
ORDER BY time DESC, request_id LIMIT 5

SELECT date_trunc('week', fromUnixTimestamp64Milli(time)) AS w, date_trunc('month', fromUnixTimestamp64Milli(time)) AS m,
toStartOfWeek(fromUnixTimestamp64Milli(time)) AS s, toStartOfQuarter(fromUnixTimestamp64Milli(time)) AS q,
toStartOfYear(fromUnixTimestamp64Milli(time)) AS y, count() AS n
FROM key_verifications_v1 GROUP BY w, m, s, q, y ORDER BY w, s

SELECT lower(outcome) AS l, upper(key_id) AS u, substring(outcome, 2, 3) AS s, length(outcome) AS n,
concat(key_id, '/', toString(spent_credits)) AS c, key_id || '!' AS d, trim('  x ') AS t, startsWith(key_id, 'key') AS k
FROM key_verifications_v1 ORDER BY time, request_id LIMIT 4

SELECT JSONExtractString(external_id, 'u') AS u, count() AS n FROM key_verifications_v1 GROUP BY u ORDER BY u

SELECT round(latency) AS r, floor(latency) AS f, ceil(latency) AS c, round(latency, 1) AS d, abs(0 - spent_credits) AS a,
toInt64(latency) AS i, toFloat64(spent_credits) AS x, latency::Int64 AS y, CAST(spent_credits AS String) AS z
FROM key_verifications_v1 ORDER BY time, request_id LIMIT 20

SELECT round(2.5) AS a, round(3.5) AS b, round(-2.5) AS c, floor(-1.5) AS d, 7 % 3 AS e, 7 / 2 AS f, -5 + 2 AS g FROM key_verifications_v1 LIMIT 1

SELECT groupUniqArray(key_space_id) AS g, any(source) AS s, sumIf(spent_credits, outcome = 'VALID') AS v
FROM key_verifications_v1 WHERE key_space_id = 'ks_1'

SELECT count() AS n FROM key_verifications_v1 WHERE time >= toUnixTimestamp64Milli(now64() - INTERVAL 2 DAY)

SELECT count(DISTINCT key_id) FROM key_verifications_v1

SELECT outcome, count(*), toStartOfDay(fromUnixTimestamp64Milli(time)), spent_credits + 1, sum(latency) / 2 > 1
FROM key_verifications_v1 WHERE key_id = 'key_1' GROUP BY outcome, toStartOfDay(fromUnixTimestamp64Milli(time)), spent_credits + 1
ORDER BY 1, 3, 4

SELECT count() AS n, sum(spent_credits) AS s, avg(latency) AS a, min(time) AS m, max(key_id) AS k FROM key_verifications_v1 WHERE key_id = 'none'

SELECT coalesce(NULL, 'x') AS a, NULL IS NULL AS b, 1 IN (1, 2) AS c, 'a' NOT IN ('b') AS d, (1, 2) IN ((1, 2), (3, 4)) AS e FROM key_verifications_v1 LIMIT 1

SELECT tags[1] AS first, count() AS n FROM key_verifications_v1 GROUP BY first ORDER BY first

SELECT identifier, countIf(passed) AS ok, countIf(NOT passed) AS denied, sum(tokens) AS cost FROM ratelimits_v1
GROUP BY identifier ORDER BY identifier

SELECT * FROM ratelimits_v1 ORDER BY time, request_id LIMIT 3

SELECT namespace_id, sum(passed) AS passed, sum(total) AS total, sum(total_tokens) AS tokens, sum(passed_tokens) AS pt
FROM ratelimits_per_day_v1 WHERE time >= today() - 3 GROUP BY namespace_id ORDER BY namespace_id

SELECT (SELECT max(tokens) FROM ratelimits_v1) AS m, count() AS n FROM ratelimits_v1 WHERE tokens = m

SELECT identifier ILIKE 'ünï 1' AS i, count() AS n FROM ratelimits_v1 GROUP BY ALL ORDER BY i

SELECT toDateTime('2026-10-01 12:00:00') + INTERVAL 1 MONTH AS m, toDate('2026-01-31') + INTERVAL 1 MONTH AS e,
toDateTime('2026-10-01 12:00:00') - toIntervalHour(13) AS h, toDate('2026-10-05') - toDate('2026-10-01') AS d,
toDateTime(1760000000) AS t, toDate('2026-10-05') > '2026-10-04' AS g FROM ratelimits_v1 LIMIT 1

SELECT count() AS n FROM (SELECT key_id FROM key_verifications_v1 EXCEPT SELECT key_id FROM key_verifications_v1 WHERE key_id < 'key_3')

SELECT count() AS n FROM (SELECT key_id FROM key_verifications_v1 INTERSECT SELECT key_id FROM key_verifications_v1 WHERE key_id < 'key_3')

SELECT a.n + b.m AS s FROM (SELECT count() AS n FROM key_verifications_v1) AS a, (SELECT count() AS m FROM key_verifications_v1) AS b

SELECT key_id, n, m FROM (SELECT key_id, count() AS n FROM key_verifications_v1 WHERE key_id < 'key_4' GROUP BY key_id) a
RIGHT JOIN (SELECT key_id, count() AS m FROM key_verifications_v1 WHERE key_id > 'key_2' GROUP BY key_id) b USING (key_id) ORDER BY key_id, m

WITH 5 AS five SELECT five * 2 AS ten, count() AS n FROM key_verifications_v1 WHERE spent_credits < five GROUP BY ten

SELECT countIf(time >= now() - INTERVAL 2 DAY) AS a, countIf(time > toDateTime('2026-10-12 00:00:00')) AS b,
countIf(time < now() - INTERVAL 1 DAY) AS c, countIf(toDateTime('2026-10-12 00:00:00') >= time) AS d,
countIf(toDateTime('2026-10-12 00:00:01') = time) AS e FROM key_verifications_per_day_v1
