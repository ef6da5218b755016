-- name: InsertKey :exec
-- Names every column in the order of the table: its parameters are converted from a whole row, which
-- doesn't compile where one is missing.
INSERT INTO keys (id, workspace_id, api_id, identity_id, hash, migration_id, start, name, meta, enabled, expires,
    created_at, updated_at, last_used_at, deleted_at, family)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: UpdateKey :exec
UPDATE keys SET name = $2, identity_id = $3, meta = $4, expires = $5, enabled = $6, updated_at = $7 WHERE id = $1;

-- name: ReplaceKey :exec
-- Sets the end of a key that was rerolled, and its family.
UPDATE keys SET expires = $2, family = $3 WHERE id = $1;

-- name: MarkKeyUsed :exec
UPDATE keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2;

-- name: MarkKeyDeleted :exec
UPDATE keys SET deleted_at = $2 WHERE id = $1;

-- name: DeleteKey :exec
DELETE FROM keys WHERE id = $1;

-- name: DeleteKeyLimits :exec
DELETE FROM limits WHERE owner_id = $1;

-- name: InsertSealedKey :exec
INSERT INTO sealed_keys (key_id, sealed, data_key) VALUES ($1, $2, $3);

-- name: DeleteSealedKey :exec
DELETE FROM sealed_keys WHERE key_id = $1;
