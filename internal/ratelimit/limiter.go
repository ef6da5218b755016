// Package ratelimit decides whether a request is within a rate limit. A [Limiter]
// has one of three back ends: [Memory] in one process, [Redis] or [Rows] of a
// database for nodes that share counters. [Overrides] replace the limits of some
// identifiers. An algorithm is one file, the same for all back ends, which keep its
// states without interpreting them; redis.lua has its twin.
//
// SlidingWindow divides time into windows of the limit's duration, aligned to the
// Unix epoch. The count of the current window counts in full. The count of the
// previous window counts by the share of it that a window ending now would cover:
//
//	carried   = floor(previous × (duration − elapsed) / duration)
//	effective = current + carried + cost
//
// A request passes when effective is at most its limit. Full capacity is back
// after two windows without accepted calls.
//
// TokenBucket is GCRA: a bucket of limit tokens that gains limit tokens per
// duration, evenly. A request passes when the bucket has at least as many tokens as
// it costs. Full capacity is back after at most one duration without accepted calls.
//
// Both count only requests that pass. Both are exact for all int64 numbers: products
// are computed in 128 bits and sums never wrap, so no cost or limit, however large,
// admits more than the limit.
package ratelimit

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Key names one counter. Different fields mean different counters. The limit is not
// part of it: requests with different limits but the same Key share one count.
type Key struct {
	Workspace  string
	Namespace  string
	Identifier string
	Duration   int64 // in milliseconds: of a window, or until an empty bucket is full
	Algorithm  Algorithm
}

// Request asks to count Cost on the counter of Key if it stays within Limit.
//
// A Cost of 0 counts nothing and passes while at most Limit is used.
// Requests with Limit ≤ 0 are always denied. Requests with Duration ≤ 0 or
// Cost < 0 are invalid, always denied, and add nothing.
type Request struct {
	Key
	Limit int64
	Cost  int64
	// Refuse denies the request while shared counters are unreachable, instead of
	// deciding it with this node's share. Without shared counters it has no effect.
	Refuse bool
}

// Decision is the result of one Request.
type Decision struct {
	// Passed reports whether the request is within its limit, together with those
	// before it in its batch.
	Passed bool
	// Remaining is the cost that still fits after the request. It is 0 if the
	// request did not pass. If nothing of its batch was counted because another
	// request did not pass, it is what remains without the batch.
	Remaining int64
	// Reset is in Unix milliseconds. For a sliding window it is the end of the
	// current window, whose count carries over into the next one. For a token
	// bucket it is the time when the bucket is full again, now at the earliest.
	Reset int64
	// Wait is the number of milliseconds until the request passes, together with
	// those before it in its batch, if nothing else is counted until then. It is 0 if
	// the request passed, if it never will (its cost is above its limit), and while
	// the shared counters are unreachable. It is an estimate for requests of one
	// batch with different limits on one token bucket.
	Wait int64
}

// Peek returns what [Limiter.Take] would decide about the requests, which are of one
// workspace, and counts nothing. Their Remaining is that before the batch.
func Peek(ctx context.Context, l Limiter, now int64, requests []Request) ([]Decision, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	never := Request{Key: requests[0].Key}
	never.Duration = 0 // invalid, so that nothing of the batch is counted
	decisions, err := l.Take(ctx, now, append(slices.Clip(requests), never))
	if err != nil {
		return nil, err
	}
	return decisions[:len(requests)], nil
}

// Limiter decides requests and counts those that pass.
type Limiter interface {
	// Take decides a batch of requests at the time now, in unix milliseconds,
	// and returns one Decision for each in their order. It is all or nothing:
	// unless every request passes, none is counted. Requests of a batch that
	// name the same Key see the costs of those before them, also of those that
	// did not pass.
	//
	// An error is one of the back end, never an exceeded limit. After an error it is
	// unknown what was counted.
	Take(ctx context.Context, now int64, requests []Request) ([]Decision, error)
	// TakeOne is Take for a batch of one, the most frequent case. It does not
	// allocate if it decides locally.
	TakeOne(ctx context.Context, now int64, request Request) (Decision, error)
	// Close ends the background work and saves or reports the counts that only this
	// process has. There must be no call of Take in flight.
	Close(ctx context.Context) error
	// The metrics of the back end.
	prometheus.Collector
}
