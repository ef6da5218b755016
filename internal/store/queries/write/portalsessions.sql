-- name: InsertPortalSession :exec
INSERT INTO portal_sessions (id, workspace_id, portal_id, epoch, root_key_id, external_id, scopes,
    return_url, hash, active, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, $10, $11);

-- name: ActivatePortalSession :execrows
-- Replaces the code of a session by an access token, unless that was done.
UPDATE portal_sessions SET active = TRUE, hash = sqlc.arg(token), expires_at = sqlc.arg(expires_at)
WHERE hash = sqlc.arg(code) AND NOT active AND expires_at > sqlc.arg(now);

-- name: DeletePortalSession :execrows
-- Unless it expires later.
DELETE FROM portal_sessions WHERE id = $1 AND expires_at <= $2;
