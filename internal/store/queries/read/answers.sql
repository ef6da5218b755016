-- name: Answer :one
SELECT request_hash, answer, checks FROM answers WHERE root_key_id = $1 AND idempotency_key = $2;
