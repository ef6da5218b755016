-- name: AuditLogsPage :many
-- Newest first, from a place on; of one event, or of all if none is named.
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND seq <= @from_seq AND (CAST(@event AS TEXT) = '' OR event = CAST(@event AS TEXT))
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);
