-- oldest: 2
-- The hash chain of each workspace's audit log. A job adds blocks for new records, so that the
-- changes that write records don't wait for it.
CREATE TABLE audit_blocks (
    workspace_id TEXT NOT NULL,
    number       BIGINT NOT NULL, -- from 1 on in each workspace, without gaps
    after_seq    BIGINT NOT NULL, -- last_seq of the block before; 0 for none
    last_seq     BIGINT NOT NULL, -- the place of its last record
    records      BYTEA NOT NULL,  -- the place, the code and the id of each record
    previous     BYTEA NOT NULL,  -- the code of the block before
    data_key     TEXT NOT NULL,   -- what all codes of the block are made with
    code         BYTEA NOT NULL,  -- of all the columns before
    PRIMARY KEY (workspace_id, number)
);
CREATE INDEX audit_blocks_last ON audit_blocks (last_seq);

-- Where each chain ends; the row '' is about all of them: up to last_seq all records are in
-- blocks, and up to dropped_seq they were deleted because of their age.
CREATE TABLE audit_heads (
    workspace_id TEXT PRIMARY KEY,
    number       BIGINT NOT NULL, -- of the last block; in the row '' how many blocks there are
    last_seq     BIGINT NOT NULL,
    dropped_seq  BIGINT NOT NULL, -- 0 but in the row ''
    block        BYTEA NOT NULL,  -- the code of the last block; in the row '' a hash of the other heads
    data_key     TEXT NOT NULL,
    code         BYTEA NOT NULL   -- of all the columns before
);
