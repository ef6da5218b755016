-- oldest: 2
-- A keyspace can have several data keys. New values are sealed under the one that isn't
-- retired; a retired one is deleted when nothing is sealed under it any more. A program that
-- doesn't know it opens only values under the first data key, so data keys are replaced when
-- none of these runs.
ALTER TABLE data_keys ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- a keyspace or 'answers'; '' for the id
ALTER TABLE data_keys ADD COLUMN uses BIGINT NOT NULL DEFAULT 0; -- values that were sealed under it
ALTER TABLE data_keys ADD COLUMN retired_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX data_keys_owner ON data_keys (owner);
UPDATE data_keys SET uses = (SELECT COUNT(*) FROM sealed_keys);

-- What it is sealed under; '' for the data key whose id is that of the keyspace, or 'answers'.
ALTER TABLE sealed_keys ADD COLUMN data_key TEXT NOT NULL DEFAULT '';
ALTER TABLE answers ADD COLUMN data_key TEXT NOT NULL DEFAULT '';
CREATE INDEX sealed_keys_data_key ON sealed_keys (data_key, key_id);

-- When a key that was rerolled ends, and its plaintext with it; 0 for others.
ALTER TABLE sealed_keys ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sealed_keys_end ON sealed_keys (ends_at) WHERE ends_at <> 0;

-- Keys that were deleted long ago are purged.
CREATE INDEX keys_deleted ON keys (deleted_at) WHERE deleted_at <> 0;
