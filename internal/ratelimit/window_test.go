package ratelimit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestThePreviousWindowCountsByItsOverlap(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, ask("a", 10, 10), passed(0, 1_000))
		wantAsk(t, m, 999, ask("a", 10, 1), refused(1_000))
		wantAsk(t, m, 1_000, ask("a", 10, 1), refused(2_000))   // carried 10
		wantAsk(t, m, 1_001, ask("a", 10, 1), passed(0, 2_000)) // carried 9.99, so 9
		wantAsk(t, m, 1_100, ask("a", 10, 1), refused(2_000))   // carried 9
		wantAsk(t, m, 1_500, ask("a", 10, 4), passed(0, 2_000)) // carried 5
		wantAsk(t, m, 1_999, ask("a", 10, 0), passed(5, 2_000)) // carried 0.01, so 0
		wantAsk(t, m, 2_000, ask("a", 10, 0), passed(5, 3_000)) // carried 5
		wantAsk(t, m, 3_000, ask("a", 10, 0), passed(10, 4_000))
	})
}

func TestDeniedRequestsAddNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, ask("a", 5, 3), passed(2, 1_000))
		for range 10 {
			wantAsk(t, m, 1, ask("a", 5, 3), refused(1_000))
		}
		wantAsk(t, m, 2, ask("a", 5, 2), passed(0, 1_000))
	})
}

func TestCostZeroCountsNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, ask("a", 2, 0), passed(2, 1_000))
		wantAsk(t, m, 0, ask("a", 2, 2), passed(0, 1_000))
		wantAsk(t, m, 0, ask("a", 2, 0), passed(0, 1_000))
		wantAsk(t, m, 0, ask("a", 1, 0), refused(1_000))
	})
}

func TestInvalidRequestsAreDenied(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		for _, r := range []Request{
			{Key: keyOf("a"), Limit: 0, Cost: 0},
			{Key: keyOf("a"), Limit: 0, Cost: 1},
			{Key: keyOf("a"), Limit: -1, Cost: 0},
			{Key: keyOf("a"), Limit: math.MinInt64, Cost: 1},
			{Key: keyOf("a"), Limit: 5, Cost: -1},
			{Key: keyOf("a"), Limit: 5, Cost: math.MinInt64},
			{Key: Key{Identifier: "a"}, Limit: 5, Cost: 1},
			{Key: Key{Identifier: "a", Duration: -1}, Limit: 5, Cost: 1},
		} {
			if d := take(m, 500, r)[0]; d.Passed || d.Remaining != 0 {
				t.Errorf("%+v got %+v", r, d)
			}
		}
		wantTake(t, m, 500, []Request{ask("a", 5, -1), ask("a", 5, 5)}, refused(500),
			passed(5, 1_000))
		wantTake(t, m, 500, []Request{ask("unused", 0, 0), ask("a", 5, 5)}, refused(1_000),
			passed(5, 1_000))
		wantAsk(t, m, 500, ask("a", 5, 5), passed(0, 1_000))
	})
}

func TestLimitsOfOneDurationShareACount(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, ask("a", 10, 4), passed(6, 1_000))
		wantAsk(t, m, 0, ask("a", 5, 1), passed(0, 1_000))
		wantAsk(t, m, 0, ask("a", 10, 1), passed(4, 1_000))
	})
}

func TestDifferentTextsAreDifferentKeys(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		for _, key := range []Key{
			{Workspace: "ws", Namespace: "a", Identifier: "b-c", Duration: 1_000},
			{Workspace: "ws", Namespace: "a-b", Identifier: "c", Duration: 1_000},
			{Workspace: "ws-a", Namespace: "b", Identifier: "c", Duration: 1_000},
			{Workspace: "ws", Namespace: "a", Identifier: "b-c", Duration: 2_000},
			{Workspace: "ws", Namespace: "a\x00b", Identifier: "c", Duration: 1_000},
			{Workspace: "ws", Namespace: "a", Identifier: "b\x00c", Duration: 1_000},
			{Workspace: "ws", Namespace: "a:b", Identifier: "c", Duration: 1_000},
			{Workspace: "ws", Namespace: "a", Identifier: "b:c", Duration: 1_000},
			{Workspace: "ws:a", Namespace: "b", Identifier: "c", Duration: 1_000},
		} {
			wantAsk(t, m, 0, Request{Key: key, Limit: 1, Cost: 1}, passed(0, key.Duration))
		}
	})
}

func TestAClockThatStepsBackLosesNoCounts(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 4_500, ask("a", 10, 6), passed(4, 5_000))
		wantAsk(t, m, 5_500, ask("a", 10, 7), passed(0, 6_000)) // carried 3
		// Window 5 is reached, so all earlier times are as its beginning: 7 + 6.
		for _, now := range []int64{5_000, 4_999, 4_500, 1, 0, -1, math.MinInt64} {
			wantAsk(t, m, now, ask("a", 13, 1), refused(6_000))
			wantAsk(t, m, now, ask("a", 13, 0), passed(0, 6_000))
		}
		// What is accepted while the clock is behind counts in that window too.
		wantAsk(t, m, 3_000, ask("a", 14, 1), passed(0, 6_000))
		wantAsk(t, m, 6_000, ask("a", 14, 0), passed(6, 7_000))
	})
}

