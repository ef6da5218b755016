-- name: AuditLogsPage :many
-- Newest first, from a place on; of one event, or of all if none is named.
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND seq <= @from_seq AND (CAST(@event AS TEXT) = '' OR event = CAST(@event AS TEXT))
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);

-- name: OldestAuditLogs :many
-- Of all workspaces, from before a place.
SELECT * FROM audit_logs WHERE seq < @before ORDER BY seq LIMIT CAST(@most AS BIGINT);
