-- oldest: 2
-- A key that was rerolled, and the keys that replaced it, are a family. They share
-- one balance with its schedule, in the row whose id the family has, and the counts
-- of their limits. That row stays while one of them lives. '' is a family of one.
-- A program that doesn't know it lets the new keys spend nothing.
ALTER TABLE keys ADD COLUMN family TEXT NOT NULL DEFAULT '';
CREATE INDEX keys_family ON keys (family, deleted_at) WHERE family <> '';
UPDATE keys SET remaining = NULL, refill_interval = '' WHERE deleted_at <> 0;
