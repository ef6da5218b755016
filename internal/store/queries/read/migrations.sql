-- name: KeyMigration :one
SELECT * FROM key_migrations WHERE id = $1 AND workspace_id = $2;
