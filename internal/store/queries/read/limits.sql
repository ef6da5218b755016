-- name: Limits :many
-- The rate limits of a key or an identity.
SELECT * FROM limits WHERE owner_id = $1 ORDER BY name;

-- name: LimitsOfIdentities :many
-- The rate limits of the identities of a page, which are those that match from one id to another.
SELECT l.*
FROM identities i JOIN limits l ON l.owner_id = i.id
WHERE i.workspace_id = sqlc.arg(workspace_id) AND i.id >= sqlc.arg(from_id) AND i.id <= sqlc.arg(to_id)
    AND i.search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY l.name;
