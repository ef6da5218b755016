package store

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// execute runs a statement of the test's own.
func execute(t *testing.T, db *DB, text string) {
	t.Helper()
	if _, err := db.pool.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// Old and new nodes can run side by side only if the new schema allows it.
func TestANewerSchemaIsRejectedUnlessCompatible(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		all, err := known()
		if err != nil {
			t.Fatal(err)
		}
		db := open(t, where)
		execute(t, db, fmt.Sprintf("INSERT INTO schema_migrations (version, name, oldest) "+
			"VALUES (998, 'wider', %d)", len(all)))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, where)
		status, err := MigrationStatus(t.Context(), where)
		if err != nil || len(status) != len(all)+1 ||
			status[len(all)] != (Migration{
				Number: 998, Name: "wider", Oldest: len(all), Applied: true,
			}) {
			t.Errorf("status %+v (%v)", status, err)
		}
		execute(t, db, "INSERT INTO schema_migrations (version) VALUES (999)")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), where); err == nil ||
			!strings.Contains(err.Error(), "newer version") {
			t.Errorf("error %v", err)
		}
	})
}

// It works without data, and while a service is running.
func TestStatusChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		for _, applied := range []bool{false, true} {
			for range 2 {
				status, err := MigrationStatus(t.Context(), where)
				if err != nil || len(status) < 2 {
					t.Fatalf("status %+v (%v)", status, err)
				}
				for i, m := range status {
					if m.Number != i+1 || m.Name == "" || m.Oldest < 1 || m.Oldest > m.Number ||
						m.Applied != applied {
						t.Errorf("migration %+v, want applied: %v", m, applied)
					}
				}
			}
			if !applied {
				open(t, where)
			}
		}
	})
}

