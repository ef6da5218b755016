-- name: InsertIdentity :exec
INSERT INTO identities (id, workspace_id, external_id, search, meta, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: SetIdentityMeta :exec
UPDATE identities SET meta = $2 WHERE id = $1;

-- name: DeleteIdentity :exec
DELETE FROM identities WHERE id = $1;

-- name: LeaveIdentity :exec
-- Takes the identity from its keys, deleted keys among them.
UPDATE keys SET identity_id = '' WHERE identity_id = $1 AND identity_id <> '';
