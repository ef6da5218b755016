-- name: Workspace :one
SELECT * FROM workspaces WHERE id = $1 AND deleted_at = 0;

-- name: WorkspacesPage :many
SELECT * FROM workspaces
WHERE deleted_at = 0 AND id >= @from_id AND search LIKE CAST(@pattern AS TEXT) ESCAPE '!'
ORDER BY id LIMIT CAST(@most AS BIGINT);

-- name: CountWorkspaces :one
-- Deleted ones count: an installation that had a workspace is not new.
SELECT COUNT(*) FROM workspaces;
