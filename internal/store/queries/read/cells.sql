-- name: Cells :many
SELECT * FROM cells;

-- name: CellBlocks :many
SELECT * FROM cell_blocks;
