-- name: LiveAPI :one
-- An API that is not deleted.
SELECT * FROM apis WHERE id = $1 AND workspace_id = $2 AND deleted_at = 0;

-- name: APIsPage :many
-- The live APIs of a workspace from an id on.
SELECT * FROM apis
WHERE workspace_id = sqlc.arg(workspace_id) AND id >= sqlc.arg(from_id) AND deleted_at = 0
    AND search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: GateAPI :one
-- What a gate needs of its API and the workspace.
SELECT a.id, a.workspace_id, w.requests_per_minute
FROM apis a
JOIN workspaces w ON w.id = a.workspace_id
WHERE a.id = $1 AND a.deleted_at = 0 AND w.deleted_at = 0;

-- name: APIByID :one
-- An API of any workspace that is not deleted.
SELECT * FROM apis WHERE id = $1 AND deleted_at = 0;
