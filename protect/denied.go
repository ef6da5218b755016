package protect

import (
	"fmt"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// NoKey is the code of a request that brought no key. The service knows nothing
// of it, for it was not asked.
const NoKey latchkey.Code = "NO_KEY"

// Denied says that a key may not pass, for errors.As. It never contains the key.
type Denied struct {
	// Verification is what the service said. Its Code is always set: NoKey if
	// there was no key, and NOT_FOUND also for what can't be a key.
	Verification latchkey.Verification
	// RetryAfter is when it is worth trying again, if the code is RATE_LIMITED;
	// zero if that is unknown.
	RetryAfter time.Duration
}

// denial is how a code is answered.
type denial struct {
	status int
	detail string
}

var denials = map[latchkey.Code]denial{
	NoKey:                            {http.StatusUnauthorized, "the request has no API key"},
	latchkey.NotFound:                {http.StatusUnauthorized, "there is no such API key"},
	latchkey.Disabled:                {http.StatusUnauthorized, "the API key is disabled"},
	latchkey.Expired:                 {http.StatusUnauthorized, "the API key has expired"},
	latchkey.UsageExceeded:           {http.StatusPaymentRequired, "the API key has not enough credits left"},
	latchkey.InsufficientPermissions: {http.StatusForbidden, "the API key lacks a permission"},
	latchkey.Forbidden:               {http.StatusForbidden, "the API key may not be used here"},
	latchkey.RateLimited:             {http.StatusTooManyRequests, "the API key is used too often"},
}

// unknown is how a code is answered that a newer service may send.
var unknown = denial{http.StatusForbidden, "the API key may not be used"}

func denied(v latchkey.Verification) *Denied {
	d := &Denied{Verification: v}
	if l, ok := d.exceeded(); ok {
		// A clock that is off must not send the caller away for longer than a window.
		d.RetryAfter = max(0, min(time.Until(l.Reset.Time), l.Duration.Duration()))
	}
	return d
}

// Status returns the HTTP status that answers the denial.
func (d *Denied) Status() int { return d.denial().status }

// Error says why the key may not pass.
func (d *Denied) Error() string {
	return fmt.Sprintf("protect: %s: %s", d.Verification.Code, d.denial().detail)
}

func (d *Denied) denial() denial {
	if known, ok := denials[d.Verification.Code]; ok {
		return known
	}
	return unknown
}

// exceeded returns the exceeded rate limit that holds the key back longest.
func (d *Denied) exceeded() (latchkey.RatelimitState, bool) {
	var longest latchkey.RatelimitState
	for _, l := range d.Verification.Ratelimits {
		if l.Exceeded && (!longest.Exceeded || l.Reset.After(longest.Reset.Time)) {
			longest = l
		}
	}
	return longest, longest.Exceeded && d.Verification.Code == latchkey.RateLimited
}
