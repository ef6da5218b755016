-- name: InsertLimit :exec
INSERT INTO limits (id, owner_id, name, amount, duration, auto_apply, algorithm) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: UpdateLimit :exec
UPDATE limits SET amount = $2, duration = $3, auto_apply = $4, algorithm = $5 WHERE id = $1;

-- name: DeleteLimit :exec
DELETE FROM limits WHERE id = $1;
