-- name: Permission :one
-- A permission by its id or its slug; where these name two, the id wins.
SELECT * FROM permissions
WHERE workspace_id = sqlc.arg(workspace_id) AND (id = sqlc.arg(id) OR slug_folded = sqlc.arg(slug_folded))
ORDER BY CASE WHEN id = sqlc.arg(id) THEN 0 ELSE 1 END
LIMIT 1;

-- name: PermissionsPage :many
-- The permissions of a workspace from an id on.
SELECT * FROM permissions
WHERE workspace_id = sqlc.arg(workspace_id) AND id >= sqlc.arg(from_id) AND search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysWithPermission :many
-- Some of the keys that hold a permission directly.
SELECT key_id FROM key_permissions WHERE permission_id = @permission_id
LIMIT CAST(@most AS BIGINT);

-- name: RolesWithPermission :many
-- Some of the roles that grant a permission.
SELECT role_id FROM role_permissions WHERE permission_id = @permission_id
LIMIT CAST(@most AS BIGINT);
