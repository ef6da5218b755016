package protect

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// NoKey is the code of a request without a key. It isn't a code of the service,
// which never gets such a request.
const NoKey latchkey.Code = "NO_KEY"

// Denied is the error of a key that is not valid, for errors.As. It never contains
// the key.
type Denied struct {
	// Verification is the result of the service. Its Code is always set: NoKey if
	// there was no key, and NOT_FOUND also for text that can't be a key.
	Verification latchkey.Verification
	// RetryAfter is how long to wait until all exceeded limits have room for the
	// request, or until the refill of its credits, if nothing else is counted or spent
	// until then. It is zero with other codes than RATE_LIMITED and USAGE_EXCEEDED, and
	// if there is no such time because the request costs more than a limit or a refill.
	RetryAfter time.Duration
}

// denial is the response to a code.
type denial struct {
	status int
	detail string
}

var denials = map[latchkey.Code]denial{
	NoKey:             {http.StatusUnauthorized, "the request has no API key"},
	latchkey.NotFound: {http.StatusUnauthorized, "there is no such API key"},
	latchkey.Disabled: {http.StatusUnauthorized, "the API key is disabled"},
	latchkey.Expired:  {http.StatusUnauthorized, "the API key has expired"},
	latchkey.UsageExceeded: {http.StatusPaymentRequired,
		"the API key has not enough credits left"},
	latchkey.InsufficientPermissions: {http.StatusForbidden, "the API key lacks a permission"},
	latchkey.Forbidden:               {http.StatusForbidden, "the API key may not be used here"},
	latchkey.RateLimited:             {http.StatusTooManyRequests, "the API key is used too often"},
}

// unknown is the response to a code of a newer service.
var unknown = denial{http.StatusForbidden, "the API key may not be used"}

// denied returns the denial of a key for which asked was asked.
func denied(v latchkey.Verification, asked latchkey.VerifyKeyRequest) *Denied {
	d := &Denied{Verification: v, RetryAfter: v.RetryAfter.Duration()}
	if d.RetryAfter > 0 {
		return d
	}
	for l := range d.exceeded() {
		if costOf(asked, l.Name) > l.Limit {
			d.RetryAfter = 0
			break
		}
		d.RetryAfter = max(d.RetryAfter, retryAfter(l))
	}
	return d
}

// costOf returns what a request uses of a limit: as of a limit that is named twice, the
// last one counts.
func costOf(asked latchkey.VerifyKeyRequest, limit string) int64 {
	for _, l := range slices.Backward(asked.Ratelimits) {
		if l.Name == limit {
			return l.Cost.Or(1)
		}
	}
	return 1
}

// retryAfter returns when an exceeded limit has room again. A service that doesn't say
// gets the time until its reset, but not more than a window if clocks differ.
func retryAfter(l latchkey.RatelimitState) time.Duration {
	if wait := l.RetryAfter.Duration(); wait > 0 {
		return wait
	}
	untilReset := min(time.Until(l.Reset.Time), l.Duration.Duration())
	return max(untilReset, time.Second) // an immediate retry would be denied, too
}

// Status returns the HTTP status of the denial: 401, 402, 403 or 429.
func (d *Denied) Status() int { return d.denial().status }

// Error returns the reason of the denial.
func (d *Denied) Error() string {
	return fmt.Sprintf("protect: %s: %s", d.Verification.Code, d.denial().detail)
}

func (d *Denied) denial() denial {
	if d.Verification.Code == latchkey.UsageExceeded &&
		slices.ContainsFunc(d.Verification.Budgets,
			func(b latchkey.BudgetState) bool { return b.Exceeded }) {
		return denial{http.StatusPaymentRequired, "a budget of the API key is used up"}
	}
	if known, ok := denials[d.Verification.Code]; ok {
		return known
	}
	return unknown
}

// exceeded iterates over the exceeded limits of a rate limited request.
func (d *Denied) exceeded() iter.Seq[latchkey.RatelimitState] {
	return func(yield func(latchkey.RatelimitState) bool) {
		if d.Verification.Code != latchkey.RateLimited {
			return
		}
		for _, l := range d.Verification.Ratelimits {
			if l.Exceeded && !yield(l) {
				return
			}
		}
	}
}
