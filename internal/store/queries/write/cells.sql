-- name: SaveCell :exec
INSERT INTO cells (workspace_id, namespace, identifier, duration, sequence, current, previous, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (workspace_id, namespace, identifier, duration) DO UPDATE
SET sequence = excluded.sequence, current = excluded.current, previous = excluded.previous, expires_at = excluded.expires_at;

-- name: DropCells :execrows
-- Cells that no longer matter at a time, a few at once.
DELETE FROM cells WHERE (workspace_id, namespace, identifier, duration) IN (
    SELECT c.workspace_id, c.namespace, c.identifier, c.duration FROM cells c
    WHERE c.expires_at <= @now ORDER BY c.expires_at LIMIT CAST(@most AS BIGINT));
