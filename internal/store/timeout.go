package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
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

// retryReads retries a query on a new connection after the old one broke, and waits for
// one if the server has none to spare; only reads are safe to retry. A fault that cuts
// all connections leaves the pool full of broken ones, so it retries as often as the
// pool has connections.
type retryReads struct {
	timeoutDB
	pool *boundedPool
}

// QueryContext runs a statement that returns rows.
func (a retryReads) QueryContext(
	ctx context.Context, text string, args ...any,
) (rows *sql.Rows, err error) {
	a.pool.retry(ctx, func() error {
		rows, err = a.timeoutDB.QueryContext(ctx, text, args...)
		return err
	})
	return rows, err
}

// QueryRowContext runs a statement that returns one row.
func (a retryReads) QueryRowContext(ctx context.Context, text string, args ...any) (row *sql.Row) {
	a.pool.retry(ctx, func() error {
		row = a.timeoutDB.QueryRowContext(ctx, text, args...)
		return row.Err()
	})
	return row
}

// boundedPool is a pool that has fewer connections while the server has no more.
type boundedPool struct {
	*sql.DB
	most  int
	mu    sync.Mutex
	raise *time.Timer // not nil while it has fewer
}

// raiseAfter is when a pool tries again to have all of its connections.
const raiseAfter = time.Minute

// spareInterval is how long to wait until a server with no connection to spare is asked again.
const spareInterval = 20 * time.Millisecond

// noneToSpare reports whether the server refused a connection because it has no more.
func noneToSpare(err error) bool { return sqlState(err) == "53300" }

// retry runs a read until neither its connection broke nor there was none to have.
func (p *boundedPool) retry(ctx context.Context, read func() error) {
	end := time.Now().Add(roundTripTimeout)
	for broken := 0; broken <= p.most; {
		switch err := read(); {
		case noneToSpare(err) && time.Now().Before(end) && ctx.Err() == nil:
			p.lower()
			sleep(ctx, spareInterval)
		case connectionBroke(err):
			broken++
		default:
			return
		}
	}
}

// Conn returns a connection, for which it waits if the server has none to spare.
func (p *boundedPool) Conn(ctx context.Context) (conn *sql.Conn, err error) {
	p.retry(ctx, func() error {
		conn, err = p.DB.Conn(ctx)
		return err
	})
	return conn, err
}

// lower makes callers wait for the connections that there are, for a while.
func (p *boundedPool) lower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.SetMaxOpenConns(max(1, p.Stats().OpenConnections))
	if p.raise == nil {
		p.raise = time.AfterFunc(raiseAfter, p.restore)
	}
}

func (p *boundedPool) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.SetMaxOpenConns(p.most)
	p.raise = nil
}

// Close closes the connections.
func (p *boundedPool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.raise != nil {
		p.raise.Stop()
	}
	return p.DB.Close()
}
