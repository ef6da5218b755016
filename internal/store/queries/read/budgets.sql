-- name: Budget :one
-- A budget by its id or its name; the id wins.
SELECT sqlc.embed(g), sqlc.embed(b) FROM budgets g
JOIN balances b ON b.id = g.id
WHERE g.workspace_id = sqlc.arg(workspace_id) AND (g.id = sqlc.arg(name) OR g.name = sqlc.arg(name))
ORDER BY CASE WHEN g.id = sqlc.arg(name) THEN 0 ELSE 1 END
LIMIT 1;

-- name: BudgetByID :one
SELECT sqlc.embed(g), sqlc.embed(b) FROM budgets g
JOIN balances b ON b.id = g.id
WHERE g.id = $1;

-- name: BudgetsPage :many
-- Budgets of a workspace from an id on.
SELECT sqlc.embed(g), sqlc.embed(b) FROM budgets g
JOIN balances b ON b.id = g.id
WHERE g.workspace_id = sqlc.arg(workspace_id) AND g.id >= sqlc.arg(from_id)
    AND g.search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY g.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: CountAttachments :one
-- The number of budgets of a key or an identity.
SELECT COUNT(*) FROM budget_attachments WHERE owner_id = $1;

-- name: Attached :one
SELECT auto_apply FROM budget_attachments WHERE budget_id = $1 AND owner_id = $2;

-- name: AttachmentsPage :many
-- The keys and identities that have a budget, from an id on. A key is the newest of its family, a deleted one if all are.
SELECT a.owner_id, a.auto_apply, COALESCE(i.external_id, '') AS external_id,
    CAST(COALESCE((SELECT k.id FROM keys k WHERE k.id = a.owner_id OR k.family = a.owner_id AND k.family <> ''
        ORDER BY CASE WHEN k.deleted_at = 0 THEN 0 ELSE 1 END, k.created_at DESC, k.id DESC LIMIT 1), '') AS TEXT) AS key_id
FROM budget_attachments a
LEFT JOIN identities i ON i.id = a.owner_id
WHERE a.budget_id = sqlc.arg(budget_id) AND a.owner_id >= sqlc.arg(from_id)
ORDER BY a.owner_id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: OwnersOfBudget :many
-- Some of the keys and identities that have a budget.
SELECT owner_id FROM budget_attachments WHERE budget_id = $1 LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: Reservation :one
SELECT * FROM reservations WHERE id = $1 AND workspace_id = $2;

-- name: ReservationParts :many
SELECT sqlc.embed(p), COALESCE(g.name, '') AS name FROM reservation_parts p
LEFT JOIN budgets g ON g.id = p.budget_id
WHERE p.reservation_id = $1
ORDER BY p.budget_id;

-- name: ReservationsPage :many
-- Reservations of a workspace from a place on, the oldest first; "" for any key and state.
SELECT * FROM reservations r
WHERE r.workspace_id = sqlc.arg(workspace_id)
    AND (r.created_at, r.id) >= (CAST(sqlc.arg(from_time) AS BIGINT), CAST(sqlc.arg(from_id) AS TEXT))
    AND (CAST(sqlc.arg(key_id) AS TEXT) = '' OR r.key_id = sqlc.arg(key_id))
    AND (CAST(sqlc.arg(state) AS TEXT) = '' OR r.state = sqlc.arg(state))
    AND (CAST(sqlc.arg(budget_id) AS TEXT) = '' OR EXISTS (SELECT 1 FROM reservation_parts p
        WHERE p.reservation_id = r.id AND p.budget_id = sqlc.arg(budget_id)))
ORDER BY r.created_at, r.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: ExpiredOfBudget :many
-- Some open reservations of a budget that have expired, the earliest first.
SELECT p.reservation_id FROM reservation_parts p
WHERE p.budget_id = sqlc.arg(budget_id) AND p.expires_at <> 0 AND p.expires_at <= sqlc.arg(now)
ORDER BY p.expires_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: FirstExpiry :one
-- When the first open reservation of a budget expires; 0 without one.
SELECT CAST(COALESCE(MIN(p.expires_at), 0) AS BIGINT) AS first FROM reservation_parts p
WHERE p.budget_id = sqlc.arg(budget_id) AND p.expires_at <> 0;

-- name: OpenOfBudget :many
-- Some open reservations of a budget.
SELECT p.reservation_id FROM reservation_parts p
WHERE p.budget_id = sqlc.arg(budget_id) AND p.expires_at <> 0
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: ExpiredReservations :many
-- Some open reservations of any workspace that have expired.
SELECT id, workspace_id FROM reservations
WHERE state = 'open' AND expires_at <= sqlc.arg(now)
ORDER BY expires_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: BudgetEntriesPage :many
-- Sums of the statement of a budget from a place on. Per is hour, day or month.
SELECT x.time, x.kind, x.key_id, CAST(SUM(x.count) AS BIGINT) AS count, CAST(SUM(x.amount) AS BIGINT) AS amount
FROM (
    SELECT CAST(CASE CAST(sqlc.arg(per) AS TEXT) WHEN 'day' THEN e.day WHEN 'month' THEN e.month ELSE e.hour END AS BIGINT) AS time,
        e.kind, CAST(CASE WHEN CAST(sqlc.arg(by_key) AS BOOLEAN) THEN e.key_id ELSE '' END AS TEXT) AS key_id, e.count, e.amount
    FROM budget_entries e
    WHERE e.budget_id = sqlc.arg(budget_id) AND e.hour >= sqlc.arg(from_hour) AND e.hour < sqlc.arg(to_hour)
) x
WHERE (x.time, x.kind, x.key_id) >= (CAST(sqlc.arg(from_time) AS BIGINT), CAST(sqlc.arg(from_kind) AS TEXT), CAST(sqlc.arg(from_key) AS TEXT))
GROUP BY x.time, x.kind, x.key_id
ORDER BY x.time, x.kind, x.key_id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: BudgetCrossings :many
-- The thresholds of a budget that were crossed since a time.
SELECT * FROM budget_crossings WHERE budget_id = $1 AND since >= $2 ORDER BY since, percent;
