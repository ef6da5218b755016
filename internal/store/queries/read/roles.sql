-- name: Role :one
-- A role by its id or its name; where these name two, the id wins.
SELECT * FROM roles
WHERE workspace_id = sqlc.arg(workspace_id) AND (id = sqlc.arg(id) OR name_folded = sqlc.arg(name_folded))
ORDER BY CASE WHEN id = sqlc.arg(id) THEN 0 ELSE 1 END
LIMIT 1;

-- name: RoleByName :one
SELECT * FROM roles WHERE workspace_id = $1 AND name_folded = $2;

-- name: RolesPage :many
-- The roles of a workspace from an id on.
SELECT * FROM roles
WHERE workspace_id = sqlc.arg(workspace_id) AND id >= sqlc.arg(from_id) AND search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: RolePermissions :many
-- What a role grants.
SELECT p.*
FROM role_permissions rp JOIN permissions p ON p.id = rp.permission_id
WHERE rp.role_id = $1
ORDER BY p.slug;

-- name: PermissionsOfRoles :many
-- What the roles of a page grant, which are those that match from one id to another.
SELECT rp.role_id, sqlc.embed(p)
FROM roles r
JOIN role_permissions rp ON rp.role_id = r.id
JOIN permissions p ON p.id = rp.permission_id
WHERE r.workspace_id = sqlc.arg(workspace_id) AND r.id >= sqlc.arg(from_id) AND r.id <= sqlc.arg(to_id)
    AND r.search LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY p.slug;
