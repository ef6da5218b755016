package store

import (
	"context"
	"database/sql"
)

// callerDB fails a statement before it begins if the caller of the change has left.
// Then connection and transaction stay usable.
type callerDB struct {
	dbtx
	caller *context.Context // nil between changes
	pool   *sql.DB          // makes errors that only a Row can carry
}

// left returns the context of a caller that has left.
func (c callerDB) left() (context.Context, error) {
	if caller := *c.caller; caller != nil {
		return caller, caller.Err()
	}
	return nil, nil
}

// ExecContext runs a statement that returns no rows.
func (c callerDB) ExecContext(
	ctx context.Context, text string, args ...any,
) (sql.Result, error) {
	if _, err := c.left(); err != nil {
		return nil, err
	}
	return c.dbtx.ExecContext(ctx, text, args...)
}

// QueryContext runs a statement that returns rows.
func (c callerDB) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if _, err := c.left(); err != nil {
		return nil, err
	}
	return c.dbtx.QueryContext(ctx, text, args...)
}

// QueryRowContext runs a statement that returns one row.
func (c callerDB) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if caller, err := c.left(); err != nil {
		return c.pool.QueryRowContext(caller, text) // fails before it asks for a connection
	}
	return c.dbtx.QueryRowContext(ctx, text, args...)
}
