-- name: InsertAuditLog :exec
INSERT INTO audit_logs (seq, id, workspace_id, time, event, description, actor_type, actor_id, actor_name,
    targets, remote_ip, user_agent, correlation_id, changes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: DropAuditLogs :execrows
-- The records up to a place.
DELETE FROM audit_logs WHERE seq <= $1;

-- name: InsertAuditBlock :exec
INSERT INTO audit_blocks (workspace_id, number, after_seq, last_seq, records, previous, data_key, code)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: SetAuditHead :exec
INSERT INTO audit_heads (workspace_id, number, last_seq, dropped_seq, block, data_key, code)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (workspace_id) DO UPDATE SET number = excluded.number, last_seq = excluded.last_seq,
    dropped_seq = excluded.dropped_seq, block = excluded.block, data_key = excluded.data_key, code = excluded.code;

-- name: DropAuditBlocks :exec
-- The blocks whose records are all up to a place.
DELETE FROM audit_blocks WHERE last_seq <= $1;
