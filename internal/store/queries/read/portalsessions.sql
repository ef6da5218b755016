-- name: PortalSessionByHash :one
-- A session by the hash of its code or access token, with all that decides whether it is
-- valid. It is not if its portal, its API or its root key is gone, or it ended with its epoch.
SELECT sqlc.embed(s), p.api_id, p.enabled AS portal_enabled, a.keyspace_id,
    w.enabled AS workspace_enabled, w.requests_per_minute, w.quotas,
    r.permissions, r.enabled AS root_key_enabled, r.expires AS root_key_expires,
    COALESCE(i.id, '') AS identity_id, COALESCE(i.enabled, TRUE) AS identity_enabled
FROM portal_sessions s
JOIN portals p ON p.id = s.portal_id AND p.epoch = s.epoch
JOIN apis a ON a.id = p.api_id
JOIN workspaces w ON w.id = s.workspace_id
JOIN root_keys r ON r.id = s.root_key_id
LEFT JOIN identities i ON i.workspace_id = s.workspace_id AND i.external_id = s.external_id
WHERE s.hash = $1 AND a.deleted_at = 0 AND w.deleted_at = 0;

-- name: PortalSessionsOfUser :many
-- All of them, the newest first. An end user has few.
SELECT * FROM portal_sessions
WHERE portal_id = $1 AND external_id = $2
ORDER BY created_at DESC, id;

-- name: PortalUsersPage :many
-- The end users that have a session at a portal, from an external id on, whose first
-- characters are the prefix.
SELECT DISTINCT external_id FROM portal_sessions
WHERE portal_id = sqlc.arg(portal_id) AND epoch = sqlc.arg(epoch) AND expires_at > sqlc.arg(now)
    AND external_id >= sqlc.arg(from_external_id)
    AND SUBSTR(external_id, 1, LENGTH(CAST(sqlc.arg(prefix) AS TEXT))) = CAST(sqlc.arg(prefix) AS TEXT)
ORDER BY external_id
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: PortalSessionsOfUsers :many
-- The sessions of consecutive end users of a portal, the newest of each first.
SELECT * FROM portal_sessions
WHERE portal_id = sqlc.arg(portal_id) AND epoch = sqlc.arg(epoch) AND expires_at > sqlc.arg(now)
    AND external_id >= sqlc.arg(from_external_id) AND external_id <= sqlc.arg(to_external_id)
ORDER BY external_id, created_at DESC, id;

-- name: PortalSessionsOfIdentity :many
-- Some sessions of an end user, at any portal of the workspace.
SELECT * FROM portal_sessions
WHERE workspace_id = sqlc.arg(workspace_id) AND external_id = sqlc.arg(external_id)
LIMIT CAST(sqlc.arg(most) AS BIGINT);

-- name: EndedPortalSessions :many
-- Some sessions that have expired, of any workspace.
SELECT * FROM portal_sessions
WHERE expires_at <= sqlc.arg(now)
ORDER BY expires_at
LIMIT CAST(sqlc.arg(most) AS BIGINT);
