-- name: SetCredits :exec
-- Sets balance and schedule anew.
UPDATE keys SET remaining = $2, refill_interval = $3, refill_amount = $4, refill_day = $5, refill_at = $6 WHERE id = $1;

-- name: SetSchedule :exec
-- Sets the schedule and leaves the balance, which may be changing at this moment.
UPDATE keys SET refill_interval = $2, refill_amount = $3, refill_day = $4, refill_at = $5 WHERE id = $1;

-- name: SetBalance :exec
UPDATE keys SET remaining = $2 WHERE id = $1;

-- name: AddBalance :one
-- Adds to a balance if the sum still fits 64 bits; no row otherwise.
UPDATE keys SET remaining = remaining + CAST(sqlc.arg(amount) AS BIGINT)
WHERE id = sqlc.arg(id) AND remaining <= 9223372036854775807 - CAST(sqlc.arg(amount) AS BIGINT)
RETURNING remaining;

-- name: SubtractBalance :one
-- Takes from a balance, at most all of it.
UPDATE keys SET remaining = CASE WHEN remaining > CAST(sqlc.arg(amount) AS BIGINT) THEN remaining - CAST(sqlc.arg(amount) AS BIGINT) ELSE 0 END
WHERE id = sqlc.arg(id) AND remaining IS NOT NULL
RETURNING remaining;

-- name: DropCredits :exec
-- Ends a balance, which no key has any longer: nothing can be spent from it.
UPDATE keys SET remaining = NULL, refill_interval = '' WHERE id = $1;

-- name: Spend :one
-- Takes the cost from a balance that has it, and returns what is left; no row otherwise.
UPDATE keys SET remaining = remaining - CAST(sqlc.arg(cost) AS BIGINT)
WHERE id = sqlc.arg(id) AND remaining >= CAST(sqlc.arg(cost) AS BIGINT)
RETURNING remaining;

-- name: Refill :execrows
-- Does the refill that was due at one time, once: the schedule moves on with it.
UPDATE keys SET remaining = CASE WHEN remaining < refill_amount THEN refill_amount ELSE remaining END, refill_at = sqlc.arg(next_at)
WHERE id = sqlc.arg(id) AND refill_at = sqlc.arg(due_at) AND refill_interval <> '';
