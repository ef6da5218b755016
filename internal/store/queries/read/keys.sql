-- name: KeyByHash :one
-- All that verification needs of the key, its API, its workspace and its identity.
SELECT sqlc.embed(k), a.keyspace_id, a.ip_whitelist, a.deleted_at AS api_deleted_at,
    w.enabled AS workspace_enabled, w.deleted_at AS workspace_deleted_at,
    COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta,
    COALESCE(i.enabled, TRUE) AS identity_enabled,
    b.remaining, COALESCE(b.refill_interval, '') AS refill_interval, COALESCE(b.refill_amount, 0) AS refill_amount,
    COALESCE(b.refill_day, 0) AS refill_day, COALESCE(b.refill_at, 0) AS refill_at
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN workspaces w ON w.id = k.workspace_id
LEFT JOIN identities i ON i.id = k.identity_id
LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.hash = $1 AND k.workspace_id = $2;

-- name: KeysWithHash :many
-- The keys of that hash in any workspace, those of an API first.
SELECT k.id, k.workspace_id, k.api_id, w.enabled AS workspace_enabled
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN workspaces w ON w.id = k.workspace_id
WHERE k.hash = sqlc.arg(hash) AND k.deleted_at = 0 AND a.deleted_at = 0 AND w.deleted_at = 0
ORDER BY CASE WHEN k.api_id = sqlc.arg(api_id) THEN 0 ELSE 1 END
LIMIT 2;

-- name: KeyByID :one
-- A key, deleted or not.
SELECT * FROM keys WHERE id = $1 AND workspace_id = $2;

-- name: HoldersByHash :many
-- The keys of that hash in any workspace, with all that decides what their holders can do.
SELECT k.id, k.name, k.family, k.workspace_id, k.api_id, k.enabled, k.expires, a.self_service,
    COALESCE(i.enabled, TRUE) AS identity_enabled,
    w.enabled AS workspace_enabled, w.requests_per_minute, w.quotas
FROM keys k
JOIN apis a ON a.id = k.api_id
JOIN workspaces w ON w.id = k.workspace_id
LEFT JOIN identities i ON i.id = k.identity_id
WHERE k.hash = $1 AND k.deleted_at = 0 AND a.deleted_at = 0 AND w.deleted_at = 0
LIMIT 2;

-- name: LiveKey :one
-- A key that can be managed: neither it nor its API is deleted.
SELECT sqlc.embed(k), a.keyspace_id, a.store_encrypted, a.strict_grants, a.default_prefix,
    a.default_bytes,
    COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta,
    COALESCE(i.enabled, TRUE) AS identity_enabled,
    b.remaining, COALESCE(b.refill_interval, '') AS refill_interval, COALESCE(b.refill_amount, 0) AS refill_amount,
    COALESCE(b.refill_day, 0) AS refill_day, COALESCE(b.refill_at, 0) AS refill_at
FROM keys k
JOIN apis a ON a.id = k.api_id
LEFT JOIN identities i ON i.id = k.identity_id
LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.id = $1 AND k.workspace_id = $2 AND k.deleted_at = 0 AND a.deleted_at = 0;

-- name: KeysPage :many
-- Keys of an API from an id on.
SELECT sqlc.embed(k), COALESCE(i.external_id, '') AS external_id, COALESCE(i.meta, '') AS identity_meta,
    COALESCE(i.enabled, TRUE) AS identity_enabled,
    b.remaining, COALESCE(b.refill_interval, '') AS refill_interval, COALESCE(b.refill_amount, 0) AS refill_amount,
    COALESCE(b.refill_day, 0) AS refill_day, COALESCE(b.refill_at, 0) AS refill_at
FROM keys k
LEFT JOIN identities i ON i.id = k.identity_id
LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.api_id = sqlc.arg(api_id) AND k.id >= sqlc.arg(from_id) AND k.deleted_at = 0
ORDER BY k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysOfIdentityPage :many
-- Keys of an API that belong to an identity, from an id on.
SELECT sqlc.embed(k), i.external_id, i.meta AS identity_meta, i.enabled AS identity_enabled,
    b.remaining, COALESCE(b.refill_interval, '') AS refill_interval, COALESCE(b.refill_amount, 0) AS refill_amount,
    COALESCE(b.refill_day, 0) AS refill_day, COALESCE(b.refill_at, 0) AS refill_at
FROM keys k
JOIN identities i ON i.id = k.identity_id
LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.identity_id = sqlc.arg(identity_id) AND k.identity_id <> '' AND k.id >= sqlc.arg(from_id)
    AND k.api_id = sqlc.arg(api_id) AND k.deleted_at = 0
ORDER BY k.id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: SealedKey :one
SELECT sealed, data_key FROM sealed_keys WHERE key_id = $1;

-- name: KeysDeletedBefore :many
-- Some of them, of any workspace.
SELECT * FROM keys
WHERE deleted_at <> 0 AND deleted_at < sqlc.arg(before)
ORDER BY deleted_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysOfWorkspacesDeletedBefore :many
-- Some of them.
SELECT k.* FROM workspaces w
JOIN apis a ON a.workspace_id = w.id
JOIN keys k ON k.api_id = a.id
WHERE w.deleted_at <> 0 AND w.deleted_at < sqlc.arg(before)
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: KeysOfDeletedAPIs :many
-- Some of them, of any workspace.
SELECT k.* FROM apis a JOIN keys k ON k.api_id = a.id
WHERE a.deleted_at <> 0
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: CountKeysOfIdentity :one
-- The number of keys of an API that belong to an identity, or most, if there are more.
SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM keys
    WHERE identity_id = sqlc.arg(identity_id) AND identity_id <> '' AND api_id = sqlc.arg(api_id) AND deleted_at = 0
    LIMIT CAST(sqlc.arg(most) AS BIGINT)) AS counted;
