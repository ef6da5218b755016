-- name: Answer :one
SELECT request_hash, answer, checks, data_key FROM answers WHERE root_key_id = $1 AND idempotency_key = $2;
