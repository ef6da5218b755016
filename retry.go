package latchkey

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"
)

// RetryPolicy says when a call is sent again. Fields that are left out have
// their defaults, so that the zero value is a policy too.
//
// Nothing is ever sent twice that the service might then do twice. A call is
// repeated
//
//   - after status 429, and after a connection that could not be made: in both
//     cases the service has done nothing;
//   - after any other of the Statuses, and after a connection that broke or took
//     too long, if the call only reads, or carries an Idempotency-Key and the
//     service is known to honour it. Latchkey says so in every answer.
//
// All calls that write carry such a key by themselves. [Keys.Verify],
// [Ratelimits.Limit] and [Ratelimits.MultiLimit] do so with
// [WithIdempotencyKey] only.
//
// Before the n-th repetition the client waits a random part of
// Initial × Multiplier^(n-1), at most Max, and at least what the service asks
// for with Retry-After.
type RetryPolicy struct {
	// MaxAttempts is how often a call is sent at most, 3 by default. 1 never repeats.
	MaxAttempts int
	// Initial is the longest wait before the first repetition, 100 ms by default.
	Initial time.Duration
	// Max is the longest wait that Multiplier leads to, 2 s by default.
	Max time.Duration
	// Multiplier is how much longer each wait may be than the one before, 2 by default.
	Multiplier float64
	// MaxElapsed is how long all attempts and waits may take together, 10 s by
	// default. Only the first attempt may take longer, if its timeout allows.
	MaxElapsed time.Duration
	// ConnectionErrors is whether to repeat what was not answered at all; true by default.
	ConnectionErrors Opt[bool]
	// Statuses are the statuses to repeat after; by default 429 and all from 500.
	Statuses []int
}

// NoRetry sends every call once.
var NoRetry = RetryPolicy{MaxAttempts: 1}

// filled returns the policy with its defaults.
func (p RetryPolicy) filled() RetryPolicy {
	orElse := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orElse(&p.Initial, 100*time.Millisecond)
	orElse(&p.Max, 2*time.Second)
	orElse(&p.MaxElapsed, 10*time.Second)
	if p.MaxAttempts <= 0 {
		p.MaxAttempts = 3
	}
	if p.Multiplier < 1 {
		p.Multiplier = 2
	}
	return p
}

// worthwhile reports whether a call that failed with err may and should be sent
// again. safe says that the service would do it once all the same.
func (p *RetryPolicy) worthwhile(err error, safe bool) bool {
	var refused *Error
	var hopeless *hopelessError
	switch {
	case errors.As(err, &refused):
		return p.covers(refused.Status) && (safe || refused.Status == http.StatusTooManyRequests)
	case errors.As(err, &hopeless):
		return false
	}
	return p.ConnectionErrors.Or(true) && (safe || neverSent(err))
}

func (p *RetryPolicy) covers(status int) bool {
	if p.Statuses == nil {
		return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}
	return slices.Contains(p.Statuses, status)
}

// wait returns how long to wait after an attempt: "full jitter", which spreads
// clients that failed together best (AWS Architecture Blog, "Exponential Backoff
// And Jitter"), or as long as the service asks for if that is longer.
func (p *RetryPolicy) wait(attempt int, err error) time.Duration {
	longest := float64(p.Initial) * math.Pow(p.Multiplier, float64(attempt-1))
	wait := rand.N(time.Duration(min(longest, float64(p.Max))) + 1)
	var refused *Error
	if errors.As(err, &refused) {
		wait = max(wait, refused.RetryAfter)
	}
	return wait
}

// hopelessError is an error that another attempt would only meet again: a
// request that can't be written or an answer that can't be read.
type hopelessError struct{ error }

func (e *hopelessError) Unwrap() error { return e.error }

// neverSent reports whether an attempt ended before there was a connection to
// send it over, be it to the service or to a proxy before it.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// endsWithin reports whether ctx will have ended after d.
func endsWithin(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= d
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
