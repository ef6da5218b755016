-- name: HashTaken :one
SELECT COUNT(*) > 0 AS taken FROM keys WHERE hash = $1;
