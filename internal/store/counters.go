package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// The texts that count in shared rows of cells, one for each counter. The keys come sorted, and
// rows are locked in the order in which they are inserted, so transactions that count can't wait
// for one another in a circle.
const (
	lockCells = `INSERT INTO cells (workspace_id, namespace, identifier, duration,
    sequence, current, previous, expires_at)
SELECT k.w, k.n, k.i, k.d, 0, 0, 0, 0
FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BIGINT[]))
    AS k (w, n, i, d)
ON CONFLICT (workspace_id, namespace, identifier, duration) DO UPDATE SET sequence = cells.sequence
RETURNING workspace_id, namespace, identifier, duration, sequence, current, previous, expires_at`
	saveCells = `UPDATE cells SET sequence = k.s, current = k.c, previous = k.p, expires_at = k.e
FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BIGINT[]),
    CAST($5 AS BIGINT[]), CAST($6 AS BIGINT[]), CAST($7 AS BIGINT[]), CAST($8 AS BIGINT[]))
    AS k (w, n, i, d, s, c, p, e)
WHERE cells.workspace_id = k.w AND cells.namespace = k.n
    AND cells.identifier = k.i AND cells.duration = k.d`
	dropCells = `DELETE FROM cells WHERE (workspace_id, namespace, identifier, duration) IN (
    SELECT c.workspace_id, c.namespace, c.identifier, c.duration FROM cells c
    WHERE c.expires_at <= $1 ORDER BY c.expires_at LIMIT CAST($2 AS BIGINT) FOR UPDATE SKIP LOCKED)`
)

// SavedCounters calls row for each counter that is saved in a row, and segment for
// each segment of many counters. The store doesn't interpret them. With a nil row it
// reads segments only.
func (db *DB) SavedCounters(
	ctx context.Context, row func(read.Cell), segment func(read.CellBlock) error,
) error {
	if row != nil {
		rows, err := db.Cells(ctx)
		if err != nil {
			return fmt.Errorf("store: counters: %w", err)
		}
		for _, r := range rows {
			row(r)
		}
	}
	segments, err := db.CellBlocks(ctx)
	if err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	for _, s := range segments {
		if err := segment(s); err != nil {
			return fmt.Errorf("store: segment %d: %w", s.Seq, err)
		}
	}
	return nil
}

// UpdateCounters passes the rows of the keys to decide, in their order, and saves
// those that it returns, in one transaction that holds their rows. Of the keys
// only the key columns matter; they must be sorted, each there once. A key without
// a row has one with zeros, and gets a row only if decide returns it.
//
// It doesn't wait for the serial changes, and needs a database that is Shared. A
// crash can lose the latest counts of rate limits, so the commit doesn't wait for the
// disk if the database can do that.
func (db *DB) UpdateCounters(
	ctx context.Context, keys []read.Cell, decide func([]read.Cell) []read.Cell,
) error {
	tx, err := db.conns.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	defer endTransaction(tx)
	if _, err := tx.ExecContext(
		ctx, db.shared.begin+"; SET LOCAL synchronous_commit = off",
	); err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	rows, err := tx.QueryContext(ctx, lockCells, keyColumns(keys)...)
	if err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	cells, err := scanCells(rows)
	if err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	changed := decide(inOrder(cells, keys))
	if len(changed) == 0 {
		return nil // and the rows that were made to be locked are gone again
	}
	if _, err := tx.ExecContext(
		ctx, saveCells, append(keyColumns(changed), countColumns(changed)...)...,
	); err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("store: counters: %w", err)
	}
	return nil
}

// endTransaction gives a connection back. A transaction that is open on it is rolled back;
// if that fails, the connection is closed.
func endTransaction(conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), roundTripTimeout)
	defer cancel()
	open := func() (open bool) {
		err := conn.Raw(func(c any) error {
			open = c.(*stdlib.Conn).Conn().PgConn().TxStatus() != 'I'
			return nil
		})
		return err == nil && open
	}
	if open() {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // or else it is still open
	}
	if open() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close() // ended by Raw if it is bad
}

// DropExpiredCounters deletes up to most rows and up to most segments that have
// expired at the time now, in unix milliseconds. It returns the larger of the two
// numbers of deletions. On a shared database it runs beside the serial changes, so
// that nothing waits for it, and skips rows that are locked.
func (db *DB) DropExpiredCounters(ctx context.Context, now, most int64) (n int64, err error) {
	if db.shared == nil {
		err = db.Update(ctx, func(ctx context.Context, tx *Tx) error {
			rows, err := tx.DropCells(ctx, now, most)
			if err != nil {
				return err
			}
			segments, err := tx.DropCellBlocks(ctx, now, most)
			if err != nil {
				return err
			}
			n = max(rows, segments)
			return nil
		})
		if err != nil {
			return 0, err
		}
		return n, nil
	}
	result, err := db.pool.ExecContext(ctx, dropCells, now, most)
	if err != nil {
		return 0, fmt.Errorf("store: counters: %w", err)
	}
	rows, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("store: counters: %w", err)
	}
	segments, err := write.New(db.pool).DropCellBlocks(ctx, now, most)
	if err != nil {
		return 0, fmt.Errorf("store: counters: %w", err)
	}
	return max(rows, segments), nil
}

func scanCells(rows *sql.Rows) ([]read.Cell, error) {
	defer rows.Close()
	var cells []read.Cell
	for rows.Next() {
		var c read.Cell
		err := rows.Scan(&c.WorkspaceID, &c.Namespace, &c.Identifier, &c.Duration, &c.Sequence,
			&c.Current, &c.Previous, &c.ExpiresAt)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return cells, nil
}

// inOrder returns the cells in the order of their keys.
func inOrder(cells, keys []read.Cell) []read.Cell {
	byKey := make(map[read.Cell]read.Cell, len(cells))
	for _, c := range cells {
		byKey[keyOf(c)] = c
	}
	ordered := make([]read.Cell, len(keys))
	for i, key := range keys {
		ordered[i] = byKey[keyOf(key)]
	}
	return ordered
}

// keyOf returns the key columns of a cell alone.
func keyOf(c read.Cell) read.Cell {
	return read.Cell{
		WorkspaceID: c.WorkspaceID, Namespace: c.Namespace, Identifier: c.Identifier,
		Duration: c.Duration,
	}
}

// list returns one column of the cells, as an argument for unnest.
func list[T any](cells []read.Cell, of func(read.Cell) T) any {
	values := make([]T, len(cells))
	for i, c := range cells {
		values[i] = of(c)
	}
	return values
}

func keyColumns(cells []read.Cell) []any {
	return []any{
		list(cells, func(c read.Cell) string { return c.WorkspaceID }),
		list(cells, func(c read.Cell) string { return c.Namespace }),
		list(cells, func(c read.Cell) string { return c.Identifier }),
		list(cells, func(c read.Cell) int64 { return c.Duration }),
	}
}

func countColumns(cells []read.Cell) []any {
	return []any{
		list(cells, func(c read.Cell) int64 { return c.Sequence }),
		list(cells, func(c read.Cell) int64 { return c.Current }),
		list(cells, func(c read.Cell) int64 { return c.Previous }),
		list(cells, func(c read.Cell) int64 { return c.ExpiresAt }),
	}
}
