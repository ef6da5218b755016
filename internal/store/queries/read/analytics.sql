-- name: APIKeyspaces :many
-- Deleted ones too: what happened to their keys can still be asked for.
SELECT id, keyspace_id, name FROM apis WHERE workspace_id = $1;

-- name: NamespaceNames :many
-- Deleted ones too: what happened in them can still be asked for.
SELECT id, name FROM namespaces WHERE workspace_id = $1;
