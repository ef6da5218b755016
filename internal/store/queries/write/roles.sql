-- name: InsertRole :exec
INSERT INTO roles (id, workspace_id, name, name_folded, description, search) VALUES ($1, $2, $3, $4, $5, $6);

-- name: DeleteRole :exec
DELETE FROM roles WHERE id = $1;

-- name: TakeRoleFromKeys :execrows
-- From some keys at once.
DELETE FROM key_roles WHERE key_roles.role_id = @role_id AND key_id IN (
    SELECT kr.key_id FROM key_roles kr WHERE kr.role_id = @role_id LIMIT CAST(@most AS BIGINT));

-- name: ClearRole :exec
-- Takes all permissions from a role.
DELETE FROM role_permissions WHERE role_id = $1;

-- name: UpdateRole :exec
UPDATE roles SET name = $2, name_folded = $3, description = $4, search = $5 WHERE id = $1;
