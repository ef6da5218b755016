// Package store keeps the rows: everything that must survive the process. It
// knows tables and transactions and nothing of the API.
//
// A [DB] reads; a [Tx], which exists only inside [DB.Update], reads and writes.
// The SQL stands in queries/, one file a noun, in a grammar that SQLite and
// PostgreSQL share; sqlc turns it into the packages read and write.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:generate sqlc generate

var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = sql.ErrNoRows
	// ErrLocked says that another process owns the data folder.
	ErrLocked = errors.New("another process is using this data folder")
	// ErrClosed says that the database was closed.
	ErrClosed = errors.New("the database is closed")
)

// readers is how many connections read side by side. SQLite readers don't
// block one another; more than a few only cost memory.
const readers = 4

type (
	reads  = read.Queries
	writes = write.Queries
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	*reads
	pool       *sql.DB
	statements *statements
	writer     *writer
	lock       *flock.Flock
}

// Tx is one transaction. It is valid only inside the function given to Update.
type Tx struct {
	*reads
	*writes
	statements *statements
}

// Open opens the database in the folder dir, makes it if there is none, and
// brings its schema up to date. Only one process can have it open at a time.
func Open(ctx context.Context, dir string) (*DB, error) {
	lock := flock.New(filepath.Join(dir, "latchkey.lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("store: lock: %w", err)
	} else if !ok {
		return nil, fmt.Errorf("store: %s: %w", dir, ErrLocked)
	}
	db, err := open(ctx, filepath.Join(dir, "latchkey.db"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %s: %w", dir, err), lock.Unlock())
	}
	db.lock = lock
	return db, nil
}

func open(ctx context.Context, file string) (*DB, error) {
	if err := create(file); err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", dsn(file))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(readers + 1)
	pool.SetMaxIdleConns(readers + 1)
	if err := migrate(ctx, pool); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	writer, err := startWriter(ctx, pool)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	s := prepare(pool)
	return &DB{reads: read.New(s), pool: pool, statements: s, writer: writer}, nil
}

// create makes the file where there is none, readable by its owner only; what
// SQLite puts beside it gets the same mode.
func create(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// dsn names the file and the settings of each connection. A commit waits for
// the disk (synchronous=FULL); readers go on while it does (WAL).
func dsn(file string) string {
	q := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "cache_size(-16000)", "temp_store(MEMORY)",
	}}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}).String()
}

// Close waits for the writes under way and closes the database. All rows are
// then in the one file.
func (db *DB) Close() error {
	return errors.Join(db.statements.close(), db.writer.close(), db.pool.Close(), db.lock.Unlock())
}

// IsDuplicate reports whether a write was refused because a unique value is taken.
func IsDuplicate(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}
