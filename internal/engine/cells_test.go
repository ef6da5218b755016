package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
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
	for i := range chunk + 10 { // more than one transaction saves
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
	if rows, err := w.db.Cells(t.Context()); err != nil || len(rows) != 1 {
		t.Errorf("%d windows are saved, %v, want 1", len(rows), err)
	}
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
		after time.Duration
		want  int
	}{{2 * time.Minute, chunk + 11}, {time.Minute, 1}} {
		w.advance(step.after)
		if err := w.dropCells(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows, err := w.db.Cells(t.Context()); err != nil || len(rows) != step.want {
			t.Errorf("%d windows are left, %v, want %d", len(rows), err, step.want)
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
