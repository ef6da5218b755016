-- oldest: 2
-- Portals, in which end users manage the keys that they own, and the sessions of end users.
-- A program that doesn't know them serves neither.
CREATE TABLE portals (
    id            TEXT PRIMARY KEY,
    workspace_id  TEXT NOT NULL,
    api_id        TEXT NOT NULL UNIQUE,
    slug          TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    enabled       BOOLEAN NOT NULL,
    logo_url      TEXT NOT NULL, -- '' for none
    primary_color TEXT NOT NULL, -- '' for none
    epoch         BIGINT NOT NULL, -- sessions of another one have ended
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL DEFAULT 0,
    UNIQUE (workspace_id, slug)
);
CREATE INDEX apis_keyspace ON apis (keyspace_id);

CREATE TABLE portal_sessions (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    portal_id    TEXT NOT NULL,
    epoch        BIGINT NOT NULL, -- of the portal when the session was created
    root_key_id  TEXT NOT NULL, -- what created it; the session can do no more than this root key
    external_id  TEXT NOT NULL, -- of the end user
    scopes       TEXT NOT NULL, -- separated by spaces
    return_url   TEXT NOT NULL, -- '' for none
    hash         TEXT NOT NULL UNIQUE, -- base64 of SHA-256 of the code, once active of the access token
    active       BOOLEAN NOT NULL, -- the code was exchanged
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL -- of the code, once active of the access token
);
CREATE INDEX portal_sessions_user ON portal_sessions (portal_id, external_id);
CREATE INDEX portal_sessions_identity ON portal_sessions (workspace_id, external_id);
CREATE INDEX portal_sessions_age ON portal_sessions (expires_at);
