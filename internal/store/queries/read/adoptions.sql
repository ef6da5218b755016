-- name: Adoption :one
-- What is known of a key that another service is or was asked for.
SELECT state, asked_at FROM adoptions WHERE workspace_id = $1 AND hash = $2;
