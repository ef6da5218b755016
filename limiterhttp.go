package latchkey

import (
	"net/http"
	"strconv"
	"time"
)

// Handler returns middleware that calls next for requests within the limit. Each
// request counts 1 for the identifier that identify returns, for example the
// address of the caller.
//
// Every response has the headers RateLimit-Limit, RateLimit-Remaining and
// RateLimit-Reset, which is in seconds. A denied request gets status 429 with
// Retry-After, which is when it would be allowed and can be before or after the reset,
// or 503 if the service could not be asked. With a limit of 0 there is no Retry-After.
func (l *Limiter) Handler(identify func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := l.Allow(r.Context(), identify(r))
		if d.Limit > 0 {
			w.Header().Set("RateLimit-Limit", strconv.FormatInt(d.Limit, 10))
			w.Header().Set("RateLimit-Remaining", strconv.FormatInt(d.Remaining, 10))
			w.Header().Set("RateLimit-Reset", wholeSeconds(l.untilReset(d.Reset)))
		}
		switch {
		case d.Allowed:
			next.ServeHTTP(w, r)
		case d.Err != nil:
			http.Error(w, "The rate limit can't be checked at the moment.", http.StatusServiceUnavailable)
		default:
			if d.RetryAfter > 0 {
				w.Header().Set("Retry-After", wholeSeconds(d.RetryAfter))
			}
			http.Error(w, "Too many requests.", http.StatusTooManyRequests)
		}
	})
}

// wholeSeconds returns a time in whole seconds, rounded up and at least 1, so that who
// waits that long has waited long enough.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((max(d, 1)-1)/time.Second)+1, 10)
}
