package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver of the file
)

// table is the table of blocks, in a SQLite file of its own or in PostgreSQL. The SQL text is
// the same for both. It is opened, and created, at its first use, and again after the file
// has gone.
type table struct {
	file string
	pool *sql.DB // PostgreSQL; nil with a file
	log  *slog.Logger

	mu     sync.Mutex
	opened *sql.DB
	was    os.FileInfo // the file that is open
}

// schema creates the tables. A block's level says how often it was merged; from 1 on its rows
// are in those of the next step, too.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS event_blocks (
		node TEXT NOT NULL, sequence BIGINT NOT NULL,
		kind BIGINT NOT NULL, step BIGINT NOT NULL, level BIGINT NOT NULL,
		row_count BIGINT NOT NULL, bytes BIGINT NOT NULL,
		first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, stored_at BIGINT NOT NULL,
		data BYTEA NOT NULL,
		PRIMARY KEY (node, sequence))`,
	`CREATE INDEX IF NOT EXISTS event_blocks_by_time ON event_blocks (kind, step, last_at)`,
	`CREATE INDEX IF NOT EXISTS event_blocks_by_level ON event_blocks (step, level)`,
	`CREATE TABLE IF NOT EXISTS event_drops (
		node TEXT NOT NULL, sequence BIGINT NOT NULL, kind BIGINT NOT NULL,
		first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, dropped BIGINT NOT NULL,
		PRIMARY KEY (node, sequence, kind))`,
}

// timeout bounds one transaction of the log.
const timeout = 10 * time.Second

// open returns the database with the tables.
func (t *table) open(ctx context.Context) (*sql.DB, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened != nil && !t.gone() {
		return t.opened, nil
	}
	if t.opened != nil {
		t.log.Error("the file of events has gone; a new one is created", "file", t.file)
		_ = t.opened.Close()
		t.opened = nil
	}
	db, err := t.create(ctx)
	if err == nil {
		t.opened = db
	}
	return db, err
}

// gone reports whether the file isn't the one that was opened.
func (t *table) gone() bool {
	if t.file == "" {
		return false
	}
	is, err := os.Stat(t.file)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(is, t.was)
}

func (t *table) create(ctx context.Context) (*sql.DB, error) {
	if t.pool != nil {
		return t.pool, createTables(ctx, t.pool)
	}
	db, err := openFile(ctx, t.file)
	if err != nil && ctx.Err() == nil && t.damaged() {
		t.log.Error("the file of events is damaged; it is moved aside and a new one is created",
			"file", t.file, "error", err)
		err = t.moveAside()
		if err == nil {
			db, err = openFile(ctx, t.file)
		}
	}
	if err != nil {
		return nil, err
	}
	if t.was, err = os.Stat(t.file); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openFile opens the SQLite file and creates what is missing.
func openFile(ctx context.Context, file string) (*sql.DB, error) {
	if err := touch(file); err != nil {
		return nil, err
	}
	where := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}
	where.RawQuery = url.Values{
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-4000)",
			"journal_size_limit(67108864)",
		},
	}.Encode()
	db, err := sql.Open("sqlite", where.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(6)
	if err := createTables(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// touch creates the file so that only its owner can read it.
func touch(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func createTables(ctx context.Context, db *sql.DB) error {
	for _, statement := range schema {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("tables of events: %w", err)
		}
	}
	return nil
}

// damaged reports whether the file can't be a database.
func (t *table) damaged() bool {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(t.file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, len(magic))
	n, _ := f.Read(head)
	return n > 0 && string(head[:n]) != magic
}

func (t *table) moveAside() error {
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(t.file + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(t.file, t.file+".damaged")
}

func (t *table) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil || t.pool != nil {
		return nil
	}
	return t.opened.Close()
}

// update runs f in a transaction.
func (t *table) update(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	db, err := t.open(ctx)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// stored is a block with what its row says about it.
type stored struct {
	node        string
	sequence    int64
	kind        Kind
	step        Step
	level       int
	rows        int
	first, last int64
	data        []byte
}

// insert writes a block. One that is there already, because the outcome of its commit was
// unknown, stays.
func insert(ctx context.Context, tx *sql.Tx, b *stored, at int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO event_blocks (node, sequence, kind, step, level,
		row_count, bytes, first_at, last_at, stored_at, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		b.node, b.sequence, int64(b.kind), int64(b.step), b.level, b.rows, len(b.data),
		b.first, b.last, at, b.data)
	return err
}
