-- name: SetOverride :one
-- Returns the id that counts: that of the override which was there, if there was one.
INSERT INTO overrides (id, namespace_id, identifier, amount, duration, algorithm)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (namespace_id, identifier) DO UPDATE SET amount = excluded.amount, duration = excluded.duration, algorithm = excluded.algorithm
RETURNING id;

-- name: DeleteOverride :one
DELETE FROM overrides WHERE namespace_id = $1 AND identifier = $2 RETURNING id;
