-- name: DataKey :one
SELECT wrapped FROM data_keys WHERE id = $1;

-- name: CurrentDataKey :one
-- What new values of an owner are sealed under.
SELECT id, wrapped, uses FROM data_keys
WHERE (owner = $1 OR id = $1) AND retired_at = 0
ORDER BY owner DESC LIMIT 1;

-- name: DataKeys :many
SELECT id, wrapped FROM data_keys ORDER BY id;

-- name: RetiredDataKeys :many
SELECT id, owner, retired_at FROM data_keys WHERE retired_at <> 0 ORDER BY id;

-- name: SealedCount :one
-- Values that are sealed under a data key.
SELECT CAST((SELECT COUNT(*) FROM sealed_keys s WHERE s.data_key = sqlc.arg(data_key))
    + (SELECT COUNT(*) FROM webhooks h WHERE h.data_key = sqlc.arg(data_key)) AS BIGINT) AS total;

-- name: SealedUnder :many
-- Some of the values that are sealed under a data key, after a key.
SELECT s.key_id, s.sealed, k.workspace_id, a.keyspace_id
FROM sealed_keys s
JOIN keys k ON k.id = s.key_id
JOIN apis a ON a.id = k.api_id
WHERE s.data_key = sqlc.arg(data_key) AND s.key_id > sqlc.arg(after)
ORDER BY s.key_id
LIMIT CAST(sqlc.arg(most) AS BIGINT);
