package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// touch makes a change that touches ids.
func touch(t *testing.T, db *DB, ids ...string) {
	t.Helper()
	err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		tx.Touch(ids...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// follow follows a database until the test ends, and returns what is heard that
// isn't empty, after the first reading.
func follow(t *testing.T, db *DB) <-chan LogRead {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done, heard := make(chan struct{}), make(chan LogRead, 1000)
	go func() {
		defer close(done)
		db.Follow(ctx, func(h LogRead) {
			if h.All || len(h.Changes) > 0 {
				heard <- h
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	if first := next(t, heard); !first.All {
		t.Fatalf("the first reading is %+v", first)
	}
	return heard
}

func next(t *testing.T, heard <-chan LogRead) LogRead {
	t.Helper()
	select {
	case h := <-heard:
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is heard")
		return LogRead{}
	}
}

// Each arrives once. A node's own changes don't.
func TestChangesOfOtherNodesArriveInOrder(t *testing.T) {
	t.Parallel()
	for _, listens := range []bool{true, false} {
		t.Run(fmt.Sprintf("listens=%v", listens), func(t *testing.T) {
			t.Parallel()
			where := testenv.Postgres(t)
			db, other := open(t, where), open(t, where)
			db.shared.listens = listens
			heard := follow(t, db)
			var want, got []string
			for i := range 20 {
				id := fmt.Sprintf("id %d", i)
				touch(t, db, "mine")
				began := time.Now()
				touch(t, other, id, id)
				want = append(want, id)
				for len(got) < len(want) {
					h := next(t, heard)
					if h.All || time.Since(h.At) > time.Second {
						t.Fatalf("heard %+v", h)
					}
					for _, c := range h.Changes {
						if lag := time.Since(c.Time).Abs(); lag > time.Second {
							t.Errorf("it was made %v ago", lag)
						}
						got = append(got, c.IDs...)
					}
				}
				if lag := time.Since(began); lag > time.Second {
					t.Errorf("heard after %v", lag)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
		})
	}
}

// A gap is: rows that were dropped before they were read, another log than the one
// read before, or more changed ids than a row can have.
func TestAGapInTheLogIsReported(t *testing.T) {
	where := testenv.Postgres(t)
	db, other := open(t, where), open(t, where)
	run := func(text string) {
		t.Helper()
		if _, err := other.pool.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	touch(t, other, "a")
	heard := follow(t, db)
	steps := []struct {
		name string
		do   func()
	}{
		{"a gap", func() { run("UPDATE heads SET changes = changes + 5"); touch(t, other, "b") }},
		{"a log that was rolled back",
			func() { run("DELETE FROM changes WHERE seq > 1; UPDATE heads SET changes = 1") }},
		{
			"another log of the same length",
			func() {
				run("UPDATE changes SET touched = '[]' WHERE seq = (SELECT changes FROM heads)")
			},
		},
		{"more than can be named",
			func() { touch(t, other, slices.Collect(numbers(maxTouched+1))...) }},
	}
	for _, s := range steps {
		s.do()
		if h := next(t, heard); !h.All {
			t.Errorf("%s: heard %+v", s.name, h)
		}
		touch(t, other, s.name)
		if h := next(t, heard); h.All || len(h.Changes) != 1 || h.Changes[0].IDs[0] != s.name {
			t.Errorf("after %s: heard %+v", s.name, h)
		}
	}
}

func numbers(n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprint(i)) {
				return
			}
		}
	}
}

func TestDroppingReadChangesIsNotAGap(t *testing.T) {
	t.Parallel()
	where := testenv.Postgres(t)
	db, other := open(t, where), open(t, where)
	for range 10 {
		touch(t, other, "old")
	}
	heard := follow(t, db)
	err := other.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		n, err := tx.DropChanges(ctx, time.Now().Add(time.Hour).UnixMilli(), 100)
		if n != 9 {
			t.Errorf("%d were dropped, want 9", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // two readings, as there is one at least every 250 ms
	touch(t, other, "new")
	if h := next(t, heard); h.All || h.Changes[0].IDs[0] != "new" {
		t.Errorf("heard %+v", h)
	}
}

// It misses no change made in between, and on each new connection anything can have
// changed.
func TestAFollowerResumesAfterADisconnect(t *testing.T) {
	t.Parallel()
	where := testenv.Postgres(t)
	other := open(t, where)
	through, proxy := behind(t, where)
	heard := follow(t, open(t, through))
	faults := map[string]func(){
		"cut":         proxy.Cut,
		"refused":     func() { proxy.Refuse(); time.Sleep(time.Second); proxy.Accept() },
		"partitioned": func() { proxy.Partition(); time.Sleep(2 * time.Second); proxy.Heal() },
	}
	for name, fault := range faults {
		go fault()
		for i := range 20 {
			touch(t, other, fmt.Sprintf("%s %d", name, i))
			time.Sleep(50 * time.Millisecond)
		}
		all := false
		for got := 0; got < 20; {
			h := next(t, heard)
			all = all || h.All
			for _, c := range h.Changes {
				if want := fmt.Sprintf("%s %d", name, got); c.IDs[0] != want {
					t.Fatalf("heard %q, want %q", c.IDs[0], want)
				}
				got++
			}
		}
		if !all {
			t.Errorf("%s: after a new connection not everything counts as changed", name)
		}
	}
}

// A failover can lose changes that a node made itself, or read from other nodes, after
// its last reading of the log. Then the log continues, or ends, exactly where it knows it.
func TestALogThatGoesBackToTheLastRowHeardIsNoticed(t *testing.T) {
	where := testenv.Postgres(t)
	db, other := open(t, where), open(t, where)
	run := func(text string, args ...any) {
		t.Helper()
		if _, err := other.pool.ExecContext(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	var heard []LogRead
	f := &follower{
		shared: db.shared, node: db.node, apply: func(h LogRead) { heard = append(heard, h) },
	}
	touch(t, other, "first")
	steps := []struct {
		name string
		do   func(known int64)
		want LogRead
	}{
		{"its own change is lost",
			func(known int64) {
				touch(t, db, "lost")
				run("DELETE FROM changes WHERE seq > $1", known)
				run("UPDATE heads SET changes = $1", known)
			}, LogRead{All: true, Lost: 1, LostAfter: 1}},
		{"its own change is lost, and it made another one",
			func(known int64) {
				touch(t, db, "lost")
				touch(t, db, "lost")
				run("DELETE FROM changes WHERE seq > $1", known)
				run("UPDATE heads SET changes = $1", known)
				touch(t, db, "new")
			}, LogRead{All: true, Lost: 2, LostAfter: 1}},
		{"another server", func(int64) { f.server.started += "0" }, LogRead{All: true}},
		{"another timeline", func(int64) { f.server.timeline++ }, LogRead{All: true}},
		{"another connection", func(int64) { f.fresh = true }, LogRead{All: true}},
		{"nothing", func(int64) {}, LogRead{}},
	}
	for _, s := range steps {
		if _, err := f.read(t.Context(), db.pool); err != nil {
			t.Fatal(err)
		}
		s.do(f.last.Seq)
		if _, err := f.read(t.Context(), db.pool); err != nil {
			t.Fatal(err)
		}
		h := heard[len(heard)-1]
		if h.All != s.want.All || h.Lost != s.want.Lost || h.LostAfter != s.want.LostAfter {
			t.Errorf("%s: heard %+v, want %+v", s.name, h, s.want)
		}
	}
}

// Even if nothing has changed: every 250 ms, if the machine is not busy.
func TestAFollowerReportsEveryReading(t *testing.T) {
	t.Parallel()
	db := open(t, testenv.Postgres(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, last, shortest := 0, time.Now(), time.Hour
	db.Follow(ctx, func(h LogRead) {
		silence := h.At.Sub(last)
		if silence > 600*time.Millisecond {
			t.Errorf("silence for %v", silence)
		}
		if n > 0 { // the first reading waits for nothing
			shortest = min(shortest, silence)
		}
		last = h.At
		if n++; n == 8 {
			cancel()
		}
	})
	if n != 8 {
		t.Errorf("heard %d times", n)
	}
	if shortest > 250*time.Millisecond {
		t.Errorf("no two readings were less than %v apart, want 250 ms", shortest)
	}
}

// A reading has at most 1,000 rows. While there are more, a node has applied the
// changes only up to the last reading that reached the end of the log.
func TestATruncatedReadingIsNotUpToDate(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	var heard []LogRead
	f := &follower{
		shared: db.shared, node: "another", apply: func(h LogRead) { heard = append(heard, h) },
	}
	reading := func(wantMore bool) {
		t.Helper()
		if more, err := f.read(t.Context(), db.pool); err != nil || more != wantMore {
			t.Fatalf("there is more: %v, want %v (%v)", more, wantMore, err)
		}
	}
	touch(t, db, "first")
	reading(false)
	_, err1 := db.pool.ExecContext(t.Context(), `INSERT INTO changes (seq, node, time, touched)
		SELECT changes + n, 'node', 0, '[]' FROM heads, generate_series(1, 1500) n`)
	_, err2 := db.pool.ExecContext(t.Context(), "UPDATE heads SET changes = changes + 1500")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	reading(true)
	reading(false)
	if !heard[1].At.Equal(heard[0].At) {
		t.Errorf("the reading that was cut is as of %v after the one before",
			heard[1].At.Sub(heard[0].At))
	}
	if !heard[2].At.After(heard[0].At) {
		t.Error("the reading that came to the end is not newer")
	}
	if n := len(heard[1].Changes) + len(heard[2].Changes); n != 1500 {
		t.Errorf("%d changes were heard, want 1500", n)
	}
}

// Follow ends with its context.
func TestASingleNodeHasNothingToFollow(t *testing.T) {
	db := open(t, "sqlite://"+t.TempDir())
	if db.Shared() {
		t.Error("a folder is shared")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	db.Follow(ctx, func(h LogRead) { t.Errorf("heard %+v", h) })
}
