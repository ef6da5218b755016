package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkeyhq/latchkey/internal/durable"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"modernc.org/sqlite"
)

// Backup says what is in a backup.
type Backup struct {
	// At is its instant: every change that was acknowledged before is in the backup, and
	// none that began after [BackUp] returned.
	At     time.Time
	Schema int   // the number of its last migration
	Size   int64 // of the database, in bytes
	SHA256 string
	// DataKeys are its data keys, wrapped by a master key.
	DataKeys [][]byte
}

// backupPages is how many pages are copied between two reports of progress.
const backupPages = 256

// BackUp copies the SQLite database in a folder into a new file, which only its owner can
// read. A service can run meanwhile: its changes go on. The copy is of one instant, and is
// checked before the file gets its name. Progress, if not nil, gets the number of bytes
// that were copied, and of all.
func BackUp(
	ctx context.Context, dir, file string, progress func(done, total int64),
) (b Backup, err error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	source := databaseFile(dir)
	if _, err := os.Stat(source); err != nil {
		return Backup{}, fmt.Errorf("store: no service has run in this data folder: %w", err)
	}
	if err := mustNotExist(file); err != nil {
		return Backup{}, fmt.Errorf("store: backup: %w", err)
	}
	err = durable.Build(file, func(next string) error {
		at := time.Now().UTC().Truncate(time.Millisecond)
		if err := copyPages(ctx, source, next, progress); err != nil {
			return err
		}
		if b, err = inspect(ctx, next); err != nil {
			return err
		}
		b.At = at
		return b.seal(next)
	})
	if err != nil {
		return Backup{}, fmt.Errorf("store: backup: %w", err)
	}
	return b, nil
}

// VerifyBackup reads a backup and returns what is in it, or an error if it was damaged, or
// if its schema is newer than this program.
func VerifyBackup(ctx context.Context, file string) (Backup, error) {
	b, err := unseal(ctx, file, "")
	if err != nil {
		return Backup{}, fmt.Errorf("store: %s: %w", file, err)
	}
	return b, nil
}

// Restore puts the database of a backup into a folder that has none, after the checks of
// [VerifyBackup]. Accept can refuse what would be restored. The error is [ErrLocked] if a
// service uses the folder.
func Restore(
	ctx context.Context, file, dir string, accept func(Backup) error,
) (b Backup, err error) {
	if _, err := readSeal(file); err != nil {
		return Backup{}, fmt.Errorf("store: %s: %w", file, err)
	}
	if err := durable.MakeFolder(dir); err != nil {
		return Backup{}, fmt.Errorf("store: data folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return Backup{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	target := databaseFile(dir)
	for _, part := range []string{"", "-wal", "-shm", "-journal"} {
		if err := mustNotExist(target + part); err != nil {
			return Backup{}, fmt.Errorf("store: restore: %w", err)
		}
	}
	err = durable.Build(target, func(next string) error {
		if b, err = unseal(ctx, file, next); err != nil {
			return err
		}
		return accept(b)
	})
	if err != nil {
		return Backup{}, fmt.Errorf("store: restore: %w", err)
	}
	return b, nil
}

// databaseFile is the file of the SQLite database in a folder.
func databaseFile(dir string) string { return filepath.Join(dir, "latchkey.db") }

// mustNotExist returns an error that says so if there is a file.
func mustNotExist(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return &fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// copyPages copies a database as it is at one instant. One transaction reads all pages, so
// that changes made meanwhile don't begin the copy anew.
func copyPages(
	ctx context.Context, source, target string, progress func(done, total int64),
) (err error) {
	patient := url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)"}}
	db, err := sql.Open("sqlite", uri(source, patient))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	if _, err := read.New(conn).Head(ctx); err != nil { // from here on it sees this instant
		return err
	}
	return conn.Raw(func(c any) error { return copyFrom(ctx, c, target, progress) })
}

// copyFrom copies the database of a connection into an empty file, which is synced later.
func copyFrom(
	ctx context.Context, c any, target string, progress func(done, total int64),
) error {
	unsynced := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}
	pages, err := c.(interface {
		NewBackup(target string) (*sqlite.Backup, error)
	}).NewBackup(uri(target, unsynced))
	if err != nil {
		return err
	}
	more := true
	for more && err == nil {
		if more, err = pages.Step(backupPages); err == nil {
			total := int64(pages.PageCount()) * pageSize
			progress(total-int64(pages.Remaining())*pageSize, total)
			err = ctx.Err()
		}
	}
	return errors.Join(err, pages.Finish())
}

// uri names a database file and how to open it.
func uri(file string, query url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: query.Encode()}).String()
}

// inspect reads a database file that nobody writes: it must be whole, and of a schema that
// this program knows.
func inspect(ctx context.Context, file string) (b Backup, err error) {
	db, err := sql.Open("sqlite", uri(file, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return Backup{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var fault string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&fault); err != nil {
		return Backup{}, err
	}
	if fault != "ok" {
		return Backup{}, fmt.Errorf("the database is damaged: %s", fault)
	}
	seen, err := applied(ctx, db, embedded)
	if err != nil {
		return Backup{}, err
	}
	if len(seen) == 0 {
		return Backup{}, errors.New("there is no data of Latchkey")
	}
	if _, err := pending(seen); err != nil {
		return Backup{}, err
	}
	keys, err := read.New(db).DataKeys(ctx)
	if err != nil {
		return Backup{}, err
	}
	for _, key := range keys {
		b.DataKeys = append(b.DataKeys, key.Wrapped)
	}
	b.Schema = seen[len(seen)-1].Number
	return b, nil
}
