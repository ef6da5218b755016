-- name: InsertBrowserSession :exec
INSERT INTO browser_sessions (id, root_key_id, sealed, address, agent, created_at, used_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: UseBrowserSession :exec
UPDATE browser_sessions SET used_at = sqlc.arg(now), expires_at = sqlc.arg(expires_at)
WHERE id = sqlc.arg(id) AND used_at < sqlc.arg(now);

-- name: DeleteBrowserSession :exec
-- Only one of the root key.
DELETE FROM browser_sessions WHERE id = $1 AND root_key_id = $2;

-- name: DropBrowserSessions :execrows
-- Sessions that have ended, a few at once.
DELETE FROM browser_sessions WHERE id IN (
    SELECT s.id FROM browser_sessions s WHERE s.expires_at <= @now
    ORDER BY s.expires_at LIMIT CAST(@most AS BIGINT));
