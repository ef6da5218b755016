-- name: InsertBalance :exec
INSERT INTO balances (id, workspace_id, remaining, refill_interval, refill_amount, refill_day, refill_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: DeleteBalance :exec
-- Makes a key unlimited, or ends a balance that no key has any longer.
DELETE FROM balances WHERE id = $1;

-- name: SetSchedule :exec
-- Sets the schedule and leaves the balance, which may be changing at this moment.
UPDATE balances SET refill_interval = $2, refill_amount = $3, refill_day = $4, refill_at = $5 WHERE id = $1;

-- name: SetBalance :exec
-- Sets a balance and leaves the schedule; a new balance has none.
INSERT INTO balances (id, workspace_id, remaining, epoch) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET remaining = excluded.remaining, epoch = excluded.epoch;

-- name: PauseRefills :exec
-- Stops the refills of a balance whose keys are all deleted, until one is restored.
UPDATE balances SET refill_at = 9223372036854775807 WHERE id = $1 AND refill_interval <> '';

-- name: AddBalance :one
-- Adds to a balance if the sum still fits 64 bits; no row otherwise.
UPDATE balances SET remaining = remaining + CAST(sqlc.arg(amount) AS BIGINT)
WHERE id = sqlc.arg(id) AND remaining <= 9223372036854775807 - CAST(sqlc.arg(amount) AS BIGINT)
RETURNING remaining;

-- name: SubtractBalance :one
-- Takes from a balance, at most all of it.
UPDATE balances SET remaining = CASE WHEN remaining > CAST(sqlc.arg(amount) AS BIGINT) THEN remaining - CAST(sqlc.arg(amount) AS BIGINT) ELSE 0 END
WHERE id = sqlc.arg(id)
RETURNING remaining;

-- name: Spend :one
-- Takes the cost from a balance that has it, and returns what is left; no row otherwise.
UPDATE balances SET remaining = remaining - CAST(sqlc.arg(cost) AS BIGINT)
WHERE id = sqlc.arg(id) AND remaining >= CAST(sqlc.arg(cost) AS BIGINT)
RETURNING remaining;

-- name: Refill :execrows
-- Does the refill that was due at one time, once: the schedule moves on with it. One that raises the balance begins an
-- epoch.
UPDATE balances SET remaining = CASE WHEN remaining < refill_amount THEN refill_amount ELSE remaining END,
    epoch = CASE WHEN remaining < refill_amount THEN CAST(sqlc.arg(epoch) AS BIGINT) ELSE epoch END, refill_at = sqlc.arg(next_at)
WHERE id = sqlc.arg(id) AND refill_at = sqlc.arg(due_at) AND refill_interval <> '';
