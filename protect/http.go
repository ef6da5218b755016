package protect

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// Handler returns a handler that calls next for requests with a valid key, with
// the verification in their context, and denies all others. If the key has rate limits,
// every response has the header fields of [latchkey.SetRateLimitHeader]. It is middleware
// for chi and other routers that take functions from handler to handler:
//
//	router.Use(guard.Handler)
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := g.CheckRequest(r)
		if err != nil {
			g.answer(w, r, err)
			return
		}
		latchkey.SetRateLimitHeader(w.Header(), v.Ratelimits, 0)
		ctx, end := g.Begin(r.Context(), v)
		defer end()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// answer writes the response to a denied request.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	own, before := http.Header(nil), w.Header().Clone()
	var d *Denied
	if g.onDenied != nil && errors.As(err, &d) {
		seen := &witness{ResponseWriter: w}
		if g.onDenied(seen, r, d); seen.wrote {
			return
		}
		own = w.Header()
	}
	a := g.Refuse(r.Context(), err)
	for name, values := range a.Header {
		if !changed(name, before, own) {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body()) // an error means that the caller has disconnected
}

// changed reports whether a header was set, or set to something else.
func changed(name string, before, after http.Header) bool {
	values, set := after[name]
	old, had := before[name]
	return set && !(had && slices.Equal(values, old))
}

// witness notices whether a hook has written a response. Without it, a hook that
// writes nothing would cause status 200.
type witness struct {
	http.ResponseWriter
	wrote bool
}

// Unwrap returns the writer of the server, for http.ResponseController.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter. Informational statuses are not a
// response, except for the one that hands the connection over.
func (w *witness) WriteHeader(status int) {
	w.wrote = w.wrote || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. To write nothing is not a response: it would
// be one of status 200.
func (w *witness) Write(p []byte) (int, error) {
	if len(p) == 0 && !w.wrote {
		return 0, nil
	}
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *witness) Flush() {
	_ = w.FlushError() // which the caller didn't ask for
}

// FlushError flushes what was written, for http.ResponseController. Before that there
// is nothing to flush, and a response of status 200 would be sent.
func (w *witness) FlushError() error {
	if !w.wrote {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. Who takes the connection over answers on it.
func (w *witness) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.wrote = w.wrote || err == nil
	return conn, buffer, err
}

// contextKey is the key of the verification in a context.
type contextKey struct{}

// NewContext returns a context with v, for [FromContext]. It is for tests of handlers.
func NewContext(ctx context.Context, v latchkey.Verification) context.Context {
	return context.WithValue(ctx, contextKey{}, v)
}

// FromContext returns the verification of the key of a request, and whether there
// is one. Behind a guard there is one, unless [FailOpen] let the request pass.
func FromContext(ctx context.Context) (latchkey.Verification, bool) {
	v, _ := ctx.Value(contextKey{}).(latchkey.Verification)
	if !v.Valid {
		return latchkey.Verification{}, false
	}
	return v, true
}
