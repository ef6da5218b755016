-- One grammar for SQLite and PostgreSQL: TEXT, BIGINT, BOOLEAN and BYTEA only.
-- Times are unix milliseconds. Where a column has a "none" that is no legal
-- value ('' or 0) it is NOT NULL; only true three-state columns are nullable.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE workspaces (
    id                  TEXT PRIMARY KEY,
    name                TEXT NOT NULL,
    search              TEXT NOT NULL, -- what search looks through, in lower case
    enabled             BOOLEAN NOT NULL,
    requests_per_minute BIGINT, -- NULL: no bound
    created_at          BIGINT NOT NULL,
    deleted_at          BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE root_keys (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE, -- base64 of SHA-256 of the secret
    start        TEXT NOT NULL,
    name         TEXT NOT NULL,
    permissions  TEXT NOT NULL, -- a JSON list
    enabled      BOOLEAN NOT NULL,
    expires      BIGINT, -- NULL: never
    created_at   BIGINT NOT NULL
);
CREATE INDEX root_keys_workspace ON root_keys (workspace_id, id);

CREATE TABLE apis (
    id                TEXT PRIMARY KEY,
    workspace_id      TEXT NOT NULL,
    keyspace_id       TEXT NOT NULL, -- what resource names call the set of its keys
    name              TEXT NOT NULL,
    search            TEXT NOT NULL,
    default_prefix    TEXT NOT NULL DEFAULT '',
    default_bytes     BIGINT NOT NULL DEFAULT 0,
    ip_whitelist      TEXT NOT NULL DEFAULT '', -- addresses and CIDR blocks, separated by commas
    store_encrypted   BOOLEAN NOT NULL DEFAULT FALSE,
    delete_protection BOOLEAN NOT NULL DEFAULT FALSE,
    created_at        BIGINT NOT NULL,
    deleted_at        BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX apis_workspace ON apis (workspace_id, id);

CREATE TABLE keys (
    id              TEXT PRIMARY KEY,
    workspace_id    TEXT NOT NULL,
    api_id          TEXT NOT NULL,
    identity_id     TEXT NOT NULL, -- '' for none
    hash            TEXT NOT NULL UNIQUE, -- base64 of SHA-256 of the key, or a migrated hash
    migration_id    TEXT NOT NULL, -- set while the hash is still in the migration's own form
    start           TEXT NOT NULL,
    name            TEXT NOT NULL,
    meta            TEXT NOT NULL, -- '' or a JSON object
    enabled         BOOLEAN NOT NULL,
    expires         BIGINT, -- NULL: never
    remaining       BIGINT, -- NULL: unlimited
    refill_interval TEXT NOT NULL, -- '', daily or monthly
    refill_amount   BIGINT NOT NULL,
    refill_day      BIGINT NOT NULL,
    refill_at       BIGINT NOT NULL, -- when the next refill is due
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL DEFAULT 0,
    last_used_at    BIGINT NOT NULL DEFAULT 0,
    deleted_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX keys_api ON keys (api_id, id);
CREATE INDEX keys_identity ON keys (identity_id, id) WHERE identity_id <> '';
CREATE INDEX keys_refill ON keys (refill_at) WHERE refill_interval <> '';

-- A keyspace's data key, wrapped by the master key, and the keys sealed under it.
CREATE TABLE data_keys (
    id      TEXT PRIMARY KEY,
    wrapped BYTEA NOT NULL
);
CREATE TABLE sealed_keys (
    key_id TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

CREATE TABLE identities (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    search       TEXT NOT NULL,
    meta         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    UNIQUE (workspace_id, external_id)
);
CREATE INDEX identities_workspace ON identities (workspace_id, id);

-- Rate limits of keys and identities; the owner's id says which.
CREATE TABLE limits (
    id         TEXT PRIMARY KEY,
    owner_id   TEXT NOT NULL,
    name       TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    duration   BIGINT NOT NULL,
    auto_apply BOOLEAN NOT NULL,
    UNIQUE (owner_id, name)
);

CREATE TABLE permissions (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    slug         TEXT NOT NULL,
    slug_folded  TEXT NOT NULL, -- what makes slugs unique: letter case doesn't count
    description  TEXT NOT NULL,
    search       TEXT NOT NULL,
    UNIQUE (workspace_id, slug_folded)
);
CREATE INDEX permissions_workspace ON permissions (workspace_id, id);

CREATE TABLE roles (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    name_folded  TEXT NOT NULL,
    description  TEXT NOT NULL,
    search       TEXT NOT NULL,
    UNIQUE (workspace_id, name_folded)
);
CREATE INDEX roles_workspace ON roles (workspace_id, id);

CREATE TABLE role_permissions (
    role_id       TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    PRIMARY KEY (role_id, permission_id)
);
CREATE INDEX role_permissions_permission ON role_permissions (permission_id);

CREATE TABLE key_permissions (
    key_id        TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    PRIMARY KEY (key_id, permission_id)
);
CREATE INDEX key_permissions_permission ON key_permissions (permission_id);

CREATE TABLE key_roles (
    key_id  TEXT NOT NULL,
    role_id TEXT NOT NULL,
    PRIMARY KEY (key_id, role_id)
);
CREATE INDEX key_roles_role ON key_roles (role_id);

CREATE TABLE namespaces (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name         TEXT NOT NULL,
    search       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    deleted_at   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (workspace_id, name)
);
CREATE INDEX namespaces_workspace ON namespaces (workspace_id, id);

CREATE TABLE overrides (
    id           TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL,
    identifier   TEXT NOT NULL,
    amount       BIGINT NOT NULL,
    duration     BIGINT NOT NULL,
    UNIQUE (namespace_id, identifier)
);

-- Windows of the in-memory limiter, saved so that a restart doesn't forgive.
CREATE TABLE cells (
    workspace_id TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    identifier   TEXT NOT NULL,
    duration     BIGINT NOT NULL,
    sequence     BIGINT NOT NULL,
    current      BIGINT NOT NULL,
    previous     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL, -- when the counts no longer matter
    PRIMARY KEY (workspace_id, namespace, identifier, duration)
);
CREATE INDEX cells_age ON cells (expires_at);

CREATE TABLE key_migrations (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE TABLE audit_logs (
    seq            BIGINT PRIMARY KEY, -- rises with time; the order of the log
    id             TEXT NOT NULL,
    workspace_id   TEXT NOT NULL,
    time           BIGINT NOT NULL,
    event          TEXT NOT NULL,
    description    TEXT NOT NULL,
    actor_type     TEXT NOT NULL,
    actor_id       TEXT NOT NULL,
    actor_name     TEXT NOT NULL,
    targets        TEXT NOT NULL, -- a JSON list of {type, id, name}
    remote_ip      TEXT NOT NULL,
    user_agent     TEXT NOT NULL,
    correlation_id TEXT NOT NULL
);
CREATE INDEX audit_logs_workspace ON audit_logs (workspace_id, seq);

-- What was answered to a request with an Idempotency-Key, sealed.
CREATE TABLE answers (
    root_key_id     TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash    TEXT NOT NULL,
    answer          BYTEA NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (root_key_id, idempotency_key)
);
CREATE INDEX answers_age ON answers (created_at);
