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

type call struct{ now, limit, cost int64 }

// oracles are the algorithms: what is left of a limit after calls on a key, false
// if it is exceeded, and when that resets.
var oracles = map[Algorithm]func(
	calls []call, key Key, now, limit int64,
) (remaining int64, within bool, reset int64){
	SlidingWindow: windowAfter,
	TokenBucket:   bucketAfter,
}

// windowAfter counts the calls in the last window that one was in, or that now is
// in, and those in the window before it.
func windowAfter(
	calls []call, key Key, now, limit int64,
) (remaining int64, within bool, reset int64) {
	sequences, last := make([]int64, len(calls)), int64(0)
	for i, c := range calls {
		last = max(last, c.now/key.Duration)
		sequences[i] = last
	}
	last = max(last, now/key.Duration)
	current, previous := new(big.Int), new(big.Int)
	for i, c := range calls {
		switch sequences[i] {
		case last:
			current.Add(current, big.NewInt(c.cost))
		case last - 1:
			previous.Add(previous, big.NewInt(c.cost))
		}
	}
	duration := big.NewInt(key.Duration)
	elapsed := new(big.Int).Mul(big.NewInt(last), duration)
	elapsed.Sub(big.NewInt(now), elapsed)
	if elapsed.Sign() < 0 {
		elapsed.SetInt64(0)
	}
	previous.Mul(previous, new(big.Int).Sub(duration, elapsed))
	used := current.Add(current, previous.Quo(previous, duration))
	left := used.Sub(big.NewInt(limit), used)
	end := new(big.Int).Mul(big.NewInt(last+1), duration)
	reset = math.MaxInt64
	if end.IsInt64() {
		reset = end.Int64()
	}
	if limit <= 0 || left.Sign() < 0 {
		return 0, false, reset
	}
	return left.Int64(), true, reset
}

// bucketAfter takes the calls from a bucket that is full in the beginning, in
// fractions. The bucket is full again at a time in parts of the last limit.
func bucketAfter(
	calls []call, key Key, now, limit int64,
) (remaining int64, within bool, reset int64) {
	duration := big.NewInt(min(key.Duration, exact-1))
	full := new(big.Rat)
	for _, c := range calls {
		if c.limit <= 0 {
			if c.cost > 0 {
				return 0, false, math.MaxInt64
			}
			continue
		}
		full = notBefore(inPartsOf(full, c.limit), c.now)
		spent := new(big.Int).Mul(big.NewInt(c.cost), duration)
		full.Add(full, new(big.Rat).SetFrac(spent, big.NewInt(c.limit)))
	}
	reset = ceil(notBefore(full, now))
	if limit <= 0 {
		return 0, false, reset
	}
	full = notBefore(inPartsOf(full, limit), now)
	left := new(big.Rat).SetInt(new(big.Int).Add(big.NewInt(now), duration))
	if left.Sub(left, full); left.Sign() < 0 || floor(full).Cmp(big.NewInt(exact)) > 0 {
		return 0, false, reset
	}
	left.Mul(left, new(big.Rat).SetFrac(big.NewInt(limit), duration))
	return floor(left).Int64(), true, ceil(full)
}

func notBefore(a *big.Rat, ms int64) *big.Rat {
	if b := new(big.Rat).SetInt64(ms); a.Cmp(b) < 0 {
		return b
	}
	return new(big.Rat).Set(a)
}

// inPartsOf rounds up to a whole number of parts.
func inPartsOf(a *big.Rat, parts int64) *big.Rat {
	scaled := new(big.Rat).Mul(a, new(big.Rat).SetInt64(parts))
	up := floor(scaled.Neg(scaled))
	return new(big.Rat).SetFrac(up.Neg(up), big.NewInt(parts))
}

func floor(a *big.Rat) *big.Int { return new(big.Int).Div(a.Num(), a.Denom()) }

func ceil(a *big.Rat) int64 {
	if up := inPartsOf(a, 1).Num(); up.IsInt64() {
		return up.Int64()
	}
	return math.MaxInt64
}

