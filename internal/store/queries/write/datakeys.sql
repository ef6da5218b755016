-- name: InsertDataKey :exec
INSERT INTO data_keys (id, wrapped, owner) VALUES ($1, $2, $3);

-- name: UpdateDataKey :exec
UPDATE data_keys SET wrapped = $1 WHERE id = $2;

-- name: UseDataKey :exec
UPDATE data_keys SET uses = uses + $2 WHERE id = $1;

-- name: RetireDataKey :exec
UPDATE data_keys SET retired_at = $2 WHERE id = $1;

-- name: RetireDataKeys :exec
UPDATE data_keys SET retired_at = $1 WHERE retired_at = 0;

-- name: DeleteDataKey :exec
DELETE FROM data_keys WHERE id = $1 AND retired_at <> 0;

-- name: Reseal :exec
UPDATE sealed_keys SET sealed = $2, data_key = $3 WHERE key_id = $1;

-- name: EndSealedKey :exec
UPDATE sealed_keys SET ends_at = $2 WHERE key_id = $1;

-- name: DropEndedSealedKeys :execrows
-- Plaintexts of keys that were rerolled and have ended, a few at once.
DELETE FROM sealed_keys WHERE key_id IN (
    SELECT s.key_id FROM sealed_keys s JOIN keys k ON k.id = s.key_id
    WHERE s.ends_at <> 0 AND s.ends_at < @before AND k.expires < @before
    ORDER BY s.ends_at LIMIT CAST(@most AS BIGINT));