// firstSchema makes data as the first release left it, in a folder: its table of
// migrations had numbers only. More statements come after it.
func firstSchema(t *testing.T, dir string, more ...string) {
	t.Helper()
	first, err := migrations.ReadFile("migrations/0001_begin.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, err := sql.Open("sqlite", dsn(filepath.Join(dir, "latchkey.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, text := range append([]string{
		"CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY)", string(first),
		"INSERT INTO schema_migrations VALUES (1)",
	}, more...) {
		if _, err := old.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}

// Its audit log continues where it ended.
func TestDataOfTheFirstSchemaOpens(t *testing.T) {
	dir := t.TempDir()
	where := "sqlite://" + dir
	firstSchema(t, dir,
		"INSERT INTO audit_logs VALUES (1234, '', '', 0, '', '', '', '', '', '', '', '', '')")
	status, err := MigrationStatus(t.Context(), where)
	if err != nil || !status[0].Applied || status[1].Applied {
		t.Errorf("status %+v (%v)", status, err)
	}
	db := open(t, where)
	err = db.Update(t.Context(), func(_ context.Context, tx *Tx) error {
		if place := tx.NextAudit(1); place != 1235 {
			t.Errorf("the next place is %d", place)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if status, err = MigrationStatus(t.Context(), where); err != nil || !status[1].Applied {
		t.Errorf("status %+v (%v)", status, err)
	}
}

// On an empty database one of them creates the schema.
func TestNodesCanStartConcurrently(t *testing.T) {
	where := testenv.Postgres(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			db, err := Open(t.Context(), where)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Update(t.Context(), put(fmt.Sprint(i), "1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// On PostgreSQL, with any default collation of the database.
func TestTextIsComparedByBytes(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	rows, err := db.pool.QueryContext(t.Context(),
		`SELECT table_name, column_name, COALESCE(collation_name, '') FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'text'
			AND table_name <> 'schema_migrations'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var table, column, collation string
		if err := rows.Scan(&table, &column, &collation); err != nil {
			t.Fatal(err)
		}
		if n++; collation != "C" {
			t.Errorf("%s.%s has collation %q", table, column, collation)
		}
	}
	if n < 50 {
		t.Errorf("only %d columns", n)
	}
}

// Keys from before, when a hash was unique in the whole installation, stay as they are.
func TestHashesBecomeUniqueInAWorkspace(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		all, err := known()
		if err != nil {
			t.Fatal(err)
		}
		before := schemaOf(t, where, all[:9])
		const insert = `INSERT INTO keys (id, workspace_id, api_id, identity_id, hash, migration_id,
			start, name, meta, enabled, expires, remaining, refill_interval, refill_amount,
			refill_day, refill_at, created_at, updated_at, last_used_at, deleted_at, family)
			VALUES ('%s', '%s', 'a', 'i', 'h', 'm', 's', 'n', '{}', TRUE, 1, 2, 'daily', 3, 4, 5, 6,
			7, 8, 9, 'f')`
		if _, err := before.ExecContext(t.Context(), fmt.Sprintf(insert, "k1", "w1")); err != nil {
			t.Fatal(err)
		}
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		db := open(t, where)
		const now = `INSERT INTO keys (id, workspace_id, api_id, identity_id, hash, migration_id,
			start, name, meta, enabled, expires, created_at, updated_at, last_used_at, deleted_at,
			family)
			VALUES ('%s', '%s', 'a', 'i', 'h', 'm', 's', 'n', '{}', TRUE, 1, 6, 7, 8, 9, 'f')`
		execute(t, db, fmt.Sprintf(now, "k2", "w2"))
		if _, err := db.pool.ExecContext(t.Context(), fmt.Sprintf(now, "k3", "w2")); err == nil {
			t.Error("a workspace has two keys of one hash")
		}
		rows, err := db.pool.QueryContext(t.Context(), "SELECT * FROM keys ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			row := make([]any, 16)
			for i := range row {
				row[i] = new(sql.NullString)
			}
			if err := rows.Scan(row...); err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, c := range row {
				texts = append(texts, c.(*sql.NullString).String)
			}
			got = append(got, strings.Join(texts, " "))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rest := " a i h m s n {} true 1 6 7 8 9 f"
		if !IsPostgres(where) {
			rest = strings.Replace(rest, "true", "1", 1)
		}
		if want := []string{"k1 w1" + rest, "k2 w2" + rest}; !slices.Equal(got, want) {
			t.Errorf("keys %q, want %q", got, want)
		}
	})
}

// Credits leave the table of keys with their schedules: those of a family from the row of its
// first key, even if nothing else is left of this key.
func TestCreditsMoveToTheirOwnTable(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		all, err := known()
		if err != nil {
			t.Fatal(err)
		}
		before := schemaOf(t, where, all[:16])
		for _, key := range []struct{ id, hash, remaining, refill, family string }{
			{"plain", "h1", "7", "daily", ""},
			{"unlimited", "h2", "NULL", "", ""},
			{"first", "h3", "5", "monthly", "first"},
			{"second", "h4", "0", "", "first"},
			{"erased", "erased", "3", "", "erased"},
			{"heir", "h5", "0", "", "erased"},
		} {
			if _, err := before.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO keys
				(id, workspace_id, api_id, identity_id, hash, migration_id, start, name, meta,
				enabled, remaining, refill_interval, refill_amount, refill_day, refill_at,
				created_at, family)
				VALUES ('%s', 'w', 'a', '', '%s', '', 's', 'n', '', TRUE, %s, '%s', 10, 3, 99, 1,
				'%s')`, key.id, key.hash, key.remaining, key.refill, key.family)); err != nil {
				t.Fatal(err)
			}
		}
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		db := open(t, where)
		list := func(text string) (got []string) {
			rows, err := db.pool.QueryContext(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var row string
				if err := rows.Scan(&row); err != nil {
					t.Fatal(err)
				}
				got = append(got, row)
			}
			return got
		}
		balances := list(`SELECT id || ' ' || workspace_id || ' ' || remaining || ' ' ||
			refill_interval || ' ' || refill_amount || ' ' || refill_day || ' ' || refill_at
			FROM balances ORDER BY id`)
		if want := []string{
			"erased w 3  10 3 99", "first w 5 monthly 10 3 99", "plain w 7 daily 10 3 99",
		}; !slices.Equal(balances, want) {
			t.Errorf("balances %q, want %q", balances, want)
		}
		keys := list("SELECT id FROM keys ORDER BY id")
		if want := []string{"first", "heir", "plain", "second", "unlimited"}; !slices.Equal(keys, want) {
			t.Errorf("keys %q, want %q", keys, want)
		}
	})
}

// schemaOf makes a database with these migrations and returns a connection to it.
func schemaOf(t *testing.T, where string, these []Migration) *sql.DB {
	t.Helper()
	driver, name, d := "pgx", where, bytewise
	if dir, err := Folder(where); err == nil {
		driver, name, d = "sqlite", dsn(filepath.Join(dir, "latchkey.db")), embedded
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := register(t.Context(), db, d); err != nil {
		t.Fatal(err)
	}
	for _, m := range these {
		if err := step(t.Context(), db, d, m); err != nil {
			t.Fatal(err)
		}
	}
	return db
}
