-- name: AddAmount :exec
INSERT INTO counts (workspace_id, kind, amount) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, kind) DO UPDATE SET amount = counts.amount + excluded.amount;
