-- name: InsertPermission :exec
INSERT INTO permissions (id, workspace_id, name, slug, slug_folded, description, search) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: DeletePermission :exec
DELETE FROM permissions WHERE id = $1;

-- name: TakePermissionFromKeys :exec
DELETE FROM key_permissions WHERE permission_id = $1;

-- name: TakePermissionFromRoles :exec
DELETE FROM role_permissions WHERE permission_id = $1;

-- name: UpdatePermission :exec
UPDATE permissions SET name = $2, slug = $3, slug_folded = $4, description = $5, search = $6 WHERE id = $1;
