-- name: Webhook :one
SELECT * FROM webhooks WHERE id = $1 AND workspace_id = $2;

-- name: WebhooksPage :many
SELECT * FROM webhooks
WHERE workspace_id = sqlc.arg(workspace_id) AND id >= sqlc.arg(from_id)
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: ActiveWebhooks :many
-- What the enabled webhooks of all workspaces that are in use wait for.
SELECT h.id, h.workspace_id, h.events, h.expiring_days, h.credit_threshold
FROM webhooks h
JOIN workspaces w ON w.id = h.workspace_id
WHERE h.enabled AND w.enabled AND w.deleted_at = 0
ORDER BY h.id;

-- name: WebhooksBehind :many
-- Some webhooks with records of the audit log that were not looked at, and with room in their
-- queue, after an id.
SELECT h.id, h.workspace_id, h.place
FROM webhooks h
JOIN workspaces w ON w.id = h.workspace_id
WHERE h.enabled AND w.enabled AND w.deleted_at = 0 AND h.id > sqlc.arg(after)
    AND EXISTS (SELECT 1 FROM audit_logs a WHERE a.workspace_id = h.workspace_id AND a.seq > h.place)
    AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = h.id AND d.next_at <> 0
        LIMIT 1 OFFSET CAST(sqlc.arg(room) AS BIGINT))
ORDER BY h.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: AuditLogsAfter :many
-- What webhooks need of the audit log of a workspace, oldest first.
SELECT seq, workspace_id, time, event, actor_type, actor_id, targets, correlation_id FROM audit_logs
WHERE workspace_id = sqlc.arg(workspace_id) AND seq > sqlc.arg(place)
ORDER BY seq
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: WebhooksDue :many
-- Some webhooks with a delivery that is due, after an id.
SELECT h.id, h.workspace_id
FROM webhooks h
JOIN workspaces w ON w.id = h.workspace_id
WHERE h.enabled AND w.enabled AND w.deleted_at = 0 AND h.id > sqlc.arg(after)
    AND EXISTS (
        SELECT 1 FROM webhook_deliveries d
        WHERE d.webhook_id = h.id AND d.next_at <> 0 AND d.next_at <= sqlc.arg(now))
ORDER BY h.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: DueDeliveries :many
SELECT * FROM webhook_deliveries
WHERE webhook_id = sqlc.arg(webhook_id) AND next_at <> 0 AND next_at <= sqlc.arg(now)
ORDER BY next_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: WaitingDeliveries :one
-- How many deliveries of a webhook wait, at most that many.
SELECT COUNT(*) FROM (
    SELECT 1 FROM webhook_deliveries WHERE webhook_id = sqlc.arg(webhook_id) AND next_at <> 0
    LIMIT CAST(sqlc.arg(most) AS BIGINT)) AS waiting;

-- name: WebhookDelivery :one
SELECT * FROM webhook_deliveries WHERE id = $1 AND webhook_id = $2;

-- name: WebhookDeliveriesPage :many
-- Newest first, from a time and an id on; of one status, or all if it is ''.
SELECT * FROM webhook_deliveries
WHERE webhook_id = sqlc.arg(webhook_id)
    AND (created_at < sqlc.arg(at) OR created_at = sqlc.arg(at) AND id <= sqlc.arg(from_id))
    AND (CAST(sqlc.arg(state) AS TEXT) = ''
        OR CASE WHEN next_at <> 0 THEN 'waiting' WHEN delivered_at <> 0 THEN 'delivered' ELSE 'failed' END
            = CAST(sqlc.arg(state) AS TEXT))
ORDER BY created_at DESC, id DESC
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: ExpiringKeys :many
-- Some keys that expire in a time, from a time of expiry on, which a webhook was not told of.
SELECT k.id, k.api_id, k.name, k.expires
FROM keys k
JOIN apis a ON a.id = k.api_id
WHERE k.workspace_id = sqlc.arg(workspace_id) AND k.deleted_at = 0 AND a.deleted_at = 0
    AND k.expires IS NOT NULL AND k.expires >= CAST(sqlc.arg(from_expires) AS BIGINT)
    AND k.expires <= CAST(sqlc.arg(to_expires) AS BIGINT)
    AND NOT EXISTS (
        SELECT 1 FROM webhook_marks m WHERE m.webhook_id = sqlc.arg(webhook_id) AND m.event = sqlc.arg(event)
            AND m.subject = k.id AND m.period = k.expires)
ORDER BY k.expires, k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysLowOnCredits :many
-- Some keys whose balance is at most a threshold, after a key, which a webhook was not told of
-- since the last refill.
SELECT k.id
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.workspace_id = sqlc.arg(workspace_id) AND k.deleted_at = 0 AND a.deleted_at = 0
    AND k.id > sqlc.arg(after) AND b.remaining <= CAST(sqlc.arg(threshold) AS BIGINT)
    AND NOT EXISTS (
        SELECT 1 FROM webhook_marks m WHERE m.webhook_id = sqlc.arg(webhook_id) AND m.event = sqlc.arg(event)
            AND m.subject = b.id AND m.period = b.refill_at)
ORDER BY k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: CreditsOfKey :one
-- The balance of a key that is not deleted, and when it is refilled next.
SELECT k.id, k.api_id, k.name, b.id AS balance_id, b.remaining, b.refill_at
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.id = $1 AND k.deleted_at = 0 AND a.deleted_at = 0;

-- name: NextDeliveredWebhook :one
-- The next webhook that has deliveries, after an id, whether it exists or not.
SELECT webhook_id FROM webhook_deliveries WHERE webhook_id > sqlc.arg(after) ORDER BY webhook_id LIMIT 1;

-- name: NextMarkedWebhook :one
-- The next webhook that has marks, after an id, whether it exists or not.
SELECT webhook_id FROM webhook_marks WHERE webhook_id > sqlc.arg(after) ORDER BY webhook_id LIMIT 1;

-- name: WebhooksUnder :many
-- Some webhooks whose secrets are sealed under a data key.
SELECT * FROM webhooks
WHERE data_key = sqlc.arg(data_key) AND id > sqlc.arg(after)
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);
