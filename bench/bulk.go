package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/bench/load"
	_ "modernc.org/sqlite" // the driver
)

// bulkKey returns the text of the n-th copied key, and bulkID the n-th id. They can belong to
// different
// rows.
func bulkKey(n string) string { return "bulk_" + n }
func bulkID(n string) string  { return "key_bulk" + n }

// copyKeys adds n copies of an API's key to the database of a stopped Latchkey. The copies differ
// only
// in id and secret. It copies all columns, so of the schema it knows only the names of those two.
func copyKeys(ctx context.Context, data, api string, n int) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data,
		"latchkey.db")+"?_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	insert, err := copyStatement(ctx, db)
	if err != nil {
		return err
	}
	return insertCopies(ctx, db, insert, api, bulkHashes(n))
}

// bulkHashes returns the hashes of n keys in order, because inserting rows in index order is
// several
// times faster.
func bulkHashes(n int) []string {
	hashes := make([]string, n)
	for i := range hashes {
		hash := sha256.Sum256([]byte(bulkKey(load.Number(i))))
		hashes[i] = base64.StdEncoding.EncodeToString(hash[:])
	}
	slices.Sort(hashes)
	return hashes
}

// copyStatement returns the statement that copies a key of an API (the third argument) with another
// id
// (the first) and hash (the second).
func copyStatement(ctx context.Context, db *sql.DB) (string, error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM pragma_table_info('keys')`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var into, from []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		into = append(into, name)
		switch name {
		case "id":
			name = "$1"
		case "hash":
			name = "$2"
		}
		from = append(from, name)
	}
	if !slices.Contains(from, "$1") || !slices.Contains(from, "$2") {
		return "", errors.New("the table keys has no columns id and hash")
	}
	return fmt.Sprintf("INSERT INTO keys (%s) SELECT %s FROM keys WHERE api_id = $3 ORDER BY id "+
		"DESC LIMIT 1",
		strings.Join(into, ", "), strings.Join(from, ", ")), rows.Err()
}

// insertCopies inserts a copy for each hash, in one transaction.
func insertCopies(ctx context.Context, db *sql.DB, insert, api string, hashes []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after the commit
	copies, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		return err
	}
	for i, hash := range hashes {
		if _, err := copies.ExecContext(ctx, bulkID(load.Number(i)), hash, api); err != nil {
			return err
		}
	}
	return tx.Commit()
}
