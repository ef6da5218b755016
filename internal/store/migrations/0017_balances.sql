-- The credits of keys get a table of their own, so that a spend rewrites no key. A row has the id
-- of the family of keys that share it, which is the id of their first key; without a row the key
-- is unlimited. Programs that don't know the table would spend what isn't there.
CREATE TABLE balances (
    id              TEXT PRIMARY KEY,
    workspace_id    TEXT NOT NULL,
    remaining       BIGINT NOT NULL,
    refill_interval TEXT NOT NULL DEFAULT '', -- '', daily or monthly
    refill_amount   BIGINT NOT NULL DEFAULT 0,
    refill_day      BIGINT NOT NULL DEFAULT 0,
    refill_at       BIGINT NOT NULL DEFAULT 0 -- when the next refill is due
);
CREATE INDEX balances_refill ON balances (refill_at) WHERE refill_interval <> '';
INSERT INTO balances (id, workspace_id, remaining, refill_interval, refill_amount, refill_day, refill_at)
SELECT id, workspace_id, remaining, refill_interval, refill_amount, refill_day, refill_at FROM keys
WHERE remaining IS NOT NULL AND (family = '' OR family = id);
-- Rows of erased keys stayed only for the balance of their family.
DELETE FROM keys WHERE hash = id;
DROP INDEX keys_refill;
ALTER TABLE keys DROP COLUMN remaining;
ALTER TABLE keys DROP COLUMN refill_interval;
ALTER TABLE keys DROP COLUMN refill_amount;
ALTER TABLE keys DROP COLUMN refill_day;
ALTER TABLE keys DROP COLUMN refill_at;
