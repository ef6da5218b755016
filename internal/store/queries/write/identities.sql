-- name: InsertIdentity :exec
INSERT INTO identities (id, workspace_id, external_id, search, meta, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: SetIdentityMeta :exec
UPDATE identities SET meta = $2 WHERE id = $1;

-- name: SetIdentityEnabled :exec
UPDATE identities SET enabled = $2 WHERE id = $1;

-- name: DeleteIdentity :exec
DELETE FROM identities WHERE id = $1;

-- name: LeaveIdentity :execrows
-- Takes the identity from some of its keys at once, deleted keys among them.
UPDATE keys SET identity_id = '' WHERE id IN (
    SELECT k.id FROM keys k WHERE k.identity_id = @identity_id AND k.identity_id <> ''
    LIMIT CAST(@most AS BIGINT));
