package latchkey

import (
	"net/http"
	"strconv"
	"time"
)

// Handler returns next behind the limiter: one request uses 1. Identify says
// whom a request counts for, for example by its key or its address.
//
// Every answer has the headers RateLimit-Limit, RateLimit-Remaining and
// RateLimit-Reset, which counts in seconds. A refused request is answered with
// 429 and Retry-After, or with 503 if the service could not be asked, and does
// not reach next.
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

// seconds writes the time until a window ends in whole seconds, rounded up, at
// least 1 and at most a window, so that a clock which is wrong does no harm.
func (l *Limiter) seconds(reset time.Time) string {
	left := min(max(time.Until(reset), time.Second), l.cfg.Window)
	return strconv.FormatInt(int64((left+time.Second-1)/time.Second), 10)
}
