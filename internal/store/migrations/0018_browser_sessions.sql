-- oldest: 2
-- Sessions of the dashboard. The cookie of a browser has the secret of a session; here is
-- its hash, and the root key encrypted under another hash of it. A program that doesn't know
-- them serves no dashboard.
CREATE TABLE browser_sessions (
    id          TEXT PRIMARY KEY, -- base64 of SHA-256 of the secret
    root_key_id TEXT NOT NULL,
    sealed      BYTEA NOT NULL, -- the root key, which only the secret opens
    address     TEXT NOT NULL, -- of the browser that signed in; '' if unknown
    agent       TEXT NOT NULL, -- what that browser calls itself
    created_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL, -- some minutes late
    expires_at  BIGINT NOT NULL
);
CREATE INDEX browser_sessions_root_key ON browser_sessions (root_key_id, used_at);
CREATE INDEX browser_sessions_age ON browser_sessions (expires_at);
