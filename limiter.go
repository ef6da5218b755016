package latchkey

import (
	"context"
	"errors"
	"time"
)

// LimiterConfig configures a [Limiter]. Namespace, Limit and Window are required.
type LimiterConfig struct {
	// Namespace groups the identifiers; a new name creates a namespace.
	Namespace string
	// Limit is how much each identifier can use in one window, unless an override
	// sets another limit.
	Limit int64
	// Window is the length of the window: one second to thirty days. A token bucket
	// refills in it.
	Window time.Duration
	// Algorithm is how the service counts. The default is that of the namespace, or a
	// sliding window if the namespace has none.
	Algorithm Algorithm
	// Timeout bounds one decision, retries included, and then cancels the
	// request. With 0 the timeouts of the client apply.
	Timeout time.Duration
	// OnError decides when the service can't be asked. By default it denies.
	// Return Decision{Allowed: true} to allow some identifiers or some errors.
	OnError func(ctx context.Context, identifier string, err error) Decision
	// BlockDenied is the number of denied identifiers to cache; 0 for none. A
	// cached identifier is denied without a request until what it asked for would
	// fit, but at most for two windows, unless it asks for less than was denied. That
	// saves requests of callers who keep trying. An override that is raised meanwhile
	// takes effect only then.
	BlockDenied int
}

// Limiter applies one rate limit to any number of identifiers. The counts are
// kept by the service and shared by all programs that use the same namespace. It
// is safe for concurrent use.
type Limiter struct {
	cfg        LimiterConfig
	ratelimits Ratelimits
	denied     *denyCache
}

// Decision is the decision of a [Limiter]. The zero value denies.
type Decision struct {
	// Allowed reports whether the call is allowed, and counted.
	Allowed bool
	// Limit is the limit that applied; 0 in a decision of OnError.
	Limit int64
	// Remaining is how much is left in the window.
	Remaining int64
	// Reset is the end of the window, or when the token bucket is full again, by the
	// clock of the service.
	Reset time.Time
	// RetryAfter is how long to wait until the call would be allowed, if nothing else
	// is counted until then. It is 0 if the call is allowed, and if it never will be
	// because it asks for more than Limit. Of a Local denial it is when the cache ends.
	RetryAfter time.Duration
	// Local reports that the denial came from the cache of BlockDenied.
	Local bool
	// Err is the reason why the service could not be asked; OnError has decided.
	Err error
}

// Limiter returns a limiter, or an error that says what is wrong with cfg. Create
// it once and use it for all decisions: the cache of BlockDenied belongs to it.
func (c *Client) Limiter(cfg LimiterConfig) (*Limiter, error) {
	switch {
	case cfg.Namespace == "":
		return nil, errors.New("latchkey: the limiter has no Namespace")
	case cfg.Limit < 1:
		return nil, errors.New("latchkey: the limiter's Limit is less than 1")
	case cfg.Window < time.Second || cfg.Window > 30*24*time.Hour:
		return nil, errors.New("latchkey: the limiter's Window is not between one second and thirty days")
	}
	if cfg.OnError == nil {
		cfg.OnError = func(context.Context, string, error) Decision { return Decision{} }
	}
	return &Limiter{cfg: cfg, ratelimits: c.Ratelimits, denied: newDenyCache(cfg.BlockDenied)}, nil
}

// Allow is [Limiter.AllowN] with n = 1.
func (l *Limiter) Allow(ctx context.Context, identifier string) Decision {
	return l.AllowN(ctx, identifier, 1)
}

// AllowN decides whether identifier, such as the id of a user, can use n now,
// and counts n if so. A refused call counts nothing, and n = 0 asks without
// counting. If the service can't be asked, OnError decides; a negative n is an
// error of the caller and is decided there too.
func (l *Limiter) AllowN(ctx context.Context, identifier string, n int64) Decision {
	if d, known := l.denied.find(identifier, n, time.Now()); known {
		return d
	}
	if l.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.cfg.Timeout)
		defer cancel()
	}
	result, err := l.ratelimits.Limit(ctx, LimitRequest{
		Namespace: l.cfg.Namespace, Identifier: identifier,
		Limit: l.cfg.Limit, Duration: Per(l.cfg.Window), Cost: Set(n), Algorithm: l.cfg.Algorithm,
	})
	if err != nil {
		d := l.cfg.OnError(ctx, identifier, err)
		d.Err = err
		return d
	}
	d := Decision{
		Allowed: result.Success, Limit: result.Limit, Remaining: result.Remaining,
		Reset: result.Reset.Time, RetryAfter: l.retryAfter(&result, n),
	}
	if !d.Allowed {
		l.denied.note(identifier, n, d, time.Now().Add(l.blockFor(&d)))
	}
	return d
}

// retryAfter returns when to ask for n again. A service that doesn't say gets the
// time until its reset.
func (l *Limiter) retryAfter(result *LimitResult, n int64) time.Duration {
	switch {
	case result.Success || n > result.Limit:
		return 0
	case result.RetryAfter.Milliseconds() > 0:
		return result.RetryAfter.Duration()
	}
	return max(l.untilReset(result.Reset.Time), time.Millisecond) // 0 would mean never
}

// untilReset returns the time until a reset, but at most a window, in case the clocks
// of service and program differ.
func (l *Limiter) untilReset(reset time.Time) time.Duration {
	return min(time.Until(reset), l.cfg.Window)
}

// blockFor returns how long to deny without a request. A limit is free again after two
// windows at most; an override can have longer ones, and can be changed. What never
// fits is asked for again when the window ends, as an override can be raised.
func (l *Limiter) blockFor(d *Decision) time.Duration {
	if d.RetryAfter == 0 {
		return l.untilReset(d.Reset)
	}
	return min(d.RetryAfter, 2*l.cfg.Window)
}
