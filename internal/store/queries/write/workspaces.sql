-- name: InsertWorkspace :exec
INSERT INTO workspaces (id, name, search, enabled, requests_per_minute, created_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: UpdateWorkspace :exec
UPDATE workspaces SET name = $1, search = $2, enabled = $3, requests_per_minute = $4, quotas = $5 WHERE id = $6;

-- name: MarkWorkspaceDeleted :exec
UPDATE workspaces SET deleted_at = $2 WHERE id = $1;
