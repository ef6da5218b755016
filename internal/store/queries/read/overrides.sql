-- name: Overrides :many
SELECT * FROM overrides WHERE namespace_id = $1;

-- name: Override :one
SELECT * FROM overrides WHERE namespace_id = $1 AND identifier = $2;

-- name: OverridesPage :many
SELECT * FROM overrides
WHERE namespace_id = @namespace_id AND id >= @from_id
ORDER BY id LIMIT CAST(@most AS BIGINT);

-- name: CountOverrides :one
SELECT COUNT(*) FROM overrides WHERE namespace_id = $1;
