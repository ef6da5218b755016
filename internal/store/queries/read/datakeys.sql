-- name: DataKey :one
SELECT wrapped FROM data_keys WHERE id = $1;

-- name: DataKeys :many
SELECT id, wrapped FROM data_keys ORDER BY id;
