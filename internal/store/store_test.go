package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/testenv"
	"go.uber.org/goleak"
	sqlite3 "modernc.org/sqlite/lib"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a test over every engine that the machine has. Where is an empty
// database.
func each(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite://"+t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { test(t, testenv.Postgres(t)) })
}

func open(t testing.TB, where string) *DB {
	t.Helper()
	db, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// put stores a setting; the settings table is as good as any for these tests.
func put(name, value string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		return tx.InsertDataKey(ctx, name, []byte(value), "")
	}
}

func has(t *testing.T, db *DB, name string) bool {
	t.Helper()
	_, err := db.DataKey(t.Context(), name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestCommittedChangesSurviveReopening(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		if err := db.Update(t.Context(), put("a", "1")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if db = open(t, where); !has(t, db, "a") {
			t.Error("the row is gone")
		}
	})
}

// Changes that share a commit are independent. A duplicate, another error and a panic
// each undo only their own change.
func TestAFailedChangeIsUndoneAlone(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		if err := db.Update(t.Context(), put("taken", "1")); err != nil {
			t.Fatal(err)
		}
		const n = 200
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				name := fmt.Sprintf("row %d", i)
				err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
					if err := put(name, "1")(ctx, tx); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return errors.New("no")
					case 2:
						return put("taken", "2")(ctx, tx)
					case 3:
						panic("oh")
					}
					return nil
				})
				switch {
				case i%4 == 0 && err != nil,
					i%4 == 1 && (err == nil || err.Error() != "no"),
					i%4 == 2 && !isDuplicate(err),
					i%4 == 3 && (err == nil || !strings.Contains(err.Error(), "panic")):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		for i := range n {
			if name := fmt.Sprintf("row %d", i); has(t, db, name) != (i%4 == 0) {
				t.Errorf("%s: there is %v", name, has(t, db, name))
			}
		}
	})
}

func TestAChangeSeesWhatItWrote(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			if err := put("a", "1")(ctx, tx); err != nil {
				return err
			}
			if has(t, db, "a") {
				t.Error("others see it before the commit")
			}
			value, err := tx.DataKey(ctx, "a")
			if string(value) != "1" {
				t.Errorf("read %q", value)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAChangeOfACanceledCallerIsNotStarted(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Update(ctx, put("a", "1")); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if has(t, db, "a") {
			t.Error("it was made all the same")
		}
	})
}

// Its next statement fails, and nothing of it is kept. A change in the same group that
// wrote before it succeeds, because no statement is interrupted: SQLite would undo the
// whole transaction.
func TestAChangeStopsWhenItsCallerLeaves(t *testing.T) {
	statements := map[string]func(context.Context, *Tx) error{
		"write": put("after", "1"),
		"read": func(ctx context.Context, tx *Tx) error {
			_, err := tx.DataKey(ctx, "before")
			return err
		},
		"list": func(ctx context.Context, tx *Tx) error {
			_, err := tx.DataKeys(ctx)
			return err
		},
	}
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		for name, statement := range statements {
			t.Run(name, func(t *testing.T) {
				other := put("other of "+name, "1")
				errs := together(t, db, other, func(ctx context.Context, tx *Tx) error {
					if err := put("before", "1")(ctx, tx); err != nil {
						return err
					}
					caller, leave := context.WithCancel(t.Context())
					leave()
					tx.caller = caller
					return statement(ctx, tx)
				})
				if errs[0] != nil || !errors.Is(errs[1], context.Canceled) {
					t.Errorf("errors %v", errs)
				}
				if has(t, db, "before") || has(t, db, "after") || !has(t, db, "other of "+name) {
					t.Error("not the other change alone is there")
				}
			})
		}
		ctx, leave := context.WithCancel(t.Context())
		err := db.Update(ctx, func(ctx context.Context, tx *Tx) error {
			leave()
			return put("after", "1")(ctx, tx)
		})
		if !errors.Is(err, context.Canceled) || has(t, db, "after") {
			t.Errorf("error %v, there is %v", err, has(t, db, "after"))
		}
	})
}

func TestAClosedDatabaseRejectsChanges(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := db.Update(context.Background(), put(fmt.Sprint(i), "1")); err != nil &&
					!errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := db.Update(context.Background(), put("late", "1")); !errors.Is(err, ErrClosed) {
			t.Errorf("error %v, want %v", err, ErrClosed)
		}
	})
}

// BenchmarkUpdate shows what sharing a commit is worth: one writer waits for
// the disk each time, 64 wait together.
func BenchmarkUpdate(b *testing.B) {
	for name, where := range onDisk {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) {
				db := open(b, where(b))
				if err := db.Update(b.Context(), put("a", "1")); err != nil {
					b.Fatal(err)
				}
				work := func(ctx context.Context, tx *Tx) error {
					tx.Touch("a")
					return tx.UpdateDataKey(ctx, []byte("2"), "a")
				}
				atOnce(b, writers, func() error { return db.Update(b.Context(), work) })
			})
		}
	}
}

// onDisk are databases whose commits are on disk.
var onDisk = map[string]func(*testing.B) string{
	"sqlite":   func(b *testing.B) string { return "sqlite://" + b.TempDir() },
	"postgres": func(b *testing.B) string { return testenv.StartPostgres(b).URL },
}

// atOnce shares the iterations of a benchmark out among callers.
func atOnce(b *testing.B, callers int, call func() error) {
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range b.N / callers {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// isDuplicate reports whether a write was refused because a unique value is taken.
func isDuplicate(err error) bool {
	if code := sqliteCode(err); code != 0 {
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE ||
			code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return sqlState(err) == "23505"
}
