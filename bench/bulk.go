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

// bulkKey is the text of the n-th key made in bulk, and bulkID the n-th id; the
// two need not belong together.
func bulkKey(n string) string { return "bulk_" + n }
func bulkID(n string) string  { return "key_bulk" + n }

// multiply fills the database of a stopped Latchkey with n copies of an API's key,
// differing in id and secret alone. What it
// copies is whatever columns there are, so it knows nothing of the schema but the
// names of those two.
func multiply(ctx context.Context, data, api string, n int) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "latchkey.db")+"?_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	insert, err := copying(ctx, db)
	if err != nil {
		return err
	}
	return insertCopies(ctx, db, insert, api, bulkHashes(n))
}

// bulkHashes returns the hashes of n keys in order: rows that come in the order of
// every index are made several times faster.
func bulkHashes(n int) []string {
	hashes := make([]string, n)
	for i := range hashes {
		hash := sha256.Sum256([]byte(bulkKey(load.Number(i))))
		hashes[i] = base64.StdEncoding.EncodeToString(hash[:])
	}
	slices.Sort(hashes)
	return hashes
}

// copying returns the statement that copies a key of an API (the third argument)
// under another id (the first) and hash (the second).
func copying(ctx context.Context, db *sql.DB) (string, error) {
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
	return fmt.Sprintf("INSERT INTO keys (%s) SELECT %s FROM keys WHERE api_id = $3 ORDER BY id DESC LIMIT 1",
		strings.Join(into, ", "), strings.Join(from, ", ")), rows.Err()
}

// insertCopies makes a copy for each hash, all in one transaction.
func insertCopies(ctx context.Context, db *sql.DB, insert, api string, hashes []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // of no effect after the commit
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
