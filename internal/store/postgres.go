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
	"sync"
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

// timeouts are the server's, for each transaction of several statements unless the URL
// has others. They bound how long anything holds the lock on the heads: a statement, or
// a node that froze or lost its network within a transaction. They travel with the
// transaction, because a pooler ignores or refuses settings of a session.
var timeouts = []struct{ name, value string }{
	{"statement_timeout", "2s"},
	{"lock_timeout", "1500ms"},
	{"idle_in_transaction_session_timeout", "3s"},
}

// unhurried begins a transaction of a migration or a copy. The wait for a lock is still
// bounded.
const unhurried = "; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; " +
	"SET LOCAL idle_in_transaction_session_timeout = 0"

// beginText takes the timeouts out of the parameters of a URL and returns the text that
// begins a transaction with them. READ COMMITTED is stated, because the database can have
// another default.
func beginText(q url.Values) string {
	text := "BEGIN ISOLATION LEVEL READ COMMITTED"
	for _, t := range timeouts {
		value := cmp.Or(q.Get(t.name), t.value)
		text += fmt.Sprintf("; SET LOCAL %s = '%s'", t.name, strings.ReplaceAll(value, "'", "''"))
		q.Del(t.name)
	}
	return text
}

// postgres is a database that nodes share, as one node reaches it.
type postgres struct {
	config    pgx.ConnConfig
	begin     string // begins a transaction
	most      int    // how many connections the pool has
	fence     *fence
	dialer    *dialer
	dedicated *sql.DB // makes connections that have one user each, and keeps none
	dialect   dialect
	listens   bool // whether the server has LISTEN and NOTIFY
	queues    bool // whether the server has advisory locks
	far       bool // whether a round trip takes long

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
	pool := &boundedPool{DB: sql.OpenDB(p.dialer), most: p.most}
	pool.SetMaxOpenConns(p.most)
	pool.SetMaxIdleConns(p.most)
	pool.SetConnMaxLifetime(connectionLifetime)
	if p.far {
		p.warm(pool.DB)
	}
	end := func() error { return errors.Join(pool.Close(), p.close()) }
	node := rand.Text()
	db := assemble(pool.DB, retryReads{timeoutDB{pool.DB}, pool},
		&postgresWriter{shared: p, node: node}, end)
	db.shared, db.node, db.conns = p, node, pool
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
	begin := beginText(q)
	if !q.Has("connect_timeout") {
		q.Set("connect_timeout", "2")
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
	p := &postgres{config: *config, begin: begin, most: most, fence: fence}
	p.dial(q.Has("default_query_exec_mode"))
	return p, nil
}

// dial makes connections possible. Until the server is known, no statement is prepared.
func (p *postgres) dial(known bool) {
	config := p.config.Copy()
	if !known {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	p.dialer = newDialer(config, p.fence, p.most)
	p.dedicated = sql.OpenDB(p.dialer)
	p.dedicated.SetMaxIdleConns(-1)
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
	return hint(p.migrate(ctx, p.dedicated))
}

// detectServer finds out which server this is from its version, and whether a pooler is
// between. A pooler names another process than the server does. Behind one a prepared
// statement or a LISTEN can belong to somebody else's connection a moment later.
func (p *postgres) detectServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.dialer.patience)
	defer cancel()
	conn, err := p.dedicated.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var version string
	var mine, theirs uint32
	if err := conn.QueryRowContext(
		ctx, "SELECT version(), pg_backend_pid()",
	).Scan(&version, &theirs); err != nil {
		return hint(err)
	}
	if err := conn.Raw(func(c any) error {
		mine = c.(*stdlib.Conn).Conn().PgConn().PID()
		return nil
	}); err != nil {
		return err
	}
	pooled := mine != theirs
	p.dialect = portable
	if strings.HasPrefix(version, "PostgreSQL ") {
		p.dialect = bytewise
		p.queues = !strings.Contains(version, "-YB-")
		p.listens = p.queues && !pooled
	}
	p.far = p.queues && p.advise(ctx, conn)
	if !pooled && !p.far {
		err = p.close()
		p.dial(true)
	}
	return err
}

// farAway is a round trip from which on a node is slow: it makes several for a change,
// and two for a key that isn't cached. Then nothing is prepared, because on each new
// connection that takes a round trip for each statement.
const farAway = 20 * time.Millisecond

// advise logs what about a server weakens the guarantees or slows the node, and reports
// whether it is far away.
func (p *postgres) advise(ctx context.Context, conn *sql.Conn) (far bool) {
	log := p.fence.log
	began := time.Now()
	var durable, encoding string
	var most int
	if err := conn.QueryRowContext(ctx, "SELECT current_setting('synchronous_commit'), "+
		"current_setting('server_encoding'), CAST(current_setting('max_connections') AS BIGINT)",
	).Scan(&durable, &encoding, &most); err != nil {
		return false // what follows says so
	}
	if took := time.Since(began); took > farAway {
		far = true
		log.Warn("the database is far away; put the node beside it", "round trip", took)
	}
	if durable == "off" {
		log.Warn("synchronous_commit is off: a crash of the database loses changes and credits " +
			"that were acknowledged")
	}
	if encoding != "UTF8" {
		log.Warn("the encoding of the database is not UTF8: names can be garbled in other programs",
			"encoding", encoding)
	}
	if most < p.most+4 {
		log.Warn("the database accepts fewer connections than this node can use; lower "+
			"pool_max_conns in the URL or raise max_connections", "max_connections", most,
			"pool_max_conns", p.most)
	}
	return far
}

// warm makes some connections of a pool before anybody needs them. To a distant server
// that takes as long as a read may take in all.
func (p *postgres) warm(pool *sql.DB) {
	var all sync.WaitGroup
	ready := make(chan struct{})
	for range min(p.most, 4) {
		all.Add(1)
		p.dialer.work.Go(func() {
			conn, err := pool.Conn(p.dialer.ctx)
			all.Done()
			<-ready
			if err == nil {
				_ = conn.Close() // it goes back to the pool
			}
		})
	}
	p.dialer.work.Go(func() { all.Wait(); close(ready) })
}

// hint adds to an error what to do about it.
func hint(err error) error {
	switch sqlState(err) {
	case "42P05", "26000": // a prepared statement exists, or doesn't
		return fmt.Errorf("%w (behind a pooler in transaction mode, add "+
			"default_query_exec_mode=exec to the database URL)", err)
	case "42501":
		return fmt.Errorf("%w (to create and change tables, the role must own them and have "+
			"CREATE on the schema; once a release has run, reading and writing rows is enough)", err)
	}
	return err
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
	tx, err := beginUnhurried(ctx, pool)
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

// beginUnhurried begins a transaction of a migration.
func beginUnhurried(ctx context.Context, pool *sql.DB) (*sql.Tx, error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, strings.TrimPrefix(unhurried, "; ")); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}