// take returns the decisions and the history after them.
func (h history) take(now int64, requests []Request) ([]Decision, history) {
	after := maps.Clone(h)
	decisions := make([]Decision, len(requests))
	all := true
	for i, r := range requests {
		if r.Cost > 0 || r.Algorithm == TokenBucket {
			after[r.Key] = append(slices.Clone(after[r.Key]), call{now, r.Limit, r.Cost})
		}
		d := &decisions[i]
		d.Remaining, d.Passed, d.Reset = oracles[r.Algorithm](after[r.Key], r.Key, now, r.Limit)
		if !d.Passed {
			_, _, d.Reset = oracles[r.Algorithm](h[r.Key], r.Key, now, r.Limit)
		}
		all = all && d.Passed
	}
	if all {
		return decisions, h.counted(after, requests)
	}
	for i, r := range requests {
		if decisions[i].Passed {
			decisions[i].Remaining, _, decisions[i].Reset = oracles[r.Algorithm](h[r.Key], r.Key,
				now, r.Limit)
		}
	}
	return decisions, h
}

// decided compares the decisions about a batch with those of the history, and returns
// the history after them.
func (h history) decided(t *rapid.T, now int64, batch []Request, got []Decision) history {
	want, after := h.take(now, batch)
	if diff := cmp.Diff(want, got, ignoreWait); diff != "" {
		t.Fatalf("at %d, decisions (-want +got):\n%s", now, diff)
	}
	for i, d := range got {
		if d.Passed {
			if d.Wait != 0 {
				t.Fatalf("at %d, a request that passed waits %d ms", now, d.Wait)
			}
			continue
		}
		h.mustWait(t, now, d.Wait, upTo(batch, i))
	}
	return after
}

// upTo returns a request of a batch, after those before it on the same counter.
func upTo(batch []Request, i int) []Request {
	var same []Request
	for _, r := range batch[:i+1] {
		if r.Key == batch[i].Key {
			same = append(same, r)
		}
	}
	return same
}

// mustWait checks that the last of some requests on one counter passes after a wait and
// no earlier, or never if the wait is 0.
func (h history) mustWait(t *rapid.T, now, wait int64, same []Request) {
	for _, r := range same {
		if r.Algorithm == TokenBucket && r.Limit != same[0].Limit {
			return // of which it is an estimate
		}
	}
	passes := func(after int64) bool {
		d, _ := h.take(min(now, math.MaxInt64-after)+after, same)
		return d[len(same)-1].Passed
	}
	switch {
	case wait == 0 && passes(min(2*second, math.MaxInt64-1-now)):
		t.Fatalf("at %d, %+v never passes, but does after two seconds", now, same)
	case wait > 0 && (passes(wait-1) || !passes(wait)):
		t.Fatalf("at %d, %+v waits %d ms, which is not when it first passes", now, same, wait)
	}
}

// counted leaves out the calls on keys on which nothing is counted.
func (h history) counted(after history, requests []Request) history {
	for _, r := range requests {
		if !slices.ContainsFunc(requests, func(q Request) bool {
			return q.Key == r.Key && q.Cost > 0
		}) {
			after[r.Key] = h[r.Key]
		}
	}
	return after
}

// amounts are limits and costs: mostly small, some at the edge of an int64.
var amounts = rapid.OneOf(
	rapid.Int64Range(0, 12),
	rapid.Int64Range(0, 12),
	rapid.Int64Range(math.MaxInt64/2-2, math.MaxInt64/2+2),
	rapid.Int64Range(math.MaxInt64-3, math.MaxInt64),
)

var anyAlgorithm = rapid.SampledFrom([]Algorithm{SlidingWindow, TokenBucket})

var keys = rapid.Custom(func(t *rapid.T) Key {
	key := keyOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "identifier"))
	durations := rapid.SampledFrom([]int64{1, 7, second, 1 << 62, math.MaxInt64})
	key.Duration = durations.Draw(t, "duration")
	key.Algorithm = anyAlgorithm.Draw(t, "algorithm")
	return key
})

var requests = rapid.Custom(func(t *rapid.T) Request {
	r := Request{
		Key: keys.Draw(t, "key"), Limit: amounts.Draw(t, "limit"), Cost: amounts.Draw(t, "cost"),
	}
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
		now := rapid.SampledFrom([]int64{
			0, 1_700_000_000_123, math.MaxInt64 - 5_000,
		}).Draw(t, "start")
		forward := rapid.Bool().Draw(t, "forward")
		decide := func(t *rapid.T, batch []Request) {
			model = model.decided(t, now, batch, take(m, now, batch...))
		}
		one := func(t *rapid.T) { decide(t, []Request{requests.Draw(t, "request")}) }
		t.Repeat(map[string]func(*rapid.T){
			"one":       one,
			"one again": one,
			"batch": func(t *rapid.T) {
				decide(t, rapid.SliceOfN(requests, 0, 6).Draw(t, "batch"))
			},
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
				// and only the answer was lost
				saved.failures, saved.reached = 1, rapid.Bool().Draw(t, "reached")
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
