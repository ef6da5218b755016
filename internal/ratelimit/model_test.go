package ratelimit

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// history is the naive limiter: it keeps every accepted call and computes each
// decision from all of them, in numbers without bounds.
type history map[Key][]call

type call struct{ sequence, cost int64 }

// at returns the number of the window in which a call on key is decided.
func (h history) at(key Key, now int64) int64 {
	sequence := now / key.Duration
	for _, c := range h[key] {
		sequence = max(sequence, c.sequence)
	}
	return sequence
}

// used returns what the current window counts and the one before it carries.
func (h history) used(key Key, now int64) *big.Int {
	sequence := h.at(key, now)
	current, previous := new(big.Int), new(big.Int)
	for _, c := range h[key] {
		switch c.sequence {
		case sequence:
			current.Add(current, big.NewInt(c.cost))
		case sequence - 1:
			previous.Add(previous, big.NewInt(c.cost))
		}
	}
	duration := big.NewInt(key.Duration)
	elapsed := new(big.Int).Mul(big.NewInt(sequence), duration)
	elapsed.Sub(big.NewInt(now), elapsed)
	if elapsed.Sign() < 0 {
		elapsed.SetInt64(0)
	}
	previous.Mul(previous, new(big.Int).Sub(duration, elapsed))
	return current.Add(current, previous.Quo(previous, duration))
}

func (h history) reset(key Key, now int64) int64 {
	end := new(big.Int).Mul(big.NewInt(h.at(key, now)+1), big.NewInt(key.Duration))
	if !end.IsInt64() {
		return math.MaxInt64
	}
	return end.Int64()
}

// remaining returns how much of a limit is left, and false if it is exceeded.
func (h history) remaining(key Key, now, limit int64) (int64, bool) {
	left := new(big.Int).Sub(big.NewInt(limit), h.used(key, now))
	if limit <= 0 || left.Sign() < 0 {
		return 0, false
	}
	return left.Int64(), true
}

// take returns the decisions and the history after them.
func (h history) take(now int64, requests []Request) ([]Decision, history) {
	after := maps.Clone(h)
	decisions := make([]Decision, len(requests))
	all := true
	for i, r := range requests {
		if r.Cost > 0 {
			calls := slices.Clone(after[r.Key])
			after[r.Key] = append(calls, call{after.at(r.Key, now), r.Cost})
		}
		d := &decisions[i]
		d.Remaining, d.Passed = after.remaining(r.Key, now, r.Limit)
		d.Reset = after.reset(r.Key, now)
		all = all && d.Passed
	}
	if all {
		return decisions, after
	}
	for i, r := range requests {
		if decisions[i].Passed {
			decisions[i].Remaining, _ = h.remaining(r.Key, now, r.Limit)
		}
	}
	return decisions, h
}

// amounts are limits and costs: mostly small, some at the edge of an int64.
var amounts = rapid.OneOf(
	rapid.Int64Range(0, 12),
	rapid.Int64Range(0, 12),
	rapid.Int64Range(math.MaxInt64/2-2, math.MaxInt64/2+2),
	rapid.Int64Range(math.MaxInt64-3, math.MaxInt64),
)

var keys = rapid.Custom(func(t *rapid.T) Key {
	key := keyOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "identifier"))
	key.Duration = rapid.SampledFrom([]int64{1, 7, second, 1 << 62, math.MaxInt64}).Draw(t, "duration")
	return key
})

var requests = rapid.Custom(func(t *rapid.T) Request {
	r := Request{Key: keys.Draw(t, "key"), Limit: amounts.Draw(t, "limit"), Cost: amounts.Draw(t, "cost")}
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		r.Limit = -1
	}
	return r
})

// Whatever is asked, in whatever order the clock shows, a Memory decides as one
// who remembers every call. It does so through restarts, when a save has failed
// before, and, as long as the clock does not step back, through sweeps.
func TestDecisionsMatchTheHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, saved := newSaved()
		model := history{}
		now := rapid.SampledFrom([]int64{0, 1_700_000_000_123, math.MaxInt64 - 5_000}).Draw(t, "start")
		forward := rapid.Bool().Draw(t, "forward")
		decide := func(t *rapid.T, batch []Request) {
			want, after := model.take(now, batch)
			if diff := cmp.Diff(want, take(m, now, batch...)); diff != "" {
				t.Fatalf("at %d, decisions (-want +got):\n%s", now, diff)
			}
			model = after
		}
		one := func(t *rapid.T) { decide(t, []Request{requests.Draw(t, "request")}) }
		t.Repeat(map[string]func(*rapid.T){
			"one":       one,
			"one again": one,
			"batch":     func(t *rapid.T) { decide(t, rapid.SliceOfN(requests, 0, 6).Draw(t, "batch")) },
			"clock": func(t *rapid.T) {
				span := rapid.SampledFrom([]int64{1, 7, second}).Draw(t, "span")
				step := rapid.Int64Range(-3*span, 3*span).Draw(t, "step")
				if forward {
					step = max(step, -step)
				}
				now = max(0, now+min(step, math.MaxInt64-1-now))
			},
			"restart": func(*rapid.T) {
				save(m)
				m = saved.restart()
			},
			"save": func(t *rapid.T) {
				save(m)
				if n, most := len(saved.list()), 2*live(m); n > most {
					t.Fatalf("%d counters are saved of %d", n, most/2)
				}
			},
			"failing save": func(t *rapid.T) {
				saved.failures, saved.reached = 1, rapid.Bool().Draw(t, "reached") // and only the answer was lost
				save(m)
				saved.failures = 0
			},
			"sweep": func(t *rapid.T) {
				if !forward {
					t.Skip("a sweep is for a clock that goes forward")
				}
				m.Sweep(now)
			},
		})
	})
}
