-- name: Balance :one
-- The balance of a key that is not deleted; NULL for unlimited.
SELECT remaining FROM keys WHERE id = $1 AND deleted_at = 0;

-- name: RefillsDue :many
SELECT * FROM keys
WHERE refill_interval <> '' AND refill_at <= $1 AND deleted_at = 0
ORDER BY refill_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);
