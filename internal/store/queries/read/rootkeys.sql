-- name: RootKeyByHash :one
-- All that authentication needs of the root key and its workspace.
SELECT k.id, k.workspace_id, k.name, k.permissions, k.enabled, k.expires,
    w.enabled AS workspace_enabled, w.deleted_at AS workspace_deleted_at, w.requests_per_minute, w.quotas
FROM root_keys k
JOIN workspaces w ON w.id = k.workspace_id
WHERE k.hash = $1;

-- name: RootKey :one
-- A root key that can be managed: its workspace is not deleted.
SELECT k.* FROM root_keys k
JOIN workspaces w ON w.id = k.workspace_id
WHERE k.id = $1 AND w.deleted_at = 0;

-- name: RootKeysPage :many
SELECT * FROM root_keys
WHERE workspace_id = @workspace_id AND id >= @from_id
ORDER BY id LIMIT CAST(@most AS BIGINT);
