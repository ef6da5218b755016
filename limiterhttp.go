package latchkey

import (
	"net/http"
)

// Handler returns middleware that calls next for requests within the limit. Each
// request counts 1 for the identifier that identify returns, for example the
// address of the caller.
//
// Every response has the header fields of [SetRateLimitHeader], in which the limit has the
// name of its namespace. A denied request gets status 429 with Retry-After, which is when it
// would be allowed and can be before or after the reset, or 503 if the service could not be
// asked. With a limit of 0 there is no Retry-After.
func (l *Limiter) Handler(identify func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := l.Allow(r.Context(), identify(r))
		if d.Err == nil {
			SetRateLimitHeader(w.Header(), []RatelimitState{l.state(&d)}, d.RetryAfter)
		}
		switch {
		case d.Allowed:
			next.ServeHTTP(w, r)
		case d.Err != nil:
			http.Error(w, "The rate limit can't be checked at the moment.", http.StatusServiceUnavailable)
		default:
			http.Error(w, "Too many requests.", http.StatusTooManyRequests)
		}
	})
}

// state returns the state of the limit after a decision of the service.
func (l *Limiter) state(d *Decision) RatelimitState {
	return RatelimitState{
		Exceeded: !d.Allowed, Name: l.cfg.Namespace, Limit: d.Limit, Remaining: d.Remaining,
		Duration: Per(l.cfg.Window), Reset: At(d.Reset), RetryAfter: Per(d.RetryAfter),
	}
}
