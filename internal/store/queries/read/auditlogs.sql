-- name: LastAuditLog :one
-- The last place in the log, 0 if nothing is logged.
SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) FROM audit_logs;

-- name: AuditLogsPage :many
-- Newest first, from a place on; of one event, or of all if none is named.
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND seq <= @from_seq AND (CAST(@event AS TEXT) = '' OR event = CAST(@event AS TEXT))
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);
