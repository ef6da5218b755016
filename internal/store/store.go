// Package store keeps the rows: everything that must survive the process. It knows
// tables and transactions and nothing of the API.
//
// A [DB] reads; a [Tx], which exists only inside [DB.Update], reads and writes.
// The SQL is in queries/, one file a noun, in the grammar that SQLite and
// PostgreSQL share; sqlc generates the packages read and write from it.
//
// Changes wait in [Turn]s: by lane and workspace. [DB.Spend] and the counters of
// rate limits don't wait for them on PostgreSQL. [Copy] moves an installation between
// the two engines.
//
// On SQLite one process owns the data. On PostgreSQL many nodes share it: their
// changes are still serial, and [DB.Follow] reports to each node what the others
// changed.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

//go:generate sqlc generate

type (
	reads  = read.Queries
	writes = write.Queries
	// dbtx runs SQL: a pool, a connection, or a wrapper of one.
	dbtx = read.DBTX
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	*reads
	on     dbtx // runs any read
	pool   *sql.DB
	shared *postgres    // the database that nodes share; nil on SQLite
	conns  *boundedPool // pool, where nodes share the database
	node   string
	writer *writer
	spends *spender
	end    func() error // releases what Open acquired
}

// Tx is one transaction. It is valid only inside the function given to Update.
type Tx struct {
	*reads
	*writes
	on      dbtx // runs any statement
	checked dbtx // runs one of the change under way
	head    head
	touched []string
	counts  map[countKey]*count
	counted []addend
	wrote   bool            // since this was last set to false
	weight  int             // of the change under way: rows that it has written and looked up
	caller  context.Context // of the change under way; nil between changes

	pipeline  *pipeline // nil on SQLite
	rehearsal bool      // nothing of what the change does is kept
}

// Rehearsed reports whether the change runs only to find out what it reads. It must then have
// no effect outside of the transaction.
func (tx *Tx) Rehearsed() bool { return tx.rehearsal }

// head holds the last positions of the logs.
type head struct{ changes, audit int64 }

// newTx returns a transaction on a connection of the pool.
func newTx(on dbtx, pool *sql.DB) *Tx {
	tx := &Tx{on: on}
	tx.checked = callerDB{on, &tx.caller, pool}
	tx.reads = read.New(tx.checked)
	tx.writes = write.New(writeTracker{tx.checked, tx})
	return tx
}

func (tx *Tx) exec(ctx context.Context, text string) error {
	_, err := tx.on.ExecContext(ctx, text)
	return err
}

// Open opens a database and brings its schema up to date. The URL where names
// either the folder of a SQLite database, which is created if it has none and
// which only one process can have open at a time, or a PostgreSQL database, which
// any number of nodes can share:
//
//	sqlite:///var/lib/latchkey
//	postgres://user:password@host:5432/name?sslmode=verify-full
//
// Any other text is an error that doesn't repeat the text, which can contain a
// password.
//
// The URL of a PostgreSQL database can have all parameters that pgx knows, several hosts among
// them, and:
//
//   - pool_max_conns bounds the connections that read and spend, 16 by default.
//     A node uses that many, one to write, one to follow the changes of other
//     nodes, and two for a moment when it starts.
//   - statement_timeout (2s), lock_timeout (1500ms) and
//     idle_in_transaction_session_timeout (3s) are set for each transaction of
//     several statements, with these defaults. Whatever is set, no round trip takes
//     longer than 2.5 s, because a frozen server sends no error.
//   - connect_timeout is for each host, 2 seconds by default.
//
// Behind a pooler such as PgBouncer no statement is prepared, since another connection of
// the server can run the next one. Notifications don't get through it, so nodes poll for
// changes, every 200 ms.
//
// CockroachDB and YugabyteDB speak the same protocol. Features that they lack are
// left out according to SELECT version(): notifications, and on CockroachDB
// collations, which are bytewise there anyway.
func Open(ctx context.Context, where string) (*DB, error) {
	return OpenWith(ctx, where, Options{})
}

// Options are for a PostgreSQL database. The zero value has the defaults.
type Options struct {
	// Folder is where a node remembers which primary was promoted last, so that it
	// doesn't use an older one after a restart. By default it remembers nothing.
	Folder string
	// Log is for what happens to the servers; slog.Default by default.
	Log *slog.Logger
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, where string, o Options) (*DB, error) {
	if IsPostgres(where) {
		return openPostgres(ctx, where, o)
	}
	dir, err := Folder(where)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return openSQLite(ctx, dir)
}

// IsPostgres reports whether a text is the URL of a PostgreSQL database. The case of
// the scheme doesn't matter (RFC 3986, section 3.1).
func IsPostgres(where string) bool {
	scheme, _, _ := strings.Cut(where, "://")
	return scheme != where &&
		(strings.EqualFold(scheme, "postgres") || strings.EqualFold(scheme, "postgresql"))
}

// Folder returns the folder of a SQLite database from its URL.
func Folder(where string) (string, error) {
	scheme, dir, _ := strings.Cut(where, "://")
	if !strings.EqualFold(scheme, "sqlite") || dir == "" {
		return "", errors.New("not the URL of a database: " +
			"it must begin with postgres:// or sqlite://, without quotes")
	}
	return dir, nil
}

// assemble makes a DB of a pool, what reads run on, the connection that writes, and
// the function that releases them.
func assemble(pool *sql.DB, on dbtx, writerConn writerConn, end func() error) *DB {
	return &DB{
		reads: read.New(on), on: on, pool: pool, end: end,
		writer: startWriter(writerConn),
		spends: &spender{lines: map[string][]*spend{}},
	}
}

// Stats returns statistics of the connections that read.
func (db *DB) Stats() sql.DBStats { return db.pool.Stats() }

// Close waits for pending writes and closes the database. On SQLite all rows are
// then in the one file. Calls of Follow must have returned.
func (db *DB) Close() error {
	db.spends.close()
	return errors.Join(db.writer.close(), db.end())
}
