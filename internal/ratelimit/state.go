package ratelimit

import (
	"fmt"
	"math"
)

// Algorithm is the rate-limit algorithm of a counter.
type Algorithm uint8

// The algorithms. The zero value is the default.
const (
	// SlidingWindow counts the current window and a shrinking share of the previous.
	SlidingWindow Algorithm = iota
	// TokenBucket refills evenly and allows a burst of the whole limit.
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

// state is the state of a counter. Only the rules of its algorithm interpret the
// words. The zero state is a counter that was never used.
type state struct{ a, b, c uint64 }

// terms are a request without the name of its counter. The duration is positive
// and the cost is not negative.
type terms struct{ duration, limit, cost int64 }

// rules are one algorithm. An implementation is one file, and a branch in redis.lua
// with the same decisions. Back ends keep, send and save states without interpreting
// them.
//
// The last four methods are for counters that nodes share. A second state, own, has
// what a node has admitted locally and not reported. It can use the words
// differently; zero means nothing.
type rules interface {
	// take adds a request to a state as of now, in Unix milliseconds, and decides
	// it. The caller keeps the new state only if the cost is counted.
	take(s state, now int64, t terms) (state, Decision)
	// freeAt returns the time when the request would pass if nothing else is counted
	// until then: now, a later Unix millisecond, or the largest int64 for never.
	freeAt(s state, now int64, t terms) int64
	// merge returns a state that counts at least as much as both states. One of them
	// must have evolved from the other. Merging is idempotent.
	merge(s, other state) state
	// expires returns the time when a state no longer matters, in Unix milliseconds,
	// at most the largest int64.
	expires(s state, duration int64) int64

	// admit adds a request to own, as if each of nodes admitted as much. It is not
	// exact if own can't represent the result; then own counts too much.
	admit(shared, own state, now int64, t terms, nodes int) (after state, exact bool)
	// weight returns how much of own still counts, rounded up, if each of nodes has
	// admitted as much.
	weight(shared, own state, now, duration int64, nodes int) uint64
	// join adds own to the shared state, as many times as times says.
	join(shared, own state, duration int64, times int) state
	// less subtracts what was reported from own. The result is zero if that was all.
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

// wait returns the milliseconds after now until the request passes on a state, or 0
// if it never does.
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

// invalid reports whether the request is always denied.
func (r *Request) invalid() bool { return r.Duration <= 0 || r.Cost < 0 }

func (r *Request) terms() terms { return terms{r.Duration, r.Limit, r.Cost} }

func (k *Key) rules() rules { return algorithms[k.Algorithm].rules }
