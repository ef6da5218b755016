-- name: Balance :one
-- A balance by the id of its family; no row for unlimited.
SELECT remaining FROM balances WHERE id = $1;

-- name: BalanceEpoch :one
SELECT epoch FROM balances WHERE id = $1;

-- name: KeyBalance :one
-- The balance of a key that is not deleted; NULL for unlimited.
SELECT b.remaining FROM keys k
LEFT JOIN balances b ON b.id = CASE WHEN k.family = '' THEN k.id ELSE k.family END
WHERE k.id = $1 AND k.deleted_at = 0;

-- name: OtherOfFamily :one
-- Another key of a family that is not deleted.
SELECT id FROM keys WHERE family = sqlc.arg(family) AND family <> '' AND id <> sqlc.arg(id) AND deleted_at = 0
LIMIT 1;

-- name: CountFamily :one
-- How many keys of a family are not deleted, up to a bound.
SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM keys
    WHERE family = sqlc.arg(family) AND family <> '' AND deleted_at = 0
    LIMIT CAST(sqlc.arg(most) AS BIGINT)) AS counted;

-- name: RowOfFamily :one
-- Another key of a family, deleted or not.
SELECT id FROM keys WHERE family = sqlc.arg(family) AND family <> '' AND id <> sqlc.arg(id)
LIMIT 1;

-- name: RefillsDue :many
SELECT sqlc.embed(b), COALESCE(k.name, '') AS key_name FROM balances b
LEFT JOIN keys k ON k.id = b.id
WHERE b.refill_interval <> '' AND b.refill_at <= $1
ORDER BY b.refill_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);
