package latchkey

import (
	"context"
	"errors"
	"time"
)

// LimiterConfig says what a [Limiter] limits, and what it does when the service
// does not answer.
type LimiterConfig struct {
	// Namespace groups the identifiers; a new name makes a new namespace.
	Namespace string
	// Limit is how much each identifier may use in one window, unless an override
	// says otherwise.
	Limit int64
	// Window is the length of the window, one second to thirty days.
	Window time.Duration
	// Timeout bounds one decision in all and then cancels the request; 0 leaves
	// it to the client's own timeouts.
	Timeout time.Duration
	// OnError decides in place of a service that could not be asked. By default
	// the answer is no. It may say yes to some identifiers, or after some errors,
	// with Decision{Allowed: true}.
	OnError func(ctx context.Context, identifier string, err error) Decision
	// BlockDenied is how many refused identifiers are remembered, 0 for none.
	// They are refused here, without asking, until the end of the window in which
	// the service refused them; a use that costs less than what was refused is
	// still asked for. This spares the service those who keep knocking. It is
	// stricter than the service, whose window slides and so has some room again
	// before its end, and it is late to see that an override was raised.
	BlockDenied int
}

// Limiter decides how often something may be done, for any number of
// identifiers that have one limit. It is safe for concurrent use.
type Limiter struct {
	cfg        LimiterConfig
	ratelimits Ratelimits
	denied     *denials
}

// Decision is whether something may be done now. The zero value says no.
type Decision struct {
	// Allowed reports whether it may be done. It has been counted then.
	Allowed bool
	// Limit is the limit that applied; 0 in a decision of OnError.
	Limit int64
	// Remaining is how much is left in the window.
	Remaining int64
	// Reset is the end of the window, by the service's clock.
	Reset time.Time
	// Local reports that it was refused here because the service has just refused it.
	Local bool
	// Err is why the service could not be asked. The decision is OnError's then.
	Err error
}

// Limiter returns a limiter, or an error if cfg can't work. Ask it again and
// again; one that is made for each decision remembers nothing.
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
	return &Limiter{cfg: cfg, ratelimits: c.Ratelimits, denied: newDenials(cfg.BlockDenied)}, nil
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
		Limit: l.cfg.Limit, Duration: Per(l.cfg.Window), Cost: Set(n),
	})
	if err != nil {
		d := l.cfg.OnError(ctx, identifier, err)
		d.Err = err
		return d
	}
	d := Decision{
		Allowed: result.Success, Limit: result.Limit, Remaining: result.Remaining, Reset: result.Reset.Time,
	}
	if !d.Allowed {
		l.denied.note(identifier, n, d, l.until(d.Reset))
	}
	return d
}

// until is when to ask again after a refusal: at its reset, but never later than
// a window from now, whatever the clocks of service and program make of it.
func (l *Limiter) until(reset time.Time) time.Time {
	if latest := time.Now().Add(l.cfg.Window); latest.Before(reset) {
		return latest
	}
	return reset
}
