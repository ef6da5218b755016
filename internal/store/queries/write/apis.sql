-- name: InsertAPI :exec
INSERT INTO apis (id, workspace_id, keyspace_id, name, search, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: UpdateAPI :exec
UPDATE apis SET default_prefix = $2, default_bytes = $3, ip_whitelist = $4, store_encrypted = $5, delete_protection = $6,
    strict_grants = $7, self_service = $8 WHERE id = $1;

-- name: MarkAPIDeleted :exec
UPDATE apis SET deleted_at = $2 WHERE id = $1;
