package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// roundTripTimeout bounds one round trip, including the wait for a connection.
	// It is longer than the server's own timeouts, whose errors keep the connection
	// usable.
	roundTripTimeout = 2500 * time.Millisecond
	// connectionLifetime is how long a connection is used, so that after a failover
	// the load returns to where the host name points.
	connectionLifetime = 30 * time.Minute
	// maxConns bounds the pool if the URL doesn't.
	maxConns = 16
)

// settings are session settings that apply unless the URL has others. They bound
// how long anything holds the lock on the heads: a statement, or a node that froze
// or lost its network within a transaction.
var settings = map[string]string{
	"statement_timeout":                   "2s",
	"lock_timeout":                        "1500ms",
	"idle_in_transaction_session_timeout": "3s",
	"tcp_keepalives_idle":                 "30",
	"tcp_user_timeout":                    "10000",
	"connect_timeout":                     "2",
}

// postgres is a database that nodes share, as one node reaches it.
type postgres struct {
	config    pgx.ConnConfig
	most      int // how many connections the pool has
	fence     *fence
	dialer    *dialer
	dedicated *sql.DB // makes connections that have one user each, and keeps none
	dialect   dialect
	listens   bool // whether the server has LISTEN and NOTIFY

	committed atomic.Int64         // number of this node's last change in the log
	wentBack  atomic.Pointer[loss] // found by the writer, for the follower
}

func openPostgres(ctx context.Context, where string, o Options) (*DB, error) {
	p, err := newPostgres(where, o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), p.close())
	}
	pool := sql.OpenDB(p.dialer)
	pool.SetMaxOpenConns(p.most)
	pool.SetMaxIdleConns(p.most)
	pool.SetConnMaxLifetime(connectionLifetime)
	end := func() error { return errors.Join(pool.Close(), p.close()) }
	node := rand.Text()
	db := assemble(pool, retryReads{timeoutDB{pool}, p.most},
		&postgresWriter{shared: p, node: node}, end)
	db.shared, db.node = p, node
	return db, nil
}

// newPostgres parses a URL. Its errors don't repeat the URL, which can contain a
// password.
func newPostgres(where string, o Options) (*postgres, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, errors.New("the database URL can't be read; " +
			"are special characters in the password percent-encoded?")
	}
	q := u.Query()
	most, err := poolSize(q)
	if err != nil {
		return nil, err
	}
	for name, value := range settings {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("the database URL can't be read: %w", errors.Unwrap(err))
	}
	fence, err := openFence(o.Folder, cmp.Or(o.Log, slog.Default()))
	if err != nil {
		return nil, err
	}
	config.ValidateConnect = both(config.ValidateConnect, fence.validate)
	p := &postgres{config: *config, most: most, fence: fence}
	p.dialer = newDialer(config, fence, most)
	p.dedicated = sql.OpenDB(p.dialer)
	p.dedicated.SetMaxIdleConns(-1)
	return p, nil
}

// both returns a function that makes two checks, of which the first can be nil.
func both(first, second pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	if first == nil {
		return second
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := first(ctx, conn); err != nil {
			return err
		}
		return second(ctx, conn)
	}
}

// close ends what newPostgres began.
func (p *postgres) close() error {
	err := p.dedicated.Close()
	p.dialer.close()
	return err
}

// poolSize removes our own parameter from those of pgx and returns its value.
func poolSize(q url.Values) (int, error) {
	defer q.Del("pool_max_conns")
	if !q.Has("pool_max_conns") {
		return maxConns, nil
	}
	n, err := strconv.Atoi(q.Get("pool_max_conns"))
	if err != nil || n < 1 {
		return 0, errors.New("pool_max_conns in the database URL must be " +
			"a whole number of at least 1")
	}
	return n, nil
}

// prepare detects the server and brings the schema up to date.
func (p *postgres) prepare(ctx context.Context) error {
	if err := p.detectServer(ctx); err != nil {
		return err
	}
	pool := p.maintenancePool()
	if err := p.migrate(ctx, pool); err != nil {
		return errors.Join(err, pool.Close())
	}
	return pool.Close()
}

// detectServer finds out which server this is from its version.
func (p *postgres) detectServer(ctx context.Context) error {
	var version string
	if err := (timeoutDB{p.dedicated}).QueryRowContext(
		ctx, "SELECT version()",
	).Scan(&version); err != nil {
		return err
	}
	p.dialect = portable
	if strings.HasPrefix(version, "PostgreSQL ") {
		p.dialect = bytewise
		p.listens = !strings.Contains(version, "-YB-")
	}
	return nil
}

// maintenancePool returns connections without statement timeout for migrations and
// copies. The wait for a lock is still bounded.
func (p *postgres) maintenancePool() *sql.DB {
	config := *p.config.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = "60s"
	return sql.OpenDB(stdlib.GetConnector(config))
}

// migrate runs the migrations while it holds a lock. The lock is a row, which every
// server has, on a connection of its own, because not every migration is one
// transaction. Other starting nodes wait.
func (p *postgres) migrate(ctx context.Context, pool *sql.DB) error {
	if done, err := upToDate(ctx, pool, p.dialect); done || err != nil {
		return err
	}
	if err := ensureLockRow(ctx, pool); err != nil {
		return fmt.Errorf("schema: lock: %w", err)
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(
		ctx, "SELECT id FROM schema_lock WHERE id = 1 FOR UPDATE",
	); err != nil {
		return fmt.Errorf("schema: lock: %w", err)
	}
	return migrate(ctx, pool, p.dialect)
}

// ensureLockRow creates the row that is locked while migrations run. If two nodes do
// so at once, one of them can fail in spite of IF NOT EXISTS, because PostgreSQL
// checks before it writes into its catalog.
func ensureLockRow(ctx context.Context, pool *sql.DB) error {
	var err error
	for range 10 {
		_, err = pool.ExecContext(ctx,
			"CREATE TABLE IF NOT EXISTS schema_lock (id BIGINT PRIMARY KEY)")
		if err == nil {
			_, err = pool.ExecContext(ctx,
				"INSERT INTO schema_lock (id) VALUES (1) ON CONFLICT DO NOTHING")
		}
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
