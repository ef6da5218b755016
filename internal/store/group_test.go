package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// together makes changes in one group: while the first one runs, the others
// arrive. It returns what came of each.
func together(t *testing.T, db *DB, works ...func(context.Context, *Tx) error) []error {
	t.Helper()
	return togetherFor(t, db, func(int) Turn { return Turn{} }, works...)
}

// togetherFor is together for changes of several workspaces.
func togetherFor(
	t *testing.T, db *DB, turn func(i int) Turn, works ...func(context.Context, *Tx) error,
) []error {
	t.Helper()
	errs := make([]error, len(works))
	var wg sync.WaitGroup
	running, arrived := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		var once sync.Once
		_ = db.UpdateFor(t.Context(), Turn{"the first", Urgent}, func(context.Context, *Tx) error {
			once.Do(func() { close(running) })
			<-arrived
			return nil
		})
	})
	<-running
	for i, work := range works {
		wg.Go(func() { errs[i] = db.UpdateFor(t.Context(), turn(i), work) })
		for db.writer.queue.waiting() <= i {
			select {
			case <-t.Context().Done():
				t.Fatal("a change doesn't arrive")
			default:
				runtime.Gosched()
			}
		}
	}
	close(arrived)
	wg.Wait()
	return errs
}

// waiting returns how many changes wait.
func (q *queue) waiting() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = len(q.turns.again)
	for i := range q.turns.lanes {
		for _, own := range q.turns.lanes[i].byWorkspace {
			n += len(own.jobs)
		}
	}
	return n
}

// counted counts how often a change is run, apart from rehearsals.
func counted(
	db *DB, runs *int, work func(context.Context, *Tx) error,
) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		if !rehearsed(db, tx) {
			*runs++
		}
		return work(ctx, tx)
	}
}

// rehearsed reports whether a change runs only to find out what it reads.
func rehearsed(db *DB, tx *Tx) bool { return db.Shared() && tx.pipeline == nil }

// TestAGroupRunsAgainOnlyIfSomethingIsToBeUndone: what fails before it writes
// costs the others nothing; what fails after that, however it does, is undone
// alone, and the others are made once.
func TestAGroupRunsAgainOnlyIfSomethingIsToBeUndone(t *testing.T) {
	no := errors.New("no")
	bad := func(ctx context.Context, tx *Tx) error {
		_, err := tx.on.QueryContext(ctx, "SELECT nothing FROM nowhere")
		return err
	}
	kinds := map[string]struct {
		work           func(context.Context, *Tx) error
		runs, postgres int // of the others
		made           bool
	}{
		"refused": {func(ctx context.Context, tx *Tx) error {
			tx.Touch("refused")
			_ = tx.NextAudit(1 << 40)
			return no
		}, 1, 1, false},
		"refused late": {
			func(ctx context.Context, tx *Tx) error {
				return errors.Join(put("bad", "1")(ctx, tx), no)
			},
			2, 1, false,
		},
		"refused after a read": {
			func(ctx context.Context, tx *Tx) error {
				_, err := tx.CountWorkspaces(ctx)
				return errors.Join(put("bad", "1")(ctx, tx), err, no)
			},
			2, 1, false,
		},
		"refused after it was sent": {
			func(ctx context.Context, tx *Tx) error {
				err := put("bad", "1")(ctx, tx)
				_, err2 := tx.DataKey(ctx, "bad")
				return errors.Join(err, err2, no)
			},
			2, 2, false,
		},
		"panics late": {func(ctx context.Context, tx *Tx) error {
			panic(put("bad", "1")(ctx, tx))
		}, 2, 1, false},
		"writes what is there": {func(ctx context.Context, tx *Tx) error {
			return errors.Join(put("twice", "1")(ctx, tx), put("twice", "2")(ctx, tx))
		}, 2, 2, false},
		"fails": {bad, 1, 1, false},
		"fails and doesn't say so": {
			func(ctx context.Context, tx *Tx) error { _ = bad(ctx, tx); return nil }, 1, 1, true,
		},
	}
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		for name, kind := range kinds {
			t.Run(name, func(t *testing.T) {
				runs := [2]int{}
				before, _ := places(t, db)
				good := func(i int) func(context.Context, *Tx) error {
					return counted(db, &runs[i], func(ctx context.Context, tx *Tx) error {
						return logged(tx, ctx, fmt.Sprint(name, i))
					})
				}
				errs := togetherFor(t, db, func(i int) Turn {
					return Turn{Workspace: fmt.Sprint(name, i)} // each its own
				}, good(0), kind.work, good(1))
				want, made := kind.runs, kind.made
				if db.Shared() {
					want, made = kind.postgres, false
				}
				if errs[0] != nil || errs[2] != nil || (errs[1] == nil) != made {
					t.Errorf("errors %v", errs)
				}
				if runs[0] != want {
					t.Errorf("the change before it ran %d times, want %d", runs[0], want)
				}
				after, ids := places(t, db)
				if !slices.Equal(ids[len(before):], []string{name + "0", name + "1"}) {
					t.Errorf("the log has %q", ids[len(before):])
				}
				if last := after[len(after)-1]; last >= 1<<40 {
					t.Errorf("place %d was not given back", last)
				}
				if has(t, db, "bad") {
					t.Error("what failed is there")
				}
			})
		}
		if db.Shared() {
			gapless(t, db)
		}
	})
}

