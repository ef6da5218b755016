// Package store keeps the rows: everything that must survive the process. It
// knows tables and transactions and nothing of the API.
//
// A [DB] reads; a [Tx], which exists only inside [DB.Update], reads and writes.
// The SQL stands in queries/, one file a noun, in a grammar that SQLite and
// PostgreSQL share; sqlc turns it into the packages read and write.
//
// On SQLite one process owns the data. On PostgreSQL many nodes share it: their
// changes are serial all the same, and [DB.Follow] tells each of them what the
// others have changed.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

//go:generate sqlc generate

type (
	reads  = read.Queries
	writes = write.Queries
	// runner is what runs SQL: a pool, a connection, or something before these.
	runner = read.DBTX
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	*reads
	pool   *sql.DB
	shared *postgres // what nodes that share the database need besides; nil on SQLite
	node   string
	writer *writer
	spends *spender
	end    func() error // gives back what Open has taken
}

// Tx is one transaction. It is valid only inside the function given to Update.
type Tx struct {
	*reads
	*writes
	on      runner
	head    head
	touched []string
	wrote   bool // since this was last made false
}

// head is how far the logs have come: their last places.
type head struct{ changes, audit int64 }

func newTx(on runner) *Tx {
	tx := &Tx{reads: read.New(on), on: on}
	tx.writes = write.New(noting{on, &tx.wrote})
	return tx
}

func (tx *Tx) exec(ctx context.Context, text string) error {
	_, err := tx.on.ExecContext(ctx, text)
	return err
}

// Open opens a database and brings its schema up to date. Where is either the
// folder of a SQLite database, also as sqlite://folder, which is made if there
// is none and which only one process can have open at a time, or the URL of a
// PostgreSQL database, which any number of nodes can share:
//
//	postgres://user:password@host:5432/name?sslmode=verify-full
//
// All parameters that pgx knows may stand in the URL, among them several hosts,
// and besides:
//
//   - pool_max_conns bounds the connections that read and spend, 16 by default.
//     A node uses that many, one more that writes, one that follows the
//     changes of other nodes, and two for a moment when it starts.
//   - statement_timeout (2s), lock_timeout (1500ms),
//     idle_in_transaction_session_timeout (3s), tcp_keepalives_idle (30s),
//     tcp_user_timeout (10s) and connect_timeout (2, in seconds) have the
//     defaults that stand here. Whatever is set, no round trip takes longer
//     than 2.5 s, because a frozen server sends no error.
//
// Behind PgBouncer in transaction mode add default_query_exec_mode=exec, since
// prepared statements stay with a connection, and name the five server settings
// above in PgBouncer's ignore_startup_parameters. Notifications don't get
// through it, so changes are heard by asking, every 200 ms.
//
// CockroachDB and YugabyteDB speak the same protocol. What they lack is left
// out by what SELECT version() says: notifications, and on CockroachDB
// collations, which there are bytewise anyway.
func Open(ctx context.Context, where string) (*DB, error) {
	if isPostgres(where) {
		return openPostgres(ctx, where)
	}
	return openSQLite(ctx, folder(where))
}

func isPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

func folder(where string) string { return strings.TrimPrefix(where, "sqlite://") }

// assemble makes a DB of a pool, what reads run on, how this node writes, and
// what gives all that back.
func assemble(pool *sql.DB, on runner, session session, end func() error) *DB {
	return &DB{
		reads: read.New(on), pool: pool, end: end,
		writer: startWriter(session),
		spends: &spender{lines: map[string][]*spend{}},
	}
}

// Stats tells how the connections are used that read.
func (db *DB) Stats() sql.DBStats { return db.pool.Stats() }

// Close waits for the writes under way and closes the database. On SQLite all
// rows are then in the one file. Whoever follows the changes must have stopped.
func (db *DB) Close() error {
	return errors.Join(db.spends.close(), db.writer.close(), db.end())
}
