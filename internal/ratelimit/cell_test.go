package ratelimit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wantCells(t *testing.T, got []Cell, want ...Cell) {
	t.Helper()
	slices.SortFunc(got, func(a, b Cell) int { return strings.Compare(a.Identifier, b.Identifier) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}

func TestChangedReturnsEachChangeOnce(t *testing.T) {
	m := NewMemory()
	wantCells(t, m.Changed())
	take(m, 3_000, ask("a", 10, 2))
	take(m, 3_000, ask("b", 10, 3), ask("b", 10, 4))
	wantCells(t, m.Changed(), Cell{keyOf("a"), 3, 2, 0}, Cell{keyOf("b"), 3, 7, 0})
	wantCells(t, m.Changed())

	take(m, 3_000, ask("a", 10, 0))
	take(m, 3_000, ask("a", 10, 9))
	wantCells(t, m.Changed())

	take(m, 4_500, ask("b", 10, 1))
	wantCells(t, m.Changed(), Cell{keyOf("b"), 4, 1, 7})
}

func TestKeepReturnsTheCellsAgainAsTheyAreNow(t *testing.T) {
	m := NewMemory()
	take(m, 0, ask("a", 10, 1))
	take(m, 0, ask("b", 10, 1))
	lost := m.Changed()
	take(m, 0, ask("b", 10, 1))
	m.Keep(lost)
	m.Keep(lost)
	wantCells(t, m.Changed(), Cell{keyOf("a"), 0, 1, 0}, Cell{keyOf("b"), 0, 2, 0})
	wantCells(t, m.Changed())

	m.Sweep(2_000)
	m.Keep(lost)
	wantCells(t, m.Changed())
}

func TestARestartForgivesNothing(t *testing.T) {
	m, saved := NewMemory(), disk{}
	wantAsk(t, m, 500, ask("a", 10, 8), passed(2, 1_000))
	saved.save(m.Changed())
	m = saved.restart()
	wantAsk(t, m, 600, ask("a", 10, 3), refused(1_000))
	wantAsk(t, m, 1_500, ask("a", 10, 2), passed(4, 2_000))
	saved.save(m.Changed())
	m = saved.restart()
	wantAsk(t, m, 1_500, ask("a", 10, 0), passed(4, 2_000))
	wantCells(t, m.Changed())
}

func TestLoadKeepsTheLargerCount(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, after Cell
		want         Cell
	}{
		{"the same", Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 7, 3, 4}},
		{"each window for itself", Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 7, 2, 9}, Cell{keyOf("a"), 7, 3, 9}},
		{"one window older", Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 6, 5, 9}, Cell{keyOf("a"), 7, 3, 5}},
		{"one window newer", Cell{keyOf("a"), 6, 5, 9}, Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 7, 3, 5}},
		{"long past", Cell{keyOf("a"), 7, 3, 4}, Cell{keyOf("a"), 5, 5, 9}, Cell{keyOf("a"), 7, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory()
			m.Load([]Cell{c.first, c.after})
			wantCells(t, m.Changed())
			m.Keep([]Cell{c.first})
			wantCells(t, m.Changed(), c.want)
		})
	}
}

func TestExpiresIsTwoDurationsAfterTheStart(t *testing.T) {
	for _, c := range []struct{ sequence, duration, want int64 }{
		{0, 1_000, 2_000},
		{7, 1_000, 9_000},
		{0, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, 1, math.MaxInt64},
		{math.MaxInt64 - 2, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64 - 2, 1, math.MaxInt64},
		{math.MaxInt64 - 3, 1, math.MaxInt64 - 1},
	} {
		if got := (Cell{Key: Key{Duration: c.duration}, Sequence: c.sequence}).Expires(); got != c.want {
			t.Errorf("window %d of %d ms expires at %d, want %d", c.sequence, c.duration, got, c.want)
		}
	}
}

// Saving, with saves that fail, and sweeping go on beside the calls. In the end
// as many calls have passed as the limits allow, all of them are saved, and only
// what matters is kept.
func TestSavingAndSweepingBesideCallsLoseNothing(t *testing.T) {
	const identifiers, limit, workers = 150 * shardCount, 3, 5
	m, saved := NewMemory(), disk{}
	for i := range identifiers {
		short := ask(fmt.Sprint(i), limit, 1)
		short.Duration = 1
		take(m, 0, short)
	}
	stop := beside(func(turn int) {
		m.Sweep(1_999)
		if cells := m.Changed(); turn%2 == 0 {
			m.Keep(cells)
		} else {
			saved.save(cells)
		}
	})
	var accepted atomic.Int64
	inParallel(workers, func(int) bool {
		for i := range identifiers {
			if take(m, 0, ask(fmt.Sprint(i), limit, 1))[0].Passed {
				accepted.Add(1)
			}
		}
		return true
	})
	stop()
	m.Sweep(1_999)
	saved.save(m.Changed())

	if got := accepted.Load(); got != identifiers*limit {
		t.Errorf("%d calls passed, want %d", got, identifiers*limit)
	}
	if n := live(m); n != identifiers {
		t.Errorf("%d windows are kept, want %d", n, identifiers)
	}
	for i := range identifiers {
		if c := saved[keyOf(fmt.Sprint(i))]; c.Current != limit {
			t.Fatalf("%d calls are saved for %d, want %d", c.Current, i, limit)
		}
	}
}

// beside calls do again and again until the returned function is called, which
// waits for the last turn to end.
func beside(do func(turn int)) (stop func()) {
	var stopping atomic.Bool
	var running sync.WaitGroup
	running.Go(func() {
		for turn := 0; !stopping.Load(); turn++ {
			do(turn)
		}
	})
	return func() {
		stopping.Store(true)
		running.Wait()
	}
}
