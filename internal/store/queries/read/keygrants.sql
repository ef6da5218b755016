-- name: KeyGrants :many
-- What a key holds: direct permissions, roles, the roles' permissions, and the
-- rate limits and budgets of the key and of its identity.
SELECT 'permission' AS kind, p.id, p.slug AS name, '' AS owner_id,
    CAST(0 AS BIGINT) AS amount, CAST(0 AS BIGINT) AS duration, FALSE AS auto_apply, '' AS algorithm
FROM key_permissions kp JOIN permissions p ON p.id = kp.permission_id
WHERE kp.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'role', r.id, r.name, '', 0, 0, FALSE, ''
FROM key_roles kr JOIN roles r ON r.id = kr.role_id
WHERE kr.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'permission', p.id, p.slug, '', 0, 0, FALSE, ''
FROM key_roles kr JOIN role_permissions rp ON rp.role_id = kr.role_id JOIN permissions p ON p.id = rp.permission_id
WHERE kr.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply, l.algorithm
FROM limits l
WHERE l.owner_id = sqlc.arg(key_id) OR l.owner_id = sqlc.arg(identity_id)
UNION ALL
SELECT 'budget', g.id, g.name, a.owner_id, 0, 0, a.auto_apply, ''
FROM budget_attachments a JOIN budgets g ON g.id = a.budget_id
WHERE a.owner_id = sqlc.arg(family) OR a.owner_id = sqlc.arg(identity_id);

-- name: GrantsOfPage :many
-- What the keys of a page hold, in the words of KeyGrants: of the keys of an API from one id to
-- another, or of those of them that belong to an identity.
WITH page AS (
    SELECT k.id, k.identity_id FROM keys k
    WHERE CAST(sqlc.arg(identity_id) AS TEXT) = '' AND k.api_id = sqlc.arg(api_id)
        AND k.id >= sqlc.arg(from_id) AND k.id <= sqlc.arg(to_id) AND k.deleted_at = 0
    UNION ALL
    SELECT k.id, k.identity_id FROM keys k
    WHERE k.identity_id = CAST(sqlc.arg(identity_id) AS TEXT) AND k.identity_id <> '' AND k.api_id = sqlc.arg(api_id)
        AND k.id >= sqlc.arg(from_id) AND k.id <= sqlc.arg(to_id) AND k.deleted_at = 0
)
SELECT k.id AS key_id, 'permission' AS kind, p.id, p.slug AS name, '' AS owner_id,
    CAST(0 AS BIGINT) AS amount, CAST(0 AS BIGINT) AS duration, FALSE AS auto_apply, '' AS algorithm
FROM page k JOIN key_permissions kp ON kp.key_id = k.id JOIN permissions p ON p.id = kp.permission_id
UNION ALL
SELECT k.id, 'role', r.id, r.name, '', 0, 0, FALSE, ''
FROM page k JOIN key_roles kr ON kr.key_id = k.id JOIN roles r ON r.id = kr.role_id
UNION ALL
SELECT k.id, 'permission', p.id, p.slug, '', 0, 0, FALSE, ''
FROM page k JOIN key_roles kr ON kr.key_id = k.id
JOIN role_permissions rp ON rp.role_id = kr.role_id JOIN permissions p ON p.id = rp.permission_id
UNION ALL
SELECT k.id, 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply, l.algorithm
FROM page k JOIN limits l ON l.owner_id = k.id
UNION ALL
SELECT k.id, 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply, l.algorithm
FROM page k JOIN limits l ON l.owner_id = k.identity_id;

-- name: DirectPermissions :many
SELECT p.id, p.name, p.slug, p.description
FROM key_permissions kp JOIN permissions p ON p.id = kp.permission_id
WHERE kp.key_id = $1
ORDER BY p.slug;

-- name: KeyRoles :many
-- The roles of a key.
SELECT r.* FROM key_roles kr JOIN roles r ON r.id = kr.role_id WHERE kr.key_id = $1 ORDER BY r.name;

-- name: RolesOfKey :many
-- The roles of a key, each with its permissions; a role without any is one row of blanks.
SELECT r.id, r.name, r.description, COALESCE(p.id, '') AS permission_id, COALESCE(p.name, '') AS permission_name,
    COALESCE(p.slug, '') AS slug, COALESCE(p.description, '') AS permission_description
FROM key_roles kr
JOIN roles r ON r.id = kr.role_id
LEFT JOIN role_permissions rp ON rp.role_id = r.id
LEFT JOIN permissions p ON p.id = rp.permission_id
WHERE kr.key_id = $1
ORDER BY r.name, p.slug;

-- name: CountPermissionsByRoles :one
-- How many permissions a key has through its roles, as far as they are counted.
SELECT COUNT(*) FROM (
    SELECT rp.permission_id FROM key_roles kr JOIN role_permissions rp ON rp.role_id = kr.role_id
    WHERE kr.key_id = $1 LIMIT CAST(sqlc.arg(most) AS BIGINT)) AS counted;

-- name: CountKeyPermissions :one
-- How many permissions a key has, directly and through each of its roles.
SELECT CAST((SELECT COUNT(*) FROM key_permissions kp WHERE kp.key_id = sqlc.arg(key_id))
    + (SELECT COUNT(*) FROM key_roles kr JOIN role_permissions rp ON rp.role_id = kr.role_id
        WHERE kr.key_id = sqlc.arg(key_id)) AS BIGINT);
