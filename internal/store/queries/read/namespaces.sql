-- name: Namespace :one
-- By id or by name; if a name looks like the id of another one, the id counts.
SELECT * FROM namespaces
WHERE workspace_id = @workspace_id AND (id = @name OR name = @name)
ORDER BY CASE WHEN id = @name THEN 0 ELSE 1 END LIMIT 1;

-- name: NamespacesPage :many
SELECT * FROM namespaces
WHERE workspace_id = @workspace_id AND deleted_at = 0 AND id >= @from_id AND search LIKE CAST(@pattern AS TEXT) ESCAPE '!'
ORDER BY id LIMIT CAST(@most AS BIGINT);
