-- name: KeyByHash :one
-- All that verification needs of the key, its API, its workspace and its identity.
SELECT sqlc.embed(k), a.keyspace_id, a.ip_whitelist, a.deleted_at AS api_deleted_at,
    w.enabled AS workspace_enabled, w.deleted_at AS workspace_deleted_at,
    COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN workspaces w ON w.id = k.workspace_id
LEFT JOIN identities i ON i.id = k.identity_id
WHERE k.hash = $1;

-- name: LiveKey :one
-- A key that can be managed: neither it nor its API is deleted.
SELECT sqlc.embed(k), a.keyspace_id, a.store_encrypted, a.default_prefix, a.default_bytes,
    COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta
FROM keys k
JOIN apis a ON a.id = k.api_id
LEFT JOIN identities i ON i.id = k.identity_id
WHERE k.id = $1 AND k.workspace_id = $2 AND k.deleted_at = 0 AND a.deleted_at = 0;

-- name: KeysPage :many
-- Keys of an API from an id on.
SELECT sqlc.embed(k), COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta
FROM keys k
LEFT JOIN identities i ON i.id = k.identity_id
WHERE k.api_id = sqlc.arg(api_id) AND k.id >= sqlc.arg(from_id) AND k.deleted_at = 0
ORDER BY k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysOfIdentityPage :many
-- Keys of an API that belong to an identity, from an id on.
SELECT sqlc.embed(k), i.external_id, i.meta AS identity_meta
FROM keys k
JOIN identities i ON i.id = k.identity_id
WHERE k.identity_id = sqlc.arg(identity_id) AND k.identity_id <> '' AND k.id >= sqlc.arg(from_id)
    AND k.api_id = sqlc.arg(api_id) AND k.deleted_at = 0
ORDER BY k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeyGrants :many
-- What a key holds: direct permissions, roles, the roles' permissions, and the
-- rate limits of the key and of its identity.
SELECT 'permission' AS kind, p.id, p.slug AS name, '' AS owner_id,
    CAST(0 AS BIGINT) AS amount, CAST(0 AS BIGINT) AS duration, FALSE AS auto_apply
FROM key_permissions kp JOIN permissions p ON p.id = kp.permission_id
WHERE kp.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'role', r.id, r.name, '', 0, 0, FALSE
FROM key_roles kr JOIN roles r ON r.id = kr.role_id
WHERE kr.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'permission', p.id, p.slug, '', 0, 0, FALSE
FROM key_roles kr JOIN role_permissions rp ON rp.role_id = kr.role_id JOIN permissions p ON p.id = rp.permission_id
WHERE kr.key_id = sqlc.arg(key_id)
UNION ALL
SELECT 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply
FROM limits l
WHERE l.owner_id = sqlc.arg(key_id) OR l.owner_id = sqlc.arg(identity_id);

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
    CAST(0 AS BIGINT) AS amount, CAST(0 AS BIGINT) AS duration, FALSE AS auto_apply
FROM page k JOIN key_permissions kp ON kp.key_id = k.id JOIN permissions p ON p.id = kp.permission_id
UNION ALL
SELECT k.id, 'role', r.id, r.name, '', 0, 0, FALSE
FROM page k JOIN key_roles kr ON kr.key_id = k.id JOIN roles r ON r.id = kr.role_id
UNION ALL
SELECT k.id, 'permission', p.id, p.slug, '', 0, 0, FALSE
FROM page k JOIN key_roles kr ON kr.key_id = k.id
JOIN role_permissions rp ON rp.role_id = kr.role_id JOIN permissions p ON p.id = rp.permission_id
UNION ALL
SELECT k.id, 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply
FROM page k JOIN limits l ON l.owner_id = k.id
UNION ALL
SELECT k.id, 'limit', l.id, l.name, l.owner_id, l.amount, l.duration, l.auto_apply
FROM page k JOIN limits l ON l.owner_id = k.identity_id;

-- name: DirectPermissions :many
SELECT p.id, p.name, p.slug, p.description
FROM key_permissions kp JOIN permissions p ON p.id = kp.permission_id
WHERE kp.key_id = $1
ORDER BY p.slug;

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

-- name: Balance :one
-- The balance of a key that is not deleted; NULL for unlimited.
SELECT remaining FROM keys WHERE id = $1 AND deleted_at = 0;

-- name: RefillsDue :many
SELECT * FROM keys
WHERE refill_interval <> '' AND refill_at <= $1 AND deleted_at = 0
ORDER BY refill_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: SealedKey :one
SELECT sealed FROM sealed_keys WHERE key_id = $1;

-- name: HashTaken :one
SELECT COUNT(*) > 0 AS taken FROM keys WHERE hash = $1;
