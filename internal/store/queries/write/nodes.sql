-- name: LockHeads :one
-- Waits until no other change is under way, on any node.
SELECT changes, audit FROM heads WHERE id = 1 FOR UPDATE;

-- name: SetHeads :exec
UPDATE heads SET changes = $1, audit = $2 WHERE id = 1;

-- name: DropChanges :execrows
-- The oldest changes from before a time, a few at once. The last one stays: by
-- it those who follow see that the log is still the one that they know.
DELETE FROM changes WHERE seq IN (
    SELECT c.seq FROM changes c
    WHERE c.time < @before AND c.seq < (SELECT h.changes FROM heads h WHERE h.id = 1)
    ORDER BY c.seq LIMIT CAST(@most AS BIGINT));

-- name: Beat :exec
INSERT INTO nodes (id, beats) VALUES ($1, 1)
ON CONFLICT (id) DO UPDATE SET beats = nodes.beats + 1;

-- name: DropNode :exec
DELETE FROM nodes WHERE id = $1;
