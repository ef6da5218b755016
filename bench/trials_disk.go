package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
)

// disk measures what the store stands on.
func disk() trial {
	return trial{
		id: "disk", title: "What the store stands on",
		about: "A row of SQLite read by its primary key in this process, of 100,000; and 4 KB written to a file and on disk (fsync), in the folder where the data is.",
		sides: []side{inProcess("SQLite point read", 1, pointRead), inProcess("write and fsync", 1, fsync)},
	}
}

// pointRead reads a row by its key.
func pointRead(e *env) (call, error) {
	dir, err := e.folder("sqlite")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "rows.db")+"?_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	e.defers(db.Close)
	const table = `CREATE TABLE rows (id TEXT PRIMARY KEY, text TEXT NOT NULL);
		INSERT INTO rows WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) SELECT printf('user_%08d', i), 'some text' FROM n`
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

// fsync writes a page and waits for the disk.
func fsync(e *env) (call, error) {
	dir, err := e.folder("fsync")
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "pages"))
	if err != nil {
		return nil, err
	}
	e.defers(file.Close)
	page := make([]byte, 4096)
	return func(context.Context) error {
		_, err := file.Write(page)
		return errors.Join(err, file.Sync())
	}, nil
}
