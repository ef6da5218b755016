-- name: Amount :one
SELECT amount FROM counts WHERE workspace_id = $1 AND kind = $2;
