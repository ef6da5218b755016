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

-- name: NextAuditLogs :many
-- Of all workspaces, the oldest first.
SELECT * FROM audit_logs WHERE seq > @after ORDER BY seq LIMIT CAST(@most AS BIGINT);

-- name: AuditLogsBetween :many
-- Of a workspace, after a place and up to another one, the oldest first.
SELECT * FROM audit_logs
WHERE workspace_id = @workspace_id AND seq > @after AND seq <= @last
ORDER BY seq LIMIT CAST(@most AS BIGINT);

-- name: AuditHead :one
SELECT * FROM audit_heads WHERE workspace_id = $1;

-- name: AuditHeads :many
-- All of them as they were at one moment. There are as many as workspaces ever had records.
SELECT * FROM audit_heads;

-- name: AuditBlocks :many
SELECT * FROM audit_blocks
WHERE workspace_id = @workspace_id AND number >= @from_number
ORDER BY number LIMIT CAST(@most AS BIGINT);

-- name: CountAuditBlocks :one
SELECT COUNT(*) FROM audit_blocks;

-- name: CountAuditBlocksUpTo :one
SELECT COUNT(*) FROM audit_blocks WHERE last_seq <= $1;
