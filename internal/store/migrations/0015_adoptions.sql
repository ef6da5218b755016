-- oldest: 2
-- Keys that another service is asked for, and what it said: asking, adopted or unknown. An
-- adopted key is never asked for again.
CREATE TABLE adoptions (
    workspace_id TEXT NOT NULL,
    hash         TEXT NOT NULL,
    state        TEXT NOT NULL,
    asked_at     BIGINT NOT NULL,
    key_id       TEXT NOT NULL, -- of the adopted key, else ''
    origin_id    TEXT NOT NULL, -- its id in the other service, else ''
    PRIMARY KEY (workspace_id, hash)
);
CREATE INDEX adoptions_age ON adoptions (asked_at) WHERE state <> 'adopted';
