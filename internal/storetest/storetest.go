// Package storetest gives tests of packages above the store a database of their own.
package storetest

import (
	"context"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// Database is [testenv.Database] with the tables of this program.
func Database(t testing.TB) string {
	t.Helper()
	return testenv.Database(t, migrate)
}

func migrate(where string) error {
	db, err := store.Open(context.Background(), where)
	if err != nil {
		return err
	}
	return db.Close()
}
