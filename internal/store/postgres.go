package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// trip bounds one round trip, the wait for a connection included. It is
	// more than the server's own bounds, whose errors leave the connection whole.
	trip = 2500 * time.Millisecond
	// lifetime is how long a connection is used, so that after a failover the
	// load comes back to where the name of the host leads.
	lifetime = 30 * time.Minute
	// mostConns bounds the pool if the URL doesn't.
	mostConns = 16
)

// session settings that hold unless the URL has others. Nobody holds the lock
// of the heads for long: not a statement, and not a node that froze or whose
// network went away in mid-transaction.
var settings = map[string]string{
	"statement_timeout":                   "2s",
	"lock_timeout":                        "1500ms",
	"idle_in_transaction_session_timeout": "3s",
	"tcp_keepalives_idle":                 "30",
	"tcp_user_timeout":                    "10000",
	"connect_timeout":                     "2",
}

// postgres is how a node reaches a database that it shares.
type postgres struct {
	config  pgx.ConnConfig
	most    int     // how many connections the pool has
	own     *sql.DB // makes connections that have one user each, and keeps none
	dialect dialect
	listens bool // whether the server has LISTEN and NOTIFY
}

func openPostgres(ctx context.Context, where string) (*DB, error) {
	p, err := newPostgres(where)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), p.own.Close())
	}
	pool := p.pool(p.config)
	pool.SetMaxOpenConns(p.most)
	pool.SetMaxIdleConns(p.most)
	pool.SetConnMaxLifetime(lifetime)
	end := func() error { return errors.Join(pool.Close(), p.own.Close()) }
	node := rand.Text()
	db := assemble(pool, again{bounded{pool}, p.most}, &turn{shared: p, node: node}, end)
	db.shared, db.node = p, node
	return db, nil
}

// newPostgres reads a URL. What it can't read it doesn't repeat, because there
// may be a password in it.
func newPostgres(where string) (*postgres, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, errors.New("the database URL can't be read; are special characters in the password percent-encoded?")
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
	p := &postgres{config: *config, most: most}
	p.own = p.pool(p.config)
	p.own.SetMaxIdleConns(-1)
	return p, nil
}

// poolSize takes the parameter that is ours out of those of pgx.
func poolSize(q url.Values) (int, error) {
	defer q.Del("pool_max_conns")
	if !q.Has("pool_max_conns") {
		return mostConns, nil
	}
	n, err := strconv.Atoi(q.Get("pool_max_conns"))
	if err != nil || n < 1 {
		return 0, errors.New("pool_max_conns in the database URL must be a whole number of at least 1")
	}
	return n, nil
}

func (p *postgres) pool(config pgx.ConnConfig) *sql.DB {
	return sql.OpenDB(stdlib.GetConnector(config))
}

// prepare learns what the server is and brings the schema up to date.
func (p *postgres) prepare(ctx context.Context) error {
	if err := p.learn(ctx); err != nil {
		return err
	}
	pool := p.unhurried()
	if err := p.migrate(ctx, pool); err != nil {
		return errors.Join(err, pool.Close())
	}
	return pool.Close()
}

// learn finds out what the server is by what it calls itself.
func (p *postgres) learn(ctx context.Context) error {
	var version string
	if err := (bounded{p.own}).QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return err
	}
	p.dialect = portable
	if strings.HasPrefix(version, "PostgreSQL ") {
		p.dialect = bytewise
		p.listens = !strings.Contains(version, "-YB-")
	}
	return nil
}

// unhurried returns connections for what may take long: migrations and copies.
// They are used by few statements that are worth waiting for; a wait for a lock
// is bounded all the same.
func (p *postgres) unhurried() *sql.DB {
	config := *p.config.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = "60s"
	return p.pool(config)
}

// migrate runs the migrations while it holds a lock: a row, because that is what
// every server has, locked on a connection of its own, because not every
// migration is one transaction there. Other nodes that start wait.
func (p *postgres) migrate(ctx context.Context, pool *sql.DB) error {
	if done, err := upToDate(ctx, pool, p.dialect); done || err != nil {
		return err
	}
	if err := makeLock(ctx, pool); err != nil {
		return fmt.Errorf("schema: lock: %w", err)
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "SELECT id FROM schema_lock WHERE id = 1 FOR UPDATE"); err != nil {
		return fmt.Errorf("schema: lock: %w", err)
	}
	return migrate(ctx, pool, p.dialect)
}

// makeLock makes the row that is locked while migrations run. Where two nodes do
// so at once, one of them can be refused in spite of IF NOT EXISTS: PostgreSQL
// looks before it writes into its catalog.
func makeLock(ctx context.Context, pool *sql.DB) error {
	var err error
	for range 10 {
		_, err = pool.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_lock (id BIGINT PRIMARY KEY)")
		if err == nil {
			_, err = pool.ExecContext(ctx, "INSERT INTO schema_lock (id) VALUES (1) ON CONFLICT DO NOTHING")
		}
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
