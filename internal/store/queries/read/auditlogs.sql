-- name: AuditLogsPage :many
-- Newest first, from a place back to another one.
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND seq <= @from_seq AND seq >= @to_seq
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);

-- name: AuditLogsOfEvent :many
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND event = @event AND seq <= @from_seq AND seq >= @to_seq
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);

-- name: AuditLogsOfActor :many
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND actor_id = @actor_id AND seq <= @from_seq AND seq >= @to_seq
ORDER BY seq DESC LIMIT CAST(@most AS BIGINT);

-- name: OldestAuditLogs :many
-- Of all workspaces, from before a place.
SELECT * FROM audit_logs WHERE seq < @before ORDER BY seq LIMIT CAST(@most AS BIGINT);
