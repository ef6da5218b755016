package protect

import (
	"fmt"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// NoKey is the code of a request without a key. The service doesn't know it,
// because it isn't asked about such a request.
const NoKey latchkey.Code = "NO_KEY"

// Denied is the error of a key that is not valid, for errors.As. It never contains
// the key.
type Denied struct {
	// Verification is the result of the service. Its Code is always set: NoKey if
	// there was no key, and NOT_FOUND also for text that can't be a key.
	Verification latchkey.Verification
	// RetryAfter is how long to wait before the next try, if the code is
	// RATE_LIMITED; zero if that is unknown.
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

func denied(v latchkey.Verification) *Denied {
	d := &Denied{Verification: v}
	if l, ok := d.exceeded(); ok {
		// If clocks differ, the caller must still not wait longer than a window.
		d.RetryAfter = max(0, min(time.Until(l.Reset.Time), l.Duration.Duration()))
	}
	return d
}

// Status returns the HTTP status of the denial: 401, 402, 403 or 429.
func (d *Denied) Status() int { return d.denial().status }

// Error returns the reason of the denial.
func (d *Denied) Error() string {
	return fmt.Sprintf("protect: %s: %s", d.Verification.Code, d.denial().detail)
}

func (d *Denied) denial() denial {
	if known, ok := denials[d.Verification.Code]; ok {
		return known
	}
	return unknown
}

// exceeded returns the exceeded rate limit that resets last.
func (d *Denied) exceeded() (latchkey.RatelimitState, bool) {
	var longest latchkey.RatelimitState
	for _, l := range d.Verification.Ratelimits {
		if l.Exceeded && (!longest.Exceeded || l.Reset.After(longest.Reset.Time)) {
			longest = l
		}
	}
	return longest, longest.Exceeded && d.Verification.Code == latchkey.RateLimited
}
