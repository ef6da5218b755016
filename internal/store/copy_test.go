package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"pgregory.net/rapid"
)

// text draws what both engines can keep: UTF-8 without U+0000, which PostgreSQL refuses.
var text = rapid.StringN(0, 20, -1).Filter(func(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
})

// fillAtRandom puts some rows into each table, with every kind of value, and
// returns how many.
func fillAtRandom(rt *rapid.T, db *DB, all []table) (rows int64) {
	for _, table := range all {
		n := rapid.IntRange(1, 5).Draw(rt, table.name)
		rows += int64(n)
		for i := range n {
			var args []any
			for _, c := range table.columns {
				args = append(args, valueAtRandom(rt, c, i))
			}
			if _, err := db.pool.ExecContext(
				context.Background(), table.insert(1), args...,
			); err != nil {
				rt.Fatal(table.name, err)
			}
		}
	}
	return rows
}

// valueAtRandom draws the value of a column; what may have to be unique gets a number.
func valueAtRandom(rt *rapid.T, c field, i int) any {
	nullable := c.name == "expires" || c.name == "requests_per_minute"
	switch {
	case nullable && rapid.Bool().Draw(rt, "null"):
		return nil
	case c.kind == "TEXT":
		return fmt.Sprintf("%s%d", text.Draw(rt, c.name), i)
	case c.name == "seq":
		return i
	case c.kind == "BIGINT":
		return rapid.Int64().Draw(rt, c.name)
	case c.kind == "BOOLEAN":
		return rapid.Bool().Draw(rt, c.name)
	default:
		return append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(rt, c.name)...)
	}
}

// The lists are literals, so a table that is added, or no longer copied, must be named
// here. Tables that belong to one installation are not copied.
func TestEveryTableIsCopiedOrNamed(t *testing.T) {
	copied := []string{
		"adoptions", "answers", "apis", "audit_blocks", "audit_heads", "audit_logs", "balances",
		"browser_sessions", "budget_attachments", "budget_crossings", "budget_entries",
		"budgets", "cell_blocks",
		"cells", "counts", "data_keys", "identities", "key_migrations", "key_permissions",
		"key_roles", "keys", "limits",
		"namespaces", "overrides", "permissions", "portal_sessions", "portals",
		"reservation_parts", "reservations", "role_permissions", "roles", "root_keys",
		"sealed_keys", "settings", "webhook_deliveries", "webhook_marks", "webhooks", "workspaces",
	}
	left := []string{"changes", "heads", "nodes", "schema_migrations"}
	all, err := tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range all {
		got = append(got, table.name)
	}
	if diff := cmp.Diff(copied, got); diff != "" {
		t.Errorf("copied tables (-want +got):\n%s", diff)
	}
	there := tableNames(t, open(t, "sqlite://"+t.TempDir()))
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(copied, left...))), there); diff != "" {
		t.Errorf("tables of the schema (-want +got):\n%s", diff)
	}
}

// tableNames returns what tables a database of SQLite has.
func tableNames(t *testing.T, db *DB) (names []string) {
	t.Helper()
	rows, err := db.pool.QueryContext(t.Context(),
		"SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// With random rows in every table.
func TestACopyRoundTrips(t *testing.T) {
	t.Parallel()
	all, err := tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = testenv.Postgres(t) // skips here, and not in the middle of a property
	rows := int64(0)
	for seed := range 2 {
		first, there, back := "sqlite://"+t.TempDir(), testenv.Postgres(t), "sqlite://"+t.TempDir()
		db := open(t, first)
		rows += rapid.Custom(func(rt *rapid.T) int64 {
			return fillAtRandom(rt, db, all)
		}).Example(seed)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		one := copied(t, first, there)
		if diff := cmp.Diff(one, copied(t, there, back)); diff != "" {
			t.Error(diff)
		}
		for _, table := range one {
			rows -= table.Rows
		}
	}
	if rows != 0 {
		t.Errorf("%d rows more were filled in than copied", rows)
	}
}

func copied(t *testing.T, from, to string) []CopiedTable {
	t.Helper()
	all, err := Copy(t.Context(), from, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each part is reported.
func TestALargeTableIsCopiedInParts(t *testing.T) {
	from, to := "sqlite://"+t.TempDir(), testenv.Postgres(t)
	db := open(t, from)
	const rows = 2*copyRows + 17
	err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		for i := range rows {
			if err := logged(tx, ctx, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	var told []int64
	_, err = Copy(t.Context(), from, to, func(table string, done, total int64) {
		if table == "audit_logs" && total == rows {
			told = append(told, done)
		}
	})
	if diff := cmp.Diff([]int64{0, copyRows, 2 * copyRows, rows}, told); diff != "" || err != nil {
		t.Error(diff, err)
	}
	next := open(t, to)
	err = next.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return logged(tx, ctx, "next")
	})
	if seqs, ids := places(t, next); err != nil || ids[rows] != "next" ||
		seqs[rows] != seqs[rows-1]+1 {
		t.Errorf("the log goes on with %q (%v)", ids[len(ids)-1], err)
	}
}

func TestAnInterruptedCopyLeavesNothing(t *testing.T) {
	from := "sqlite://" + t.TempDir()
	db := open(t, from)
	fill(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, to string) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Copy(ctx, from, to, func(table string, done, total int64) {
			if table == "keys" {
				cancel()
			}
		})
		if err == nil {
			t.Fatal("it was not interrupted")
		}
		if one := copied(t, from, to); len(one) < 15 || one[0].Rows != 1 || len(one[0].Hash) != 64 {
			t.Errorf("copied %+v", one)
		}
	})
}

// A copy into existing data, from a folder in use, or without a source. None of them
// leaves a lock or creates a source.
func TestUnsafeCopiesAreRejected(t *testing.T) {
	from := "sqlite://" + t.TempDir()
	db := open(t, from)
	if _, err := Copy(t.Context(), from, "sqlite://"+t.TempDir(), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("from a folder in use: %v", err)
	}
	fill(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, to string) {
		if _, err := Copy(t.Context(), to, from, nil); err == nil ||
			!strings.Contains(err.Error(), "no data") {
			t.Errorf("from nothing: %v", err)
		}
		copied(t, from, to)
		if _, err := Copy(t.Context(), from, to, nil); err == nil ||
			!strings.Contains(err.Error(), "isn't empty") {
			t.Errorf("into data: %v", err)
		}
		open(t, to)
	})
}

// The copy first applies the missing migrations.
func TestDataOfAnOlderReleaseIsCopied(t *testing.T) {
	dir := t.TempDir()
	from := "sqlite://" + dir
	firstSchema(t, dir)
	copied(t, from, "sqlite://"+t.TempDir())
}

func TestACopyNamesTheTableThatPostgreSQLRejects(t *testing.T) {
	from, to := "sqlite://"+t.TempDir(), testenv.Postgres(t)
	db := open(t, from)
	err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return logged(tx, ctx, "a\x00b")
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), from, to, nil); err == nil ||
		!strings.Contains(err.Error(), "audit_logs") {
		t.Errorf("error %v", err)
	}
}
