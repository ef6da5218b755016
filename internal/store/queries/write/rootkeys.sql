-- name: InsertRootKey :exec
INSERT INTO root_keys (id, workspace_id, hash, start, ending, name, permissions, enabled, expires, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: UpdateRootKey :exec
UPDATE root_keys SET name = $1, permissions = $2, enabled = $3, expires = $4 WHERE id = $5;

-- name: MarkRootKeyUsed :exec
UPDATE root_keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2;

-- name: DeleteRootKey :exec
DELETE FROM root_keys WHERE id = $1;
