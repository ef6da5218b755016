-- name: InsertAnswer :exec
INSERT INTO answers (root_key_id, idempotency_key, request_hash, answer, checks, subject, created_at, data_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: DropAnswersAbout :exec
DELETE FROM answers WHERE subject = $1 AND subject <> '';

-- name: DropAnswers :execrows
-- The oldest answers from before a time, a few at once.
DELETE FROM answers WHERE (root_key_id, idempotency_key) IN (
    SELECT a.root_key_id, a.idempotency_key FROM answers a
    WHERE a.created_at < @before ORDER BY a.created_at LIMIT CAST(@most AS BIGINT));
