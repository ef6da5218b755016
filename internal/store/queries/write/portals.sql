-- name: InsertPortal :exec
INSERT INTO portals (id, workspace_id, api_id, slug, display_name, enabled, logo_url, primary_color, epoch, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9);

-- name: UpdatePortal :exec
UPDATE portals SET api_id = $2, slug = $3, display_name = $4, enabled = $5, logo_url = $6,
    primary_color = $7, epoch = $8, updated_at = $9 WHERE id = $1;

-- name: DeletePortal :exec
DELETE FROM portals WHERE id = $1;
