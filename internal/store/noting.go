package store

import (
	"context"
	"database/sql"
)

// noting notes that a statement was run.
type noting struct {
	runner
	ran *bool
}

// ExecContext runs a statement that returns no rows.
func (n noting) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	*n.ran = true
	return n.runner.ExecContext(ctx, text, args...)
}

// QueryContext runs a statement that returns rows.
func (n noting) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	*n.ran = true
	return n.runner.QueryContext(ctx, text, args...)
}

// QueryRowContext runs a statement that returns one row.
func (n noting) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	*n.ran = true
	return n.runner.QueryRowContext(ctx, text, args...)
}
