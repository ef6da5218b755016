-- name: Balance :one
-- A balance by the id of its family; NULL for unlimited.
SELECT remaining FROM keys WHERE id = $1;

-- name: KeyBalance :one
-- The balance of a key that is not deleted; NULL for unlimited.
SELECT b.remaining FROM keys k
JOIN keys b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.id = $1 AND k.deleted_at = 0;

-- name: SharedCredits :one
-- The balance and the schedule of a family.
SELECT remaining, refill_interval, refill_amount, refill_day, refill_at FROM keys WHERE id = $1;

-- name: OtherOfFamily :one
-- Another key of a family that is not deleted.
SELECT id FROM keys WHERE family = sqlc.arg(family) AND family <> '' AND id <> sqlc.arg(id) AND deleted_at = 0
LIMIT 1;

-- name: RefillsDue :many
SELECT * FROM keys
WHERE refill_interval <> '' AND refill_at <= $1
ORDER BY refill_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);