// TestNothingIsWrittenAfterSQLiteHasUndoneATransaction: an error of which SQLite
// undoes the whole transaction by itself, and which a change does not report,
// must not let the rest of the group be written without one. Each change is
// there if it was reported as made, and only then.
func TestNothingIsWrittenAfterSQLiteHasUndoneATransaction(t *testing.T) {
	db := open(t, "sqlite://"+t.TempDir())
	_, err := db.pool.ExecContext(t.Context(), `
		CREATE TABLE undoing (id TEXT PRIMARY KEY ON CONFLICT ROLLBACK);
		INSERT INTO undoing VALUES ('taken')`)
	if err != nil {
		t.Fatal(err)
	}
	undone := func(ctx context.Context, tx *Tx) error {
		_ = tx.exec(ctx, "INSERT INTO undoing VALUES ('taken')")
		return nil
	}
	errs := together(t, db, put("before", "1"), undone, put("after", "1"))
	for i, name := range map[int]string{0: "before", 2: "after"} {
		if made := errs[i] == nil; has(t, db, name) != made {
			t.Errorf("the change %q is reported with %v and is there: %v", name, errs[i], !made)
		}
	}
	if err := db.Update(t.Context(), put("next", "1")); err != nil || !has(t, db, "next") {
		t.Errorf("the next change: %v", err)
	}
}

// TestAWorkspaceThatFailsLateSlowsOthersOnce: after one of its changes made the group run
// again, its later ones are undone without that.
func TestAWorkspaceThatFailsLateSlowsOthersOnce(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		no := errors.New("no")
		turn := func(i int) Turn { return Turn{Workspace: []string{"other", "failing"}[i%2]} }
		for round, want := range []int{2, 1, 1} {
			runs := 0
			good := counted(db, &runs, put(fmt.Sprint("good ", round), "1"))
			bad := func(ctx context.Context, tx *Tx) error {
				return errors.Join(put("bad", "1")(ctx, tx), tx.flush(ctx), no)
			}
			errs := togetherFor(t, db, turn, good, bad)
			if errs[0] != nil || !errors.Is(errs[1], no) {
				t.Errorf("round %d: errors %v", round, errs)
			}
			if runs != want {
				t.Errorf("round %d: the other change ran %d times, want %d", round, runs, want)
			}
			if has(t, db, "bad") || !has(t, db, fmt.Sprint("good ", round)) {
				t.Errorf("round %d: not the good change alone is there", round)
			}
		}
	})
}
