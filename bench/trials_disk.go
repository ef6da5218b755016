package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
)

// diskTrial measures the lower bounds of the store.
func diskTrial() trial {
	return trial{
		id: "disk", title: "Lower bounds of the store",
		about: "A read of one of 100,000 SQLite rows by its primary key, in this process; and 4 " +
			"KB written to a file and synced to disk (fsync), in the data folder.",
		sides: []side{inProcess("SQLite point read", 1, pointRead),
			inProcess("write and fsync", 1, fsync)},
	}
}

// pointRead reads a row by its key.
func pointRead(e *env) (call, error) {
	dir, err := e.folder("sqlite")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir,
		"rows.db")+"?_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	e.onClose(db.Close)
	const table = `CREATE TABLE rows (id TEXT PRIMARY KEY, text TEXT NOT NULL);
		INSERT INTO rows
			WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
			SELECT printf('user_%08d', i), 'some text' FROM n`
	if _, err := db.Exec(table); err != nil {
		return nil, err
	}
	read, err := db.Prepare(`SELECT text FROM rows WHERE id = $1`)
	name := names(identifiers)
	return func(ctx context.Context) error {
		var text string
		return read.QueryRowContext(ctx, name()).Scan(&text)
	}, err
}

// fsync writes a page and syncs it to disk.
func fsync(e *env) (call, error) {
	dir, err := e.folder("fsync")
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "pages"))
	if err != nil {
		return nil, err
	}
	e.onClose(file.Close)
	page := make([]byte, 4096)
	return func(context.Context) error {
		_, err := file.Write(page)
		return errors.Join(err, file.Sync())
	}, nil
}
