-- name: BrowserSession :one
SELECT * FROM browser_sessions WHERE id = $1;

-- name: BrowserSessionsOfRootKey :many
-- All of them, the last used first. A root key has few.
SELECT * FROM browser_sessions WHERE root_key_id = $1 ORDER BY used_at DESC, id LIMIT 100;
