package store

import (
	"context"
	"database/sql"
)

// bounded gives each round trip an end, so that a server that is frozen or cut
// off can't hold anybody: it sends no error. The driver then gives up the
// connection and asks the server to cancel what runs there.
type bounded struct{ on runner }

// ExecContext runs a statement that returns no rows.
func (b bounded) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, trip)
	defer cancel()
	return b.on.ExecContext(ctx, text, args...)
}

// PrepareContext prepares a statement, which is then no longer bounded.
func (b bounded) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return b.on.PrepareContext(ctx, text)
}

// QueryContext runs a statement that returns rows, which must be read within the
// bound too.
func (b bounded) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return b.on.QueryContext(within(ctx), text, args...)
}

// QueryRowContext runs a statement that returns one row.
func (b bounded) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return b.on.QueryRowContext(within(ctx), text, args...)
}

// within returns a context for rows, which outlives the call that asks for them:
// it ends with the bound or with the caller's context, whichever comes first.
func within(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, trip)
	_ = cancel
	return ctx
}

// again asks once more on another connection when one broke before the answer
// came: what only reads may be asked twice. A fault that cuts all connections
// leaves the pool full of broken ones, so it asks as often as there are any.
type again struct {
	bounded
	most int // connections of the pool
}

// QueryContext runs a statement that returns rows.
func (a again) QueryContext(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	for range a.most + 1 {
		if rows, err = a.bounded.QueryContext(ctx, text, args...); !broke(err) {
			break
		}
	}
	return rows, err
}

// QueryRowContext runs a statement that returns one row.
func (a again) QueryRowContext(ctx context.Context, text string, args ...any) (row *sql.Row) {
	for range a.most + 1 {
		if row = a.bounded.QueryRowContext(ctx, text, args...); !broke(row.Err()) {
			break
		}
	}
	return row
}
