-- name: DeleteKeyPermissions :exec
DELETE FROM key_permissions WHERE key_id = $1;

-- name: DeleteKeyRoles :exec
DELETE FROM key_roles WHERE key_id = $1;

-- name: CopyKeyPermissions :exec
INSERT INTO key_permissions (key_id, permission_id)
SELECT CAST(sqlc.arg(to_key) AS TEXT), kp.permission_id FROM key_permissions kp WHERE kp.key_id = sqlc.arg(from_key);

-- name: CopyKeyRoles :exec
INSERT INTO key_roles (key_id, role_id)
SELECT CAST(sqlc.arg(to_key) AS TEXT), kr.role_id FROM key_roles kr WHERE kr.key_id = sqlc.arg(from_key);
