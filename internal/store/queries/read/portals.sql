-- name: Portal :one
-- A portal by its id or its slug, with its API, which is not deleted; the id wins.
SELECT sqlc.embed(p), sqlc.embed(a)
FROM portals p
JOIN apis a ON a.id = p.api_id
WHERE p.workspace_id = sqlc.arg(workspace_id) AND a.deleted_at = 0
    AND (p.id = sqlc.arg(name) OR p.slug = sqlc.arg(name))
ORDER BY CASE WHEN p.id = sqlc.arg(name) THEN 0 ELSE 1 END
LIMIT 1;

-- name: PortalOfKeyspace :one
SELECT sqlc.embed(p), sqlc.embed(a)
FROM apis a
JOIN portals p ON p.api_id = a.id
WHERE a.keyspace_id = sqlc.arg(keyspace_id) AND a.workspace_id = sqlc.arg(workspace_id) AND a.deleted_at = 0;

-- name: PortalOfAPI :one
SELECT * FROM portals WHERE api_id = $1;

-- name: PortalWithSlug :one
SELECT * FROM portals WHERE workspace_id = $1 AND slug = $2;

-- name: APIOfKeyspace :one
-- The API that is not deleted.
SELECT * FROM apis WHERE keyspace_id = $1 AND workspace_id = $2 AND deleted_at = 0;
