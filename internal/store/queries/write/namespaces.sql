-- name: InsertNamespace :exec
INSERT INTO namespaces (id, workspace_id, name, search, created_at)
VALUES ($1, $2, $3, $4, $5);

-- name: UpdateNamespace :exec
UPDATE namespaces SET when_degraded = $2, algorithm = $3 WHERE id = $1;

-- name: MarkNamespaceDeleted :exec
UPDATE namespaces SET deleted_at = $2 WHERE id = $1;
