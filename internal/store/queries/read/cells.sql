-- name: Cells :many
SELECT * FROM cells;
