-- name: APIKeyspaces :many
-- Deleted ones too: what happened to their keys can still be asked for.
SELECT id, keyspace_id FROM apis WHERE workspace_id = $1;

-- name: NamespaceIDs :many
-- Deleted ones too: what happened in them can still be asked for.
SELECT id FROM namespaces WHERE workspace_id = $1;
