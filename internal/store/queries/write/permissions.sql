-- name: InsertPermission :exec
INSERT INTO permissions (id, workspace_id, name, slug, slug_folded, description, search) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: DeletePermission :exec
DELETE FROM permissions WHERE id = $1;

-- name: TakePermissionFromKeys :many
-- From some keys at once, which it returns.
DELETE FROM key_permissions WHERE key_permissions.permission_id = @permission_id AND key_id IN (
    SELECT kp.key_id FROM key_permissions kp WHERE kp.permission_id = @permission_id
    LIMIT CAST(@most AS BIGINT))
RETURNING key_id;

-- name: TakePermissionFromRoles :many
-- From some roles at once, which it returns.
DELETE FROM role_permissions WHERE role_permissions.permission_id = @permission_id AND role_id IN (
    SELECT rp.role_id FROM role_permissions rp WHERE rp.permission_id = @permission_id
    LIMIT CAST(@most AS BIGINT))
RETURNING role_id;

-- name: UpdatePermission :exec
UPDATE permissions SET name = $2, slug = $3, slug_folded = $4, description = $5, search = $6 WHERE id = $1;
