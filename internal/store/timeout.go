package store

import (
	"context"
	"database/sql"
)

// timeoutDB gives each round trip a timeout, because a server that is frozen or
// unreachable sends no error. On a timeout the driver closes the connection and asks
// the server to cancel the statement.
type timeoutDB struct{ on dbtx }

// ExecContext runs a statement that returns no rows.
func (b timeoutDB) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	return b.on.ExecContext(ctx, text, args...)
}

// PrepareContext prepares a statement, which then has no timeout.
func (b timeoutDB) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return b.on.PrepareContext(ctx, text)
}

// QueryContext runs a statement that returns rows. The timeout includes reading
// them.
func (b timeoutDB) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return b.on.QueryContext(rowsContext(ctx), text, args...)
}

// QueryRowContext runs a statement that returns one row.
func (b timeoutDB) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return b.on.QueryRowContext(rowsContext(ctx), text, args...)
}

// rowsContext returns a context for rows, which outlive the call that asks for
// them: it ends with the timeout or with the caller's context.
func rowsContext(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	_ = cancel
	return ctx
}

// retryReads retries a query on a new connection after the old one broke; only
// reads are safe to retry. A fault that cuts all connections leaves the pool full
// of broken ones, so it retries as often as the pool has connections.
type retryReads struct {
	timeoutDB
	most int // connections of the pool
}

// QueryContext runs a statement that returns rows.
func (a retryReads) QueryContext(
	ctx context.Context, text string, args ...any,
) (rows *sql.Rows, err error) {
	for range a.most + 1 {
		if rows, err = a.timeoutDB.QueryContext(ctx, text, args...); !connectionBroke(err) {
			break
		}
	}
	return rows, err
}

// QueryRowContext runs a statement that returns one row.
func (a retryReads) QueryRowContext(ctx context.Context, text string, args ...any) (row *sql.Row) {
	for range a.most + 1 {
		if row = a.timeoutDB.QueryRowContext(ctx, text, args...); !connectionBroke(row.Err()) {
			break
		}
	}
	return row
}
