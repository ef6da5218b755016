-- name: InsertBudget :exec
INSERT INTO budgets (id, workspace_id, name, search, unit, allowance, every, time_zone, anchor, overshoot, on_expiry,
    max_open, thresholds, enabled, meta, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: UpdateBudget :exec
UPDATE budgets SET name = $2, search = $3, unit = $4, allowance = $5, every = $6, time_zone = $7, anchor = $8,
    overshoot = $9, on_expiry = $10, max_open = $11, thresholds = $12, enabled = $13, meta = $14, updated_at = $15
WHERE id = $1;

-- name: DeleteBudget :exec
DELETE FROM budgets WHERE id = $1;

-- name: SetBudgetBalance :exec
UPDATE balances SET remaining = $2, used = $3, spent = $4, reserved = $5, held = $6, open = $7, period_start = $8,
    period_end = $9, next_expiry = $10, granted = $11, granted_at = $12, crossed = $13
WHERE id = $1;

-- name: AttachBudget :exec
INSERT INTO budget_attachments (budget_id, owner_id, auto_apply) VALUES ($1, $2, $3)
ON CONFLICT (budget_id, owner_id) DO UPDATE SET auto_apply = excluded.auto_apply;

-- name: DetachBudget :exec
DELETE FROM budget_attachments WHERE budget_id = $1 AND owner_id = $2;

-- name: DetachOwner :exec
DELETE FROM budget_attachments WHERE owner_id = $1;

-- name: InsertReservation :exec
INSERT INTO reservations (id, workspace_id, key_id, api_id, keyspace_id, balance_id, credits, credits_epoch,
    state, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, $10);

-- name: InsertReservationPart :exec
INSERT INTO reservation_parts (reservation_id, budget_id, workspace_id, amount, prepaid, period_start, entry_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: EndReservation :exec
UPDATE reservations SET state = $2, credits_asked = $3, credits_charged = $4, late = $5, ended_at = $6 WHERE id = $1;

-- name: EndReservationPart :exec
UPDATE reservation_parts SET asked = $3, charged = $4, expires_at = 0 WHERE reservation_id = $1 AND budget_id = $2;

-- name: ExtendReservation :exec
UPDATE reservations SET expires_at = $2 WHERE id = $1;

-- name: ExtendReservationParts :exec
UPDATE reservation_parts SET expires_at = $2 WHERE reservation_id = $1;

-- name: AddBudgetEntry :exec
INSERT INTO budget_entries (budget_id, hour, kind, key_id, day, month, count, amount)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (budget_id, hour, kind, key_id) DO UPDATE SET
    count = budget_entries.count + excluded.count, amount = budget_entries.amount + excluded.amount;

-- name: InsertBudgetCrossing :exec
INSERT INTO budget_crossings (budget_id, since, percent, workspace_id, time) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (budget_id, since, percent) DO NOTHING;

-- name: DropReservations :execrows
-- Deletes some that ended long ago.
DELETE FROM reservations WHERE id IN (SELECT r.id FROM reservations r
    WHERE r.ended_at <> 0 AND r.ended_at < sqlc.arg(before) ORDER BY r.ended_at LIMIT CAST(sqlc.arg(most) AS BIGINT));

-- name: DropReservationParts :exec
-- Deletes the parts of reservations that DropReservations deletes.
DELETE FROM reservation_parts WHERE reservation_id IN (SELECT r.id FROM reservations r
    WHERE r.ended_at <> 0 AND r.ended_at < sqlc.arg(before) ORDER BY r.ended_at LIMIT CAST(sqlc.arg(most) AS BIGINT));

-- name: DropBudgetEntries :execrows
DELETE FROM budget_entries WHERE (budget_id, hour, kind, key_id) IN (SELECT e.budget_id, e.hour, e.kind, e.key_id FROM budget_entries e
    WHERE e.hour < sqlc.arg(before) ORDER BY e.hour LIMIT CAST(sqlc.arg(most) AS BIGINT));

-- name: DropBudgetCrossings :execrows
DELETE FROM budget_crossings WHERE (budget_id, since, percent) IN (SELECT c.budget_id, c.since, c.percent FROM budget_crossings c
    WHERE c.time < sqlc.arg(before) ORDER BY c.time LIMIT CAST(sqlc.arg(most) AS BIGINT));
