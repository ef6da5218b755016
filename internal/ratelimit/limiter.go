// Package ratelimit decides whether a call still fits under a rate limit.
//
// SlidingWindow cuts time into windows of the limit's duration, aligned to the
// unix epoch. What was accepted in the current window counts in full, and what was
// accepted in the window before counts by the share of it that a window ending now
// would still cover:
//
//	carried   = floor(previous × (duration − elapsed) / duration)
//	effective = current + carried + cost
//
// A request passes when effective is at most its limit. Full capacity is back
// after two windows without accepted calls.
//
// TokenBucket is GCRA: a bucket of limit tokens, which gains limit tokens per
// duration, evenly. A request passes when the bucket has as many tokens as it
// costs. Full capacity is back after one duration without accepted calls at most.
//
// Either way only what passed is counted. All numbers up to the largest int64 are
// honored: products are computed in 128 bits and sums never wrap, so no cost and
// no limit, however large, lets through more than the limit.
package ratelimit

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Key names one counter. It is compared field by field, so no text in it can
// make two counters one, and counts of different algorithms are different
// counters. The limit is not part of it: requests with different limits but the
// same Key share one count.
type Key struct {
	Workspace  string
	Namespace  string
	Identifier string
	Duration   int64 // in milliseconds: of a window, or until an empty bucket is full
	Algorithm  Algorithm
}

// Request asks to count Cost on the counter of Key if it stays within Limit.
//
// A Cost of 0 counts nothing and passes while no more than Limit is used.
// Requests with Limit ≤ 0 are always denied. Requests with Duration ≤ 0 or
// Cost < 0 are invalid, always denied, and add nothing.
type Request struct {
	Key
	Limit int64
	Cost  int64
	// Refuse asks to be refused rather than decided with this node's share
	// while counters that nodes share are out of reach. Where that can't
	// happen, it means nothing.
	Refuse bool
}

// Decision is the answer to one Request.
type Decision struct {
	// Passed tells whether the request fits, together with those before it in
	// its batch.
	Passed bool
	// Remaining is how much still fits after the request. It is 0 when the
	// request did not pass. In a batch of which nothing was counted because
	// another request failed, it is what remains without the batch.
	Remaining int64
	// Reset is in unix milliseconds. Of a sliding window it is the end of the
	// current window; what was used in it still weighs on the one after it. Of a
	// token bucket it is when the bucket is full again, now at the earliest.
	Reset int64
	// Wait is the number of milliseconds until the request passes if nothing else
	// is counted until then, together with those before it in its batch. It is 0 if
	// the request passed, if it never will (its cost is above its limit), and if
	// nobody knows, because the shared counters are out of reach. It is an estimate
	// for requests of one batch that give one token bucket different limits.
	Wait int64
}

// Limiter decides requests and counts those that pass.
type Limiter interface {
	// Take decides a batch of requests at the time now, in unix milliseconds,
	// and returns one Decision for each in their order. It is all or nothing:
	// unless every request passes, none is counted. Requests of a batch that
	// name the same Key see the costs of those before them, also of those that
	// did not pass.
	//
	// The error speaks of the backend, never of a limit; after one, nothing is
	// known about what was counted.
	Take(ctx context.Context, now int64, requests []Request) ([]Decision, error)
	// TakeOne is Take for a batch of one, which most are: it allocates nothing
	// where nobody else has to be asked.
	TakeOne(ctx context.Context, now int64, request Request) (Decision, error)
	// Close ends the background work and saves or reports what only this process
	// knows. No call of Take may be under way.
	Close(ctx context.Context) error
	// The metrics of a Limiter are how its back end does.
	prometheus.Collector
}
