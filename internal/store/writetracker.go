package store

import (
	"context"
	"database/sql"
)

// writeTracker records that a transaction wrote, and how often.
type writeTracker struct {
	dbtx
	tx *Tx
}

// ExecContext runs a statement that returns no rows.
func (n writeTracker) ExecContext(
	ctx context.Context, text string, args ...any,
) (sql.Result, error) {
	n.tx.wrote = true
	n.tx.weight++
	return n.dbtx.ExecContext(ctx, text, args...)
}

// QueryContext runs a statement that returns rows.
func (n writeTracker) QueryContext(
	ctx context.Context, text string, args ...any,
) (*sql.Rows, error) {
	n.tx.wrote = true
	n.tx.weight++
	return n.dbtx.QueryContext(ctx, text, args...)
}

// QueryRowContext runs a statement that returns one row.
func (n writeTracker) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	n.tx.wrote = true
	n.tx.weight++
	return n.dbtx.QueryRowContext(ctx, text, args...)
}
