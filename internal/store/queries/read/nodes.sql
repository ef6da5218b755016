-- name: Head :one
SELECT changes, audit FROM heads WHERE id = 1;

-- name: ChangesFrom :many
-- What was changed from a place in the log on, in order.
SELECT * FROM changes WHERE seq >= $1 ORDER BY seq LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: Nodes :many
SELECT * FROM nodes;
