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
// Retry-After, or 503 if the service could not be asked.
func (l *Limiter) Handler(identify func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := l.Allow(r.Context(), identify(r))
		wait := l.seconds(d.Reset)
		if d.Limit > 0 {
			w.Header().Set("RateLimit-Limit", strconv.FormatInt(d.Limit, 10))
			w.Header().Set("RateLimit-Remaining", strconv.FormatInt(d.Remaining, 10))
			w.Header().Set("RateLimit-Reset", wait)
		}
		switch {
		case d.Allowed:
			next.ServeHTTP(w, r)
		case d.Err != nil:
			http.Error(w, "The rate limit can't be checked at the moment.", http.StatusServiceUnavailable)
		default:
			w.Header().Set("Retry-After", wait)
			http.Error(w, "Too many requests.", http.StatusTooManyRequests)
		}
	})
}

// seconds returns the time until a window ends in whole seconds, rounded up. It is
// at least 1 and at most a window, in case clocks differ.
func (l *Limiter) seconds(reset time.Time) string {
	left := min(max(time.Until(reset), time.Second), l.cfg.Window)
	return strconv.FormatInt(int64((left+time.Second-1)/time.Second), 10)
}
