-- SQLite can't drop a constraint, so the table is written again.
CREATE TABLE keys_again (
    id              TEXT PRIMARY KEY,
    workspace_id    TEXT NOT NULL,
    api_id          TEXT NOT NULL,
    identity_id     TEXT NOT NULL,
    hash            TEXT NOT NULL,
    migration_id    TEXT NOT NULL,
    start           TEXT NOT NULL,
    name            TEXT NOT NULL,
    meta            TEXT NOT NULL,
    enabled         BOOLEAN NOT NULL,
    expires         BIGINT,
    remaining       BIGINT,
    refill_interval TEXT NOT NULL,
    refill_amount   BIGINT NOT NULL,
    refill_day      BIGINT NOT NULL,
    refill_at       BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL DEFAULT 0,
    last_used_at    BIGINT NOT NULL DEFAULT 0,
    deleted_at      BIGINT NOT NULL DEFAULT 0,
    family          TEXT NOT NULL DEFAULT ''
);
INSERT INTO keys_again SELECT id, workspace_id, api_id, identity_id, hash, migration_id, start, name, meta,
    enabled, expires, remaining, refill_interval, refill_amount, refill_day, refill_at, created_at, updated_at,
    last_used_at, deleted_at, family FROM keys;
DROP TABLE keys;
ALTER TABLE keys_again RENAME TO keys;
CREATE UNIQUE INDEX keys_hash ON keys (hash, workspace_id);
CREATE INDEX keys_api ON keys (api_id, id);
CREATE INDEX keys_identity ON keys (identity_id, id) WHERE identity_id <> '';
CREATE INDEX keys_refill ON keys (refill_at) WHERE refill_interval <> '';
CREATE INDEX keys_family ON keys (family, deleted_at) WHERE family <> '';
