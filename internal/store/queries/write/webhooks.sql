-- name: InsertWebhook :exec
INSERT INTO webhooks (id, workspace_id, url, description, events, expiring_days, credit_threshold, enabled,
    disabled_reason, secrets, data_key, rotated_at, place, failing_since, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, TRUE, '', $8, $9, 0, $10, 0, $11);

-- name: UpdateWebhook :exec
UPDATE webhooks SET url = $2, description = $3, events = $4, expiring_days = $5, credit_threshold = $6,
    enabled = $7, disabled_reason = $8, place = $9, failing_since = $10, updated_at = $11
WHERE id = $1;

-- name: SetWebhookSecrets :exec
UPDATE webhooks SET secrets = $2, data_key = $3, rotated_at = $4 WHERE id = $1;

-- name: SetWebhookPlace :exec
UPDATE webhooks SET place = $2 WHERE id = $1;

-- name: SetWebhookFailing :exec
UPDATE webhooks SET failing_since = $2 WHERE id = $1;

-- name: DeleteWebhook :exec
DELETE FROM webhooks WHERE id = $1;

-- name: InsertWebhookDelivery :exec
INSERT INTO webhook_deliveries (id, webhook_id, event, payload, created_at, attempts, next_at,
    attempted_at, delivered_at, status, error)
VALUES ($1, $2, $3, $4, $5, 0, $6, 0, 0, 0, '');

-- name: ClaimDelivery :exec
-- Counts an attempt. Nobody else makes one before the time.
UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = $2 WHERE id = $1;

-- name: SetDelivered :exec
-- The outcome of an attempt, unless somebody has claimed or sent the delivery again since.
UPDATE webhook_deliveries SET attempts = sqlc.arg(attempts), next_at = sqlc.arg(next_at),
    attempted_at = sqlc.arg(attempted_at), delivered_at = sqlc.arg(delivered_at),
    status = sqlc.arg(status), error = sqlc.arg(error)
WHERE id = sqlc.arg(id) AND next_at = sqlc.arg(claimed);

-- name: ResendDelivery :exec
UPDATE webhook_deliveries SET attempts = 0, next_at = $2, delivered_at = 0 WHERE id = $1;

-- name: DropDeliveries :execrows
-- Those of before a time, a few at once.
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT d.id FROM webhook_deliveries d WHERE d.created_at < @before
    ORDER BY d.created_at LIMIT CAST(@most AS BIGINT));

-- name: DropDeliveriesOf :execrows
-- Those of a webhook beyond its newest that don't wait, a few at once.
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT d.id FROM webhook_deliveries d WHERE d.webhook_id = @webhook_id AND d.next_at = 0
    ORDER BY d.created_at DESC, d.id DESC LIMIT CAST(@most AS BIGINT) OFFSET CAST(@newest AS BIGINT));

-- name: InsertDeliveryOnce :exec
-- Queues an event of a period, unless it was reported. InsertWebhookMark follows.
INSERT INTO webhook_deliveries (id, webhook_id, event, payload, created_at, attempts, next_at,
    attempted_at, delivered_at, status, error)
SELECT CAST(@id AS TEXT), CAST(@webhook_id AS TEXT), CAST(@event AS TEXT), CAST(@payload AS TEXT),
    CAST(@now AS BIGINT), 0, CAST(@now AS BIGINT), 0, 0, 0, ''
WHERE NOT EXISTS (
    SELECT 1 FROM webhook_marks m WHERE m.webhook_id = CAST(@webhook_id AS TEXT) AND m.event = CAST(@event AS TEXT)
        AND m.subject = CAST(@subject AS TEXT) AND m.period = CAST(@period AS BIGINT));

-- name: InsertWebhookMark :exec
-- Notes that an event of a period was reported.
INSERT INTO webhook_marks (webhook_id, event, subject, period, ends_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: DeleteOtherWebhookMarks :exec
-- Of other periods.
DELETE FROM webhook_marks WHERE webhook_id = $1 AND event = $2 AND subject = $3 AND period <> $4;

-- name: DeleteMarkOfRisenCredits :exec
-- Begins another period if the balance of a key is above a threshold.
DELETE FROM webhook_marks WHERE webhook_id = sqlc.arg(webhook_id) AND event = sqlc.arg(event)
    AND subject IN (
        SELECT CASE WHEN k.family = '' THEN k.id ELSE k.family END FROM keys k
        LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
        WHERE k.id = sqlc.arg(key_id) AND (b.remaining IS NULL OR b.remaining > CAST(sqlc.arg(threshold) AS BIGINT)));

-- name: DropWebhookMarks :execrows
-- Those that have ended, a few at once.
DELETE FROM webhook_marks WHERE (webhook_id, event, subject, period) IN (
    SELECT m.webhook_id, m.event, m.subject, m.period FROM webhook_marks m
    WHERE m.ends_at < @before
    ORDER BY m.ends_at LIMIT CAST(@most AS BIGINT));

-- name: DropWebhooks :execrows
-- Those of workspaces that were deleted before a time, a few at once.
DELETE FROM webhooks WHERE id IN (
    SELECT h.id FROM workspaces w
    JOIN webhooks h ON h.workspace_id = w.id
    WHERE w.deleted_at <> 0 AND w.deleted_at < @before
    LIMIT CAST(@most AS BIGINT));

-- name: DropDeliveriesWithoutWebhook :execrows
-- Those of a webhook, if it doesn't exist, a few at once.
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT d.id FROM webhook_deliveries d
    WHERE d.webhook_id = @webhook_id AND NOT EXISTS (SELECT 1 FROM webhooks h WHERE h.id = d.webhook_id)
    LIMIT CAST(@most AS BIGINT));

-- name: DropMarksWithoutWebhook :execrows
-- Those of a webhook, if it doesn't exist, a few at once.
DELETE FROM webhook_marks WHERE (webhook_id, event, subject, period) IN (
    SELECT m.webhook_id, m.event, m.subject, m.period FROM webhook_marks m
    WHERE m.webhook_id = @webhook_id AND NOT EXISTS (SELECT 1 FROM webhooks h WHERE h.id = m.webhook_id)
    LIMIT CAST(@most AS BIGINT));
