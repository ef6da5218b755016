package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// inParallel runs n calls of do at once and returns how many returned true.
func inParallel(n int, do func(i int) bool) int {
	var passed atomic.Int64
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			if do(i) {
				passed.Add(1)
			}
		})
	}
	close(start)
	calls.Wait()
	return int(passed.Load())
}

func TestParallelCallsPassExactlyTheLimit(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		for _, c := range []struct {
			name  string
			batch []Request
			want  int
		}{
			{"one", []Request{ask("a", 100, 1)}, 100},
			{"cost 3", []Request{ask("a", 100, 3)}, 33},
			{"the same key twice", []Request{ask("a", 100, 1), ask("a", 100, 2)}, 33},
			{"the smaller limit", []Request{ask("a", 100, 1), ask("b", 40, 1)}, 40},
		} {
			t.Run(c.name, func(t *testing.T) {
				for range 8 {
					m := open()
					got := inParallel(200, func(int) bool {
						return allPassed(take(m, 0, c.batch...))
					})
					if got != c.want {
						t.Fatalf("%d of 200 calls passed, want %d", got, c.want)
					}
				}
			})
		}
	})
}

// Batches that name the same keys in different orders all finish, and what they
// count on each key is what passed.
func TestParallelBatchesCountAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		const limit, size = 60, 8
		m := open()
		var count [20]atomic.Int64
		inParallel(1_000, func(i int) bool {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			picks := rng.Perm(len(count))[:size]
			var batch []Request
			for _, k := range picks {
				batch = append(batch, ask(fmt.Sprint(k), limit, 1))
			}
			passed := allPassed(take(m, 0, batch...))
			for _, k := range picks {
				if passed {
					count[k].Add(1)
				}
			}
			return passed
		})
		for k := range count {
			wantAsk(t, m, 0, ask(fmt.Sprint(k), limit, 0), passed(limit-count[k].Load(), 1_000))
		}
	})
}

func TestABatchIsAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantTake(t, m, 0, nil, []Decision{}...)
		wantAsk(t, m, 0, ask("a", 10, 4), passed(6, 1_000))
		wantTake(t, m, 0,
			[]Request{ask("a", 10, 1), ask("b", 2, 3), ask("c", 5, 5), ask("d", 0, 1)},
			passed(6, 1_000), refused(1_000), passed(5, 1_000), refused(1_000))
		wantTake(t, m, 0,
			[]Request{ask("a", 10, 1), ask("b", 2, 2), ask("c", 5, 5)},
			passed(5, 1_000), passed(0, 1_000), passed(0, 1_000))
	})
}

func TestRequestsOfABatchSeeThoseBeforeThem(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		third := []Request{ask("a", 2, 1), ask("a", 2, 1), ask("a", 2, 1)}
		wantTake(t, m, 0, third, passed(2, 1_000), passed(2, 1_000), refused(1_000))
		wantTake(t, m, 0, third[:2], passed(1, 1_000), passed(0, 1_000))
		// The cost of a request that fails stands in the way of those after it.
		wantTake(t, m, 0,
			[]Request{ask("b", 2, 3), ask("b", 3, 1), ask("b", 4, 0), ask("b", 5, 2)},
			refused(1_000), refused(1_000), passed(4, 1_000), refused(1_000))
		wantTake(t, m, 0, []Request{ask("c", 0, 5), ask("c", 5, 1)}, refused(1_000), refused(1_000))
	})
}

func TestSweepKeepsWhatMatters(t *testing.T) {
	m, unswept := NewMemory(), NewMemory()
	for i := range 1_000 {
		r := ask(fmt.Sprint(i), 10, 1)
		r.Duration = int64(i + 1)
		take(m, 5_000, r)
		take(unswept, 5_000, r)
	}
	for now := int64(5_000); now < 8_000; now += 50 {
		m.Sweep(now)
		for i := range 1_000 {
			r := ask(fmt.Sprint(i), 10, 0)
			r.Duration = int64(i + 1)
			wantAsk(t, m, now, r, take(unswept, now, r)[0])
		}
	}
	if n := live(m); n != 0 {
		t.Errorf("%d windows are kept that no longer matter", n)
	}
}

func TestSweepDropsAfterTwoDurations(t *testing.T) {
	m, d := newSaved()
	take(m, 5_300, ask("a", 10, 1))
	for now, want := range map[int64]int{math.MinInt64: 1, 0: 1, 5_300: 1, 6_999: 1} {
		m.Sweep(now)
		if n := live(m); n != want {
			t.Fatalf("after Sweep(%d), %d counters, want %d", now, n, want)
		}
	}
	m.Sweep(7_000)
	if n := live(m); n != 0 {
		t.Errorf("after Sweep(7000), %d counters, want none", n)
	}
	if save(m); len(d.list()) != 0 {
		t.Error("a dropped counter was saved")
	}
}

