-- name: Identity :one
-- An identity by its id or its external id; where these name two, the id wins.
SELECT * FROM identities
WHERE workspace_id = sqlc.arg(workspace_id) AND (id = sqlc.arg(name) OR external_id = sqlc.arg(name))
ORDER BY CASE WHEN id = sqlc.arg(name) THEN 0 ELSE 1 END
LIMIT 1;

-- name: IdentityByExternalID :one
SELECT * FROM identities WHERE workspace_id = $1 AND external_id = $2;

-- name: IdentitiesPage :many
-- The identities of a workspace from an id on.
SELECT * FROM identities
WHERE workspace_id = sqlc.arg(workspace_id) AND id >= sqlc.arg(from_id) AND search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);
