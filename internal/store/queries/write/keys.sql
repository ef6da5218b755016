-- name: InsertKey :exec
-- Names every column in the order of the table: its parameters are converted from a whole row, which
-- doesn't compile where one is missing.
INSERT INTO keys (id, workspace_id, api_id, identity_id, hash, migration_id, start, name, meta, enabled, expires,
    remaining, refill_interval, refill_amount, refill_day, refill_at, created_at, updated_at, last_used_at, deleted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20);

-- name: UpdateKey :exec
UPDATE keys SET name = $2, identity_id = $3, meta = $4, expires = $5, enabled = $6, updated_at = $7 WHERE id = $1;

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

-- name: Spend :one
-- Takes the cost from a balance that has it, and returns what is left; no row otherwise.
UPDATE keys SET remaining = remaining - CAST(sqlc.arg(cost) AS BIGINT)
WHERE id = sqlc.arg(id) AND remaining >= CAST(sqlc.arg(cost) AS BIGINT) AND deleted_at = 0
RETURNING remaining;

-- name: Refill :execrows
-- Does the refill that was due at one time, once: the schedule moves on with it.
UPDATE keys SET remaining = CASE WHEN remaining < refill_amount THEN refill_amount ELSE remaining END, refill_at = sqlc.arg(next_at)
WHERE id = sqlc.arg(id) AND refill_at = sqlc.arg(due_at) AND refill_interval <> '' AND deleted_at = 0;

-- name: ExpireKey :exec
UPDATE keys SET expires = $2 WHERE id = $1;

-- name: RehashKey :execrows
-- Replaces a migrated hash by our own form, once.
UPDATE keys SET hash = sqlc.arg(hash), start = sqlc.arg(start), migration_id = ''
WHERE id = sqlc.arg(id) AND migration_id <> '';

-- name: MarkKeyUsed :exec
UPDATE keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2;

-- name: MarkKeyDeleted :exec
UPDATE keys SET deleted_at = $2 WHERE id = $1;

-- name: DeleteKey :exec
DELETE FROM keys WHERE id = $1;

-- name: DeleteKeyPermissions :exec
DELETE FROM key_permissions WHERE key_id = $1;

-- name: DeleteKeyRoles :exec
DELETE FROM key_roles WHERE key_id = $1;

-- name: DeleteKeyLimits :exec
DELETE FROM limits WHERE owner_id = $1;

-- name: InsertKeyPermission :execrows
INSERT INTO key_permissions (key_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: DeleteKeyPermission :execrows
DELETE FROM key_permissions WHERE key_id = $1 AND permission_id = $2;

-- name: InsertKeyRole :execrows
INSERT INTO key_roles (key_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: DeleteKeyRole :execrows
DELETE FROM key_roles WHERE key_id = $1 AND role_id = $2;

-- name: InsertSealedKey :exec
INSERT INTO sealed_keys (key_id, sealed) VALUES ($1, $2);

-- name: DeleteSealedKey :exec
DELETE FROM sealed_keys WHERE key_id = $1;

-- name: CopyKeyPermissions :exec
INSERT INTO key_permissions (key_id, permission_id)
SELECT CAST(sqlc.arg(to_key) AS TEXT), kp.permission_id FROM key_permissions kp WHERE kp.key_id = sqlc.arg(from_key);

-- name: CopyKeyRoles :exec
INSERT INTO key_roles (key_id, role_id)
SELECT CAST(sqlc.arg(to_key) AS TEXT), kr.role_id FROM key_roles kr WHERE kr.key_id = sqlc.arg(from_key);
