-- name: InsertDataKey :exec
INSERT INTO data_keys (id, wrapped) VALUES ($1, $2);

-- name: UpdateDataKey :exec
UPDATE data_keys SET wrapped = $1 WHERE id = $2;
