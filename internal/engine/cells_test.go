package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// restart opens another engine on the same rows, as they stand.
func (w *world) restart() *Engine {
	w.t.Helper()
	e, err := Open(w.t.Context(), Config{DB: w.db, Vault: w.vault, Now: w.now, Log: w.log, Redis: w.redis})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// keepsWindows skips a test about windows that a node keeps for itself where
// nodes share the counters.
func (w *world) keepsWindows() {
	w.t.Helper()
	if !w.limiter.kept {
		w.t.Skip("the windows are in counters that nodes share")
	}
}

func TestRestartForgivesNothing(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	for i := range chunk + 10 {
		w.limit(w.who, asking(ask("api", fmt.Sprint(i), 9), 4))
	}
	if err := w.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.limit(w.who, asking(ask("api", "0", 9), 2)) // saved by Close
	if err := w.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := w.restart()
	for i, want := range map[int]int64{0: 3, 1: 5, chunk + 9: 5} {
		r := asking(ask("api", fmt.Sprint(i), 9), 0)
		if got, err := again.Limit(t.Context(), w.who, &r); err != nil || got.Remaining != want {
			t.Errorf("identifier %d: %+v, %v, want %d remaining", i, got, err, want)
		}
	}
	if err := again.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseSavesWindows(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	first := w.restart()
	r := asking(ask("api", "u", 9), 4)
	if _, err := first.Limit(t.Context(), w.who, &r); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := w.restart()
	if got, err := second.Limit(t.Context(), w.who, &r); err != nil || got.Remaining != 1 {
		t.Errorf("after a restart: %+v, %v, want 1 remaining", got, err)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWindowsThatCouldNotBeSavedAreSavedLater(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	w.limit(w.who, ask("api", "u", 9))
	ended, end := context.WithCancel(t.Context())
	end()
	if err := w.saveCells(ended); err == nil {
		t.Fatal("saving within an ended context succeeded")
	}
	if err := w.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.savedCells()); n != 1 {
		t.Errorf("%d windows are saved, want 1", n)
	}
}

// savedCells returns all cells that are saved, each as often as it is.
func (w *world) savedCells() (all []read.Cell) {
	w.t.Helper()
	_, err := w.db.SavedCells(w.t.Context(), func(cells []read.Cell) { all = append(all, cells...) })
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// saver returns an engine with the windows that are saved, which does nothing but
// count in them, and saves and drops them when it is told to.
func (w *world) saver() *Engine {
	w.t.Helper()
	e := &Engine{db: w.db, time: w.now, limiter: limiter{memory: ratelimit.NewMemory(), kept: true}}
	if err := e.loadCells(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// count counts on keys of one namespace, past the operations.
func count(e *Engine, from, to int) {
	for i := range to - from {
		_, _ = e.limiter.memory.TakeOne(context.Background(), e.now(), ratelimit.Request{Key: countedKey(from + i), Limit: math.MaxInt64, Cost: 1})
	}
}

func countedKey(i int) ratelimit.Key {
	return ratelimit.Key{Workspace: "ws_1", Namespace: "rlns_2fTqXJ", Identifier: fmt.Sprintf("user_%d", i), Duration: 60_000}
}

// TestSavingTakesSeveralTransactions when there is much to save, and what they
// save doesn't grow beyond twice what there is.
func TestSavingTakesSeveralTransactions(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	const windows = 3*cellsAtOnce + 10
	e := w.saver()
	for range 5 {
		count(e, 0, windows)
		if err := e.saveCells(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.savedCells()); n < windows || n > 2*windows {
			t.Fatalf("%d cells are saved of %d windows", n, windows)
		}
	}
	again := w.saver()
	for _, i := range []int{0, cellsAtOnce, windows - 1} {
		d, err := again.limiter.memory.TakeOne(t.Context(), again.now(), ratelimit.Request{Key: countedKey(i), Limit: 10})
		if err != nil || d.Remaining != 5 {
			t.Errorf("window %d: %+v, want 5 remaining", i, d)
		}
	}
}

// TestAKillAmidSavingForgivesNothing: a process that dies after it has saved some
// of what it loaded leaves the rest as the one before it had saved it.
func TestAKillAmidSavingForgivesNothing(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	first := w.saver()
	count(first, 0, 500)
	if err := first.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	killed := w.saver()
	count(killed, 0, 500)
	halves := slices.Collect(killed.limiter.memory.Changed())
	if err := killed.saveParts(t.Context(), halves[:len(halves)/2]); err != nil {
		t.Fatal(err)
	}
	wantRemaining := map[string]int64{}
	for i, part := range halves {
		for _, c := range part.Cells {
			wantRemaining[c.Identifier] = 9
			if i < len(halves)/2 {
				wantRemaining[c.Identifier] = 8
			}
		}
	}
	again := w.saver()
	for round := range 2 {
		for i := range 500 {
			key := countedKey(i)
			d, _ := again.limiter.memory.TakeOne(t.Context(), again.now(), ratelimit.Request{Key: key, Limit: 10})
			if d.Remaining != wantRemaining[key.Identifier] {
				t.Fatalf("round %d, %s: %+v, want %d remaining", round, key.Identifier, d, wantRemaining[key.Identifier])
			}
		}
		if err := again.saveCells(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.savedCells()); n != 500 {
		t.Errorf("%d cells are saved after the first complete saving, want 500", n)
	}
}

// TestASavingThatStopsHalfwayForgivesNothing: after a restart what the process
// before had saved stays until all of it is saved anew.
func TestASavingThatStopsHalfwayForgivesNothing(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	const windows = 3 * cellsAtOnce
	first := w.saver()
	count(first, 0, windows)
	if err := first.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	halfway := w.saver()
	w.exec(fmt.Sprintf("CREATE TRIGGER full BEFORE INSERT ON cell_blocks WHEN NEW.part > %d BEGIN SELECT RAISE(ABORT, 'disk full'); END",
		halfway.limiter.memory.FirstPart()+32))
	if err := halfway.saveCells(t.Context()); err == nil {
		t.Fatal("the second half was saved")
	}
	if n := len(w.savedCells()); n <= windows {
		t.Fatalf("%d cells are saved: not those of before and some of them anew", n)
	}
	again := w.saver()
	for i := range windows {
		d, err := again.limiter.memory.TakeOne(t.Context(), again.now(), ratelimit.Request{Key: countedKey(i), Limit: 10})
		if err != nil || d.Remaining != 9 {
			t.Fatalf("window %d: %+v, want 9 remaining", i, d)
		}
	}
	w.exec("DROP TRIGGER full")
	if err := halfway.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.savedCells()); n != windows {
		t.Errorf("%d cells are saved in the end, want %d", n, windows)
	}
}

// TestRowsOfAnEarlierVersionBecomeBlocks, as do those that a copy has made.
func TestRowsOfAnEarlierVersionBecomeBlocks(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	const windows = chunk + 10
	now := w.Engine.now()
	err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for i := range windows {
			c := ratelimit.Cell{Key: countedKey(i), Sequence: now / 60_000, Current: 4}
			if err := tx.SaveCell(ctx, write.SaveCellParams(rowOf(c))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := w.saver()
	if err := again.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := w.db.Cells(t.Context()); err != nil || len(rows) != 0 {
		t.Errorf("%d rows are left (%v)", len(rows), err)
	}
	saved := w.savedCells()
	if len(saved) != windows || saved[0].Current != 4 {
		t.Errorf("%d cells are saved, want %d with a count of 4", len(saved), windows)
	}
}

// TestSavedWindowsAreThoseInMemory after whatever happens, restarts among it.
func TestSavedWindowsAreThoseInMemory(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	ended, end := context.WithCancel(t.Context())
	end()
	rapid.Check(t, func(t *rapid.T) {
		e := w.saver()
		used := map[ratelimit.Key]bool{}
		saving := func(t *rapid.T) {
			if err := e.saveCells(context.Background()); err != nil {
				t.Fatal(err)
			}
			on := w.saver().limiter.memory
			for key := range used {
				for _, at := range []int64{e.now(), e.now() + key.Duration/3, e.now() + key.Duration} {
					q := ratelimit.Request{Key: key, Limit: math.MaxInt64}
					want, _ := e.limiter.memory.TakeOne(context.Background(), at, q)
					if got, _ := on.TakeOne(context.Background(), at, q); got != want {
						t.Fatalf("%+v at %d: saved %+v, in memory %+v", key, at, got, want)
					}
				}
			}
		}
		steps := map[string]func(*rapid.T){
			"count": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "times") {
					key := ratelimit.Key{
						Workspace: rapid.SampledFrom([]string{"ws_1", "ws_2"}).Draw(t, "workspace"), Namespace: rapid.SampledFrom([]string{"", "n"}).Draw(t, "namespace"),
						Identifier: fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "identifier")), Duration: rapid.SampledFrom([]int64{1_000, 60_000}).Draw(t, "duration"),
					}
					used[key] = true
					_, _ = e.limiter.memory.TakeOne(context.Background(), e.now(), ratelimit.Request{Key: key, Limit: math.MaxInt64, Cost: 3})
				}
			},
			"save":        saving,
			"failed save": func(*rapid.T) { _ = e.saveCells(ended) },
			"time": func(t *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(1, 120_000).Draw(t, "ms")) * time.Millisecond)
			},
			"drop": func(*rapid.T) { _ = e.dropCells(context.Background()) },
			"restart": func(t *rapid.T) {
				_ = e.saveCells(context.Background())
				e = w.saver()
				saving(t)
			},
		}
		names := rapid.SampledFrom(slices.Sorted(maps.Keys(steps)))
		for _, name := range rapid.SliceOfN(names, 1, 20).Draw(t, "steps") {
			steps[name](t)
		}
		saving(t)
	})
}

func TestWindowsAreDroppedWhenTheyNoLongerMatter(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	for i := range chunk + 10 {
		w.limit(w.who, ask("api", fmt.Sprint(i), 9))
	}
	day := ask("api", "day", 9)
	day.Duration = latchkey.Per(24 * time.Hour)
	w.limit(w.who, day)
	if err := w.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after       time.Duration
		least, most int
	}{{2 * time.Minute, chunk + 11, 2 * (chunk + 11)}, {time.Minute, 1, 2}} {
		w.advance(step.after)
		if err := errors.Join(w.dropCells(t.Context()), w.saveCells(t.Context())); err != nil {
			t.Fatal(err)
		}
		if n := len(w.savedCells()); n < step.least || n > step.most {
			t.Errorf("%d windows are left, want from %d to %d", n, step.least, step.most)
		}
	}
	if !slices.ContainsFunc(w.savedCells(), func(c read.Cell) bool { return c.Identifier == "day" }) {
		t.Error("the window of a day is not left")
	}
}

// TestBlocksAreDroppedWhereNobodySavesThem: a node that counts on Redis now has
// those from before.
func TestBlocksAreDroppedWhereNobodySavesThem(t *testing.T) {
	w := newWorld(t)
	w.keepsWindows()
	e := w.saver()
	count(e, 0, 500)
	if err := e.saveCells(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.limiter = limiter{}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{2 * time.Minute, 500}, {time.Minute, 0}} {
		w.advance(step.after)
		if err := e.dropCells(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.savedCells()); n != step.want {
			t.Errorf("%d windows are left, want %d", n, step.want)
		}
	}
}

func TestAnswersAreKeptForADay(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "again"
	for _, step := range []struct {
		after time.Duration
		want  int64
	}{{0, 8}, {24 * time.Hour, 8}, {time.Millisecond, 8}} {
		w.advance(step.after)
		if err := w.dropAnswers(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := w.limit(who, ask("api", "u", 9))
		fresh := got.Reset.After(w.now())
		if got.Remaining != step.want || fresh != (step.after != 24*time.Hour) {
			t.Errorf("after %v: %+v, counted now: %v", step.after, got, fresh)
		}
	}
}