func TestDeniedRequestsDoNotAdvanceTheWindow(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, ask("a", 10, 10), passed(0, 1_000))
		wantAsk(t, m, 1_500, ask("a", 4, 1), refused(2_000))
		wantAsk(t, m, 1_500, ask("a", 10, 0), passed(5, 2_000))
		wantAsk(t, m, 999, ask("a", 10, 0), passed(0, 1_000))
	})
}

func TestLargeNumbersNeverWrap(t *testing.T) {
	const most = math.MaxInt64
	m := NewMemory()
	wantAsk(t, m, 0, ask("cost", 10, 1), passed(9, 1_000))
	wantAsk(t, m, 0, ask("cost", 10, most), refused(1_000))
	wantAsk(t, m, 0, ask("cost", most, most), refused(1_000))
	wantAsk(t, m, 0, ask("cost", most, most-1), passed(0, 1_000))
	wantAsk(t, m, 0, ask("cost", most, 1), refused(1_000))
	wantAsk(t, m, 1_000, ask("cost", most, 0), passed(0, 2_000))
	wantAsk(t, m, 1_000, ask("cost", most, 1), refused(2_000))
	// A thousandth of 2^63-1 is gone: 9223372036854775.807, and the rest is floored.
	wantAsk(t, m, 1_001, ask("cost", most, 0), passed(9_223_372_036_854_776, 2_000))

	batch := []Request{
		ask("batch", most, most), ask("batch", most, most), ask("batch", most, most),
		ask("batch", most, 0),
	}
	wantTake(t, m, 0, batch, passed(most, 1_000), refused(1_000), refused(1_000), refused(1_000))

	eternal := Request{
		Key: Key{Workspace: "ws", Namespace: "ns", Identifier: "a", Duration: most}, Limit: 2,
		Cost: 1,
	}
	wantAsk(t, m, 1_700_000_000_000, eternal, passed(1, most))
	wantAsk(t, m, most-1, eternal, passed(0, most))
	wantAsk(t, m, most-1, eternal, refused(most))
	wantAsk(t, m, most, eternal, refused(most)) // window 1: carried is all of 2
}

// loadWindows is how many windows the load tests last.
const loadWindows = 50

// The bounds are those that the protocol's own test sets for one node. Calls
// that clump are refused where they clump, so with random arrivals a load must
// be above the limit for all of the limit to be used.
func TestAcceptedLoadStaysNearTheLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		arrive func(rng *rand.Rand, calls int) []int64
		loads  []float64
	}{
		{"steady", steadily, []float64{1, 1.2, 2, 10}},
		{"random", randomly, []float64{2, 10}},
	} {
		for _, load := range c.loads {
			for _, limit := range []int64{10, 100, 1_000} {
				rng := rand.New(rand.NewPCG(uint64(limit), uint64(load*10)))
				share := acceptedShare(limit, c.arrive(rng, int(load*loadWindows*float64(limit))))
				if share < 0.95 || share > 1.20 {
					t.Errorf("%s load of %.1f × %d: %.1f %% of the limit accepted", c.name, load,
						limit, 100*share)
				}
			}
		}
	}
}

// steadily returns when calls arrive, each at a random moment of its own equal
// share of the time.
func steadily(rng *rand.Rand, calls int) []int64 {
	arrivals := make([]int64, calls)
	for i := range arrivals {
		arrivals[i] = int64((float64(i) + rng.Float64()) / float64(calls) * loadWindows * second)
	}
	return arrivals
}

// randomly returns when calls arrive, each at any moment.
func randomly(rng *rand.Rand, calls int) []int64 {
	arrivals := make([]int64, calls)
	for i := range arrivals {
		arrivals[i] = rng.Int64N(loadWindows * second)
	}
	slices.Sort(arrivals)
	return arrivals
}

// acceptedShare returns how many calls pass, as a share of what the limit allows.
func acceptedShare(limit int64, arrivals []int64) float64 {
	m, accepted := NewMemory(), 0
	for _, now := range arrivals {
		if take(m, now, ask("a", limit, 1))[0].Passed {
			accepted++
		}
	}
	return float64(accepted) / float64(limit*loadWindows)
}

// Compares freeAt with trying every moment.
func TestFreeAtIsTheFirstMomentThatPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := rapid.Int64Range(1, 50).Draw(t, "duration")
		count := rapid.Uint64Range(0, 30)
		w := window{
			rapid.Uint64Range(0, 4).Draw(t, "sequence"), count.Draw(t, "current"),
			count.Draw(t, "previous"),
		}
		now := rapid.Int64Range(0, 5*duration).Draw(t, "now")
		terms := terms{
			duration, rapid.Int64Range(-1, 40).Draw(t, "limit"),
			rapid.Int64Range(0, 40).Draw(t, "cost"),
		}
		want, never := int64(math.MaxInt64), now+10*duration
		for at := now; at <= never; at++ {
			if _, d := (windows{}).take(w.state(), at, terms); d.Passed {
				want = at
				break
			}
		}
		if got := (windows{}).freeAt(w.state(), now, terms); got != want {
			t.Fatalf("%+v at %d, %+v: free at %d, want %d", w, now, terms, got, want)
		}
	})
}
