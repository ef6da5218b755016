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

// RetryPolicy says when a failed call is retried. A zero field has its default,
// so the zero value is the default policy.
//
// The client never retries a call that could take effect twice. It retries
//
//   - after status 429, and if no connection could be made: in both cases the
//     service has done nothing;
//   - after the other Statuses, a lost connection or a timeout, if the call only
//     reads, if the same call once more changes nothing, as to settle, release or
//     extend a reservation, or if it carries an Idempotency-Key and the service has
//     said in a response that it honors the header, as a Latchkey does.
//
// Calls that change something carry a random key by themselves. [Keys.Verify],
// [Ratelimits.Limit], [Ratelimits.MultiLimit], [Budgets.Spend] and [Budgets.Reserve]
// carry one only with [WithIdempotencyKey], because storing the response of each costs
// the service another write to disk.
//
// Before the n-th retry the client waits a random time up to
// Initial × Multiplier^(n-1), but at most Max. If the service asks for a longer
// wait with Retry-After, it waits that long.
type RetryPolicy struct {
	// MaxAttempts bounds how often a call is sent; 3 by default. 1 never retries.
	MaxAttempts int
	// Initial is the longest wait before the first retry; 100 ms by default.
	Initial time.Duration
	// Max bounds the waits that grow with Multiplier; 2 s by default.
	Max time.Duration
	// Multiplier is the factor by which the longest wait grows; 2 by default.
	Multiplier float64
	// MaxElapsed bounds the time of all attempts and waits together; 10 s by
	// default. Only a first attempt with a longer timeout can exceed it.
	MaxElapsed time.Duration
	// ConnectionErrors is false to never retry a call that got no response; true
	// by default.
	ConnectionErrors Opt[bool]
	// Statuses are the HTTP statuses to retry after; by default 429 and all from
	// 500.
	Statuses []int
}

// NoRetry never retries: every call is sent once.
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

// worthwhile reports whether to retry a call that failed with err. It is safe if
// the call can't take effect twice.
func (p *RetryPolicy) worthwhile(err error, safe bool) bool {
	var refused *Error
	var permanent *permanentError
	switch {
	case errors.As(err, &refused):
		return p.covers(refused.Status) && (safe || refused.Status == http.StatusTooManyRequests)
	case errors.As(err, &permanent):
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

// wait returns how long to wait after an attempt: "full jitter", which best
// spreads clients that failed at the same time (AWS Architecture Blog,
// "Exponential Backoff And Jitter"), or longer if the service asks for it.
func (p *RetryPolicy) wait(attempt int, err error) time.Duration {
	longest := float64(p.Initial) * math.Pow(p.Multiplier, float64(attempt-1))
	wait := rand.N(time.Duration(min(longest, float64(p.Max))) + 1)
	var refused *Error
	if errors.As(err, &refused) {
		wait = max(wait, refused.RetryAfter)
	}
	return wait
}

// permanentError is an error that retrying cannot fix: a request that can't be
// encoded, or a response that can't be decoded.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// neverSent reports whether an attempt failed because no connection could be
// made, to the service or to a proxy in front of it.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// endsWithin reports whether ctx will have ended after d.
func endsWithin(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= d
}

// sleep waits for d, or until ctx ends.
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
