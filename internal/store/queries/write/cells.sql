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

-- name: InsertCellBlock :exec
INSERT INTO cell_blocks (part, seq, expires_at, cells)
SELECT @part, COALESCE(MAX(b.seq), 0) + 1, @expires_at, @cells FROM cell_blocks b WHERE b.part = @part;

-- name: DropCellPart :exec
DELETE FROM cell_blocks WHERE part = $1;

-- name: DropCellPartsBefore :execrows
-- Blocks of parts with a lower number, a few at once.
DELETE FROM cell_blocks WHERE (part, seq) IN (
    SELECT b.part, b.seq FROM cell_blocks b WHERE b.part < @first ORDER BY b.part, b.seq LIMIT CAST(@most AS BIGINT));

-- name: DropCellBlocks :execrows
-- Blocks of which nothing matters any longer at a time, a few at once.
DELETE FROM cell_blocks WHERE (part, seq) IN (
    SELECT b.part, b.seq FROM cell_blocks b WHERE b.expires_at <= @now ORDER BY b.part, b.seq LIMIT CAST(@most AS BIGINT));
