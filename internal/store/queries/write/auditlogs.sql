-- name: InsertAuditLog :exec
INSERT INTO audit_logs (seq, id, workspace_id, time, event, description, actor_type, actor_id, actor_name,
    targets, remote_ip, user_agent, correlation_id, changes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: DropAuditLogs :execrows
-- The records up to a place.
DELETE FROM audit_logs WHERE seq <= $1;
