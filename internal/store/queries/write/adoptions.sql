-- name: BuryAdoption :exec
-- Lets a key that is erased here never be asked for.
INSERT INTO adoptions (workspace_id, hash, state, asked_at, key_id, origin_id)
VALUES ($1, $2, 'adopted', $3, '', '')
ON CONFLICT (workspace_id, hash) DO UPDATE SET state = 'adopted';

-- name: ClaimAdoption :execrows
-- Unless a key is adopted, being asked for, or known to be unknown.
INSERT INTO adoptions (workspace_id, hash, state, asked_at, key_id, origin_id)
VALUES (sqlc.arg(workspace_id), sqlc.arg(hash), 'asking', sqlc.arg(asked_at), '', '')
ON CONFLICT (workspace_id, hash) DO UPDATE SET state = 'asking', asked_at = excluded.asked_at
WHERE (adoptions.state = 'asking' AND adoptions.asked_at <= sqlc.arg(died))
    OR (adoptions.state = 'unknown' AND adoptions.asked_at <= sqlc.arg(forgotten));

-- name: SettleAdoption :execrows
-- Unless another request asks meanwhile, or has an answer.
UPDATE adoptions SET state = sqlc.arg(state), key_id = sqlc.arg(key_id), origin_id = sqlc.arg(origin_id)
WHERE workspace_id = sqlc.arg(workspace_id) AND hash = sqlc.arg(hash) AND state = 'asking' AND asked_at = sqlc.arg(asked_at);

-- name: ReleaseAdoption :exec
DELETE FROM adoptions WHERE workspace_id = $1 AND hash = $2 AND state = 'asking' AND asked_at = $3;

-- name: DropUnknownAdoptions :execrows
-- The oldest ones from before a time that are not adopted, a few at once.
DELETE FROM adoptions WHERE (workspace_id, hash) IN (
    SELECT a.workspace_id, a.hash FROM adoptions a
    WHERE a.state <> 'adopted' AND a.asked_at < @before ORDER BY a.asked_at LIMIT CAST(@most AS BIGINT));