// A call that waits for a shard gets it before a long visit ends.
func TestVisitsLetCallsLockTheShard(t *testing.T) {
	const windows = 8 * sliceSize
	s := shard[state]{chains: make(map[uint64]*entry[state])}
	for i := range windows {
		key := keyOf(fmt.Sprint(i))
		s.use(uint64(i), &key)
	}
	var waiting sync.WaitGroup
	visited, visitedBefore := 0, 0
	s.visit(func(*entry[state]) {
		if visited == 0 {
			waiting.Go(func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				visitedBefore = visited
			})
		}
		visited++
		time.Sleep(20 * time.Microsecond)
	})
	waiting.Wait()
	if visited != windows || visitedBefore == windows {
		t.Errorf("of %d windows, %d were visited, %d before the call that waited", windows,
			visited, visitedBefore)
	}
}

// What a batch asks of one counter may be more than any limit.
func TestBatchAboveEveryLimitNeverPasses(t *testing.T) {
	m := NewMemory()
	take(m, 0, ask("a", math.MaxInt64, 1))
	d := take(m, 0, ask("a", math.MaxInt64, math.MaxInt64), ask("a", math.MaxInt64, 3))
	if d[1].Passed || d[1].Wait != 0 {
		t.Errorf("decision %+v, want a request that never passes", d[1])
	}
}

func TestOnlyAcceptedCostUsesMemory(t *testing.T) {
	m := NewMemory()
	take(m, 0, ask("refused", 1, 2))
	take(m, 0, ask("free", 1, 0))
	take(m, 0, ask("free in a batch", 1, 0), ask("counted", 1, 1))
	take(m, 0, ask("refused in a batch", 1, 1), ask("refused", 1, 2))
	if n := live(m); n != 1 {
		t.Errorf("%d windows are kept, want 1", n)
	}
}

func TestTakeAllocatesOnlyItsResult(t *testing.T) {
	m := NewMemory()
	requests := []Request{ask("a", math.MaxInt64, 1)}
	if n := testing.AllocsPerRun(1_000, func() { take(m, 0, requests...) }); n > 1 {
		t.Errorf("%v allocations a call, want 1", n)
	}
	if n := testing.AllocsPerRun(1_000, func() { m.TakeOne(t.Context(), 0, requests[0]) }); n > 0 {
		t.Errorf("%v allocations a call of TakeOne, want none", n)
	}
}

func TestTakeOneAgreesWithTake(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		batches, singles := open(), open()
		for i := range int64(500) {
			now := i*37 + i%7*500 // with steps back
			request := ask([]string{"a", "b", "c"}[i%3], 20+i%5, i%4)
			got, err := singles.TakeOne(t.Context(), now, request)
			if want := take(batches, now, request)[0]; err != nil || got != want {
				t.Fatalf("call %d: %+v, %v, want %+v", i, got, err, want)
			}
		}
	})
}

// TestAWorkspaceHasABoundedNumberOfCounters: beyond it, new ones are refused and the others
// count on, as do those of other workspaces. Nothing is forgotten to make room.
func TestAWorkspaceHasABoundedNumberOfCounters(t *testing.T) {
	m := NewMemory()
	m.most = 10
	try := func(now int64, requests ...Request) ([]Decision, error) {
		return m.Take(t.Context(), now, requests)
	}
	for i := range 11 {
		take(m, 5_000, ask(fmt.Sprint(i), 2, 1))
	}
	m.Sweep(5_000)
	fresh, old := ask("new", 2, 1), ask("0", 2, 1)
	elsewhere, itself := fresh, fresh
	elsewhere.Workspace, itself.Identifier = "other", itself.Workspace
	for name, batch := range map[string][]Request{"one": {fresh}, "several": {old, fresh}} {
		if d, err := try(5_000, batch...); !errors.Is(err, ErrTooManyCounters) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for name, r := range map[string]Request{
		"another workspace": elsewhere, "requests of the workspace": itself, "a known one": old,
	} {
		if d, err := try(5_000, r); err != nil || !d[0].Passed {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if d, err := try(5_000, old); err != nil || d[0].Passed {
		t.Errorf("a count is lost: %+v, %v", d, err)
	}
	m.Sweep(5_000 + 3*old.Duration)
	if d, err := try(5_000+3*old.Duration, fresh); err != nil || !d[0].Passed {
		t.Errorf("after they expired: %+v, %v", d, err)
	}
}
