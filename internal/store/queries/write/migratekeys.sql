-- name: RehashKey :execrows
-- Replaces a migrated hash by our own form, once.
UPDATE keys SET hash = sqlc.arg(hash), start = sqlc.arg(start), migration_id = ''
WHERE id = sqlc.arg(id) AND migration_id <> '';
