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
	wantCells(t, changed(m))
	take(m, 3_000, ask("a", 10, 2))
	take(m, 3_000, ask("b", 10, 3), ask("b", 10, 4))
	wantCells(t, changed(m), Cell{keyOf("a"), 3, 2, 0}, Cell{keyOf("b"), 3, 7, 0})
	wantCells(t, changed(m))

	take(m, 3_000, ask("a", 10, 0))
	take(m, 3_000, ask("a", 10, 9))
	wantCells(t, changed(m))

	take(m, 4_500, ask("b", 10, 1))
	wantCells(t, changed(m), Cell{keyOf("b"), 4, 1, 7})
}

func TestKeepReturnsTheCellsAgainAsTheyAreNow(t *testing.T) {
	m := NewMemory()
	take(m, 0, ask("a", 10, 1))
	take(m, 0, ask("b", 10, 1))
	lost := slices.Collect(m.Changed())
	keep := func() {
		for _, p := range lost {
			m.Keep(p)
		}
	}
	take(m, 0, ask("b", 10, 1))
	keep()
	keep()
	wantCells(t, changed(m), Cell{keyOf("a"), 0, 1, 0}, Cell{keyOf("b"), 0, 2, 0})
	wantCells(t, changed(m))

	m.Sweep(2_000)
	keep()
	wantCells(t, changed(m))
}

// What is saved of a part is at most twice what the part has, however often its
// windows change, and nothing once they have expired.
func TestWhatIsSavedIsBounded(t *testing.T) {
	const identifiers, rounds = 20 * shardCount, 50
	m, saved := NewMemory(), disk{}
	wrote := 0
	for round := range rounds {
		for i := range identifiers {
			if i%4 == round%4 {
				take(m, 0, ask(fmt.Sprint(i), rounds, 1))
			}
		}
		for p := range m.Changed() {
			wrote += len(p.Cells)
			saved.put(p)
		}
		if n := live(m); saved.size() > 2*n {
			t.Fatalf("round %d: %d cells are saved of %d windows", round, saved.size(), n)
		}
	}
	if most := 2 * identifiers * rounds / 4; wrote > most {
		t.Errorf("%d cells were written, want at most %d", wrote, most)
	}
	m.Sweep(2_000)
	if saved.save(m); saved.size() != 0 {
		t.Errorf("%d cells are saved, want none", saved.size())
	}
}

// Of a part that could not be saved nobody knows what is saved, so that it is
// replaced.
func TestAPartThatCouldNotBeSavedComesWhole(t *testing.T) {
	m, saved := NewMemory(), disk{}
	for turn := range 6 {
		take(m, 0, ask("a", 10, 1))
		if turn >= 2 {
			for p := range m.Changed() {
				m.Keep(p)
			}
		}
		if saved.save(m); saved.size() > 2 {
			t.Fatalf("turn %d: %d cells are saved of one window", turn, saved.size())
		}
	}
	wantCells(t, changed(saved.restart()), Cell{keyOf("a"), 0, 6, 0})
}

// A Memory that was loaded saves everything anew, in parts that no other has.
func TestWhatIsLoadedIsSavedAnew(t *testing.T) {
	m, saved := NewMemory(), disk{}
	for i := range 100 {
		take(m, 0, ask(fmt.Sprint(i), 10, 1))
	}
	saved.save(m)
	for range 3 {
		m = saved.restart()
		saved.save(m)
		saved.dropOld(m)
		if n := saved.size(); n != 100 {
			t.Fatalf("%d cells are saved, want 100", n)
		}
		for part := range saved {
			if part < m.FirstPart() || part >= m.FirstPart()+shardCount {
				t.Errorf("part %d, want one from %d on", part, m.FirstPart())
			}
		}
	}
}

func TestARestartForgivesNothing(t *testing.T) {
	m, saved := NewMemory(), disk{}
	wantAsk(t, m, 500, ask("a", 10, 8), passed(2, 1_000))
	saved.save(m)
	m = saved.restart()
	wantAsk(t, m, 600, ask("a", 10, 3), refused(1_000))
	wantAsk(t, m, 1_500, ask("a", 10, 2), passed(4, 2_000))
	saved.save(m)
	m = saved.restart()
	wantAsk(t, m, 1_500, ask("a", 10, 0), passed(4, 2_000))
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
			wantCells(t, changed(m), c.want)
			wantCells(t, changed(m))
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
		for p := range m.Changed() {
			if turn%2 == 0 {
				m.Keep(p)
			} else {
				saved.put(p)
			}
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
	saved.save(m)

	if got := accepted.Load(); got != identifiers*limit {
		t.Errorf("%d calls passed, want %d", got, identifiers*limit)
	}
	if n := live(m); n != identifiers {
		t.Errorf("%d windows are kept, want %d", n, identifiers)
	}
	again := changed(saved.restart())
	if n := len(again); n != identifiers {
		t.Errorf("%d windows are saved, want %d", n, identifiers)
	}
	for _, c := range again {
		if c.Current != limit {
			t.Fatalf("%d calls are saved for %s, want %d", c.Current, c.Identifier, limit)
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
