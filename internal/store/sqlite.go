package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
)

// readers is how many connections read side by side. SQLite readers don't
// block one another; more than a few only cost memory.
const readers = 4

// openSQLite opens the database in the folder dir.
func openSQLite(ctx context.Context, dir string) (*DB, error) {
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	db, err := openFile(ctx, databaseFile(dir))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %s: %w", dir, err), unlock())
	}
	end := db.end
	db.end = func() error { return errors.Join(end(), unlock()) }
	return db, nil
}

// lock makes this process the owner of a folder.
func lock(dir string) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(dir, "latchkey.lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("store: lock: %w", err)
	} else if !ok {
		return nil, fmt.Errorf("store: %s: %w", dir, ErrLocked)
	}
	return lock.Unlock, nil
}

func openFile(ctx context.Context, file string) (*DB, error) {
	if err := create(file); err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", dsn(file))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(readers + 2) // one writes, one makes checkpoints
	pool.SetMaxIdleConns(readers + 2)
	if err := migrate(ctx, pool, embedded); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	writerConn, err := newSQLiteWriter(ctx, pool, file)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	prepared := prepare(pool)
	end := func() error { return errors.Join(prepared.close(), pool.Close()) }
	return assemble(pool, prepared, writerConn, end), nil
}

// create creates a missing file, readable by its owner only; SQLite gives its other
// files the same mode.
func create(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// dsn names the file and the settings of each connection. A commit waits for the
// disk (synchronous=FULL) while readers continue (WAL). No commit makes a checkpoint:
// see [checkpointer].
func dsn(file string) string {
	q := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)",
		fmt.Sprintf("journal_size_limit(%d)", maxLog*pageSize),
		"busy_timeout(10000)", "cache_size(-16000)", "temp_store(MEMORY)",
	}}
	return uri(file, q)
}

// sqliteWriter is the writerConn of a process that has the database to itself. Its
// one connection lasts as long as the process, and so does what it knows of the
// heads.
type sqliteWriter struct {
	conn     *sql.Conn
	prepared *statements
	tx       *Tx
	log      *checkpointer
	at       head // as committed
	undone   bool // there was a rollback since the transaction began
}

func newSQLiteWriter(
	ctx context.Context, pool *sql.DB, file string,
) (*sqliteWriter, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	prepared := prepare(conn)
	tx := newTx(prepared, pool)
	at, err := tx.Head(ctx)
	if err != nil {
		return nil, errors.Join(err, prepared.close(), conn.Close())
	}
	s := &sqliteWriter{conn: conn, prepared: prepared, tx: tx, at: head{at.Changes, at.Audit}}
	if err := s.onRollback(func() { s.undone = true }); err != nil {
		return nil, errors.Join(err, prepared.close(), conn.Close())
	}
	if s.log, err = startCheckpointer(ctx, pool, file+"-wal"); err != nil {
		return nil, errors.Join(err, s.onRollback(nil), prepared.close(), conn.Close())
	}
	return s, nil
}

// onRollback sets the function that SQLite calls, during the statement, when it
// rolls a transaction back for any reason. Nil removes it.
func (s *sqliteWriter) onRollback(hook func()) error {
	return s.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterRollbackHook(hook)
		return nil
	})
}

func (s *sqliteWriter) limits() limits {
	return limits{group: 256, ahead: 1, groupTime: 20 * time.Millisecond, waitFor: 10 * time.Second}
}

func (s *sqliteWriter) begin(ctx context.Context) (*Tx, error) {
	s.log.finish(ctx, s.conn)
	s.tx.start(s.at)
	s.undone = false
	if err := s.tx.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	return s.tx, nil
}

// prefetch does nothing: a read is a function call here.
func (s *sqliteWriter) prefetch(*Tx, []*job, time.Duration) error { return nil }

// broken is true after SQLite rolled the transaction back because of an error; a
// later statement would commit by itself.
func (s *sqliteWriter) broken() bool { return s.undone }

// commit writes no row of the change log, because no other node would read it.
func (s *sqliteWriter) commit(ctx context.Context, begun head) error {
	if s.tx.head != begun {
		if err := s.tx.SetHeads(ctx, s.tx.head.changes, s.tx.head.audit); err != nil {
			return err
		}
	}
	if err := s.tx.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	s.at = s.tx.head
	s.log.grew()
	return nil
}

// abandon rolls back what SQLite may have kept open, for example on a full disk.
func (s *sqliteWriter) abandon() { _ = s.tx.exec(context.Background(), "ROLLBACK") }

func (s *sqliteWriter) close() error {
	stopped := s.log.stop()
	err := s.tx.exec(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(stopped, err, s.onRollback(nil), s.prepared.close(), s.conn.Close())
}
