package ratelimit

import (
	"fmt"
	"math"
)

// Algorithm is how a counter counts and what fits in it.
type Algorithm uint8

// The algorithms. The zero value is the default.
const (
	// SlidingWindow counts in the current window and a fading share of the last.
	SlidingWindow Algorithm = iota
	// TokenBucket refills evenly, and lets through a burst of the whole limit.
	TokenBucket
)

// algorithms registers every Algorithm with its name, which is on the wire, in
// the names of counters in Redis and in saved rows.
var algorithms = [...]struct {
	name string
	rules
}{
	SlidingWindow: {"sliding_window", windows{}},
	TokenBucket:   {"token_bucket", buckets{}},
}

// ParseAlgorithm returns the algorithm of a name; "" is SlidingWindow.
func ParseAlgorithm(name string) (Algorithm, error) {
	if name == "" {
		return SlidingWindow, nil
	}
	for a := range algorithms {
		if algorithms[a].name == name {
			return Algorithm(a), nil
		}
	}
	return 0, fmt.Errorf("rate limits: unknown algorithm %q", name)
}

// String returns the name of the algorithm.
func (a Algorithm) String() string { return algorithms[a].name }

// state is what a counter holds. Only the rules of its algorithm read the words.
// The zero state is a counter that was never used.
type state struct{ a, b, c uint64 }

// terms is a request without the name of its counter. The duration is positive
// and the cost is not negative.
type terms struct{ duration, limit, cost int64 }

// rules are one algorithm. An implementation has one file, and one branch in
// redis.lua that decides alike. Back ends keep, send and save states without
// reading them.
//
// The last four methods are for counters that nodes share. What a node has
// admitted by itself and not yet reported is kept in a second state of the
// counter, its own, which may use the words differently; zero means nothing.
type rules interface {
	// take adds a request to a state as of now, in unix milliseconds, and decides
	// it. The caller keeps the new state only if the cost is to be counted.
	take(s state, now int64, t terms) (state, Decision)
	// freeAt returns when the request would pass if nothing else is counted until
	// then: now, a later unix millisecond, or the largest int64 for never.
	freeAt(s state, now int64, t terms) int64
	// merge returns a state that counts no less than either of two states of one
	// counter, of which one led to the other. Merging twice changes nothing.
	merge(s, other state) state
	// expires returns when a state no longer matters, in unix milliseconds, at
	// most the largest int64.
	expires(s state, duration int64) int64

	// admit adds a request to what a node has admitted by itself. It assumes that
	// each of so many nodes admits as much. It is not exact if own can't hold the
	// request beside what it holds already; then own counts rather too much.
	admit(shared, own state, now int64, t terms, nodes int) (after state, exact bool)
	// weight returns how much of own still counts, rounded up, if each of so many
	// nodes has admitted as much.
	weight(shared, own state, now, duration int64, nodes int) uint64
	// join counts own on the shared state, as often as so many times.
	join(shared, own state, duration int64, times int) state
	// less takes what was reported out of own; zero is left if that was all.
	less(own, reported state) state
}

// take decides a request on the state of its counter as of now.
func (r *Request) take(s state, now int64) (state, Decision) {
	if r.invalid() {
		return s, Decision{Reset: now}
	}
	after, d := r.rules().take(s, now, r.terms())
	if !d.Passed {
		d.Wait = r.wait(s, now)
	}
	return after, d
}

// wait returns how many milliseconds after now the request passes on a state, 0
// for never.
func (r *Request) wait(s state, now int64) int64 {
	if r.invalid() {
		return 0
	}
	free := r.rules().freeAt(s, now, r.terms())
	if free == math.MaxInt64 {
		return 0
	}
	return free - now
}

// invalid reports whether the request is denied whatever is counted.
func (r *Request) invalid() bool { return r.Duration <= 0 || r.Cost < 0 }

func (r *Request) terms() terms { return terms{r.Duration, r.Limit, r.Cost} }

func (k *Key) rules() rules { return algorithms[k.Algorithm].rules }
