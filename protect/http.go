package protect

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"github.com/latchkeyhq/latchkey"
)

// Handler returns a handler that calls next for requests with a valid key, with
// the verification in their context, and denies all others. It is middleware for
// chi and other routers that take functions from handler to handler:
//
//	router.Use(guard.Handler)
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := g.CheckRequest(r)
		if err != nil {
			g.answer(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), v)))
	})
}

// answer writes the response to a denied request.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	var d *Denied
	if g.onDenied != nil && errors.As(err, &d) {
		own := &witness{ResponseWriter: w}
		if g.onDenied(own, r, d); own.wrote {
			return
		}
	}
	a := g.Refuse(r.Context(), err)
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	w.Write(a.Body()) // an error means that the caller has disconnected
}

// witness notices whether a hook has written a response. Without it, a hook that
// writes nothing would cause status 200.
type witness struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader implements http.ResponseWriter. Informational statuses are not a response.
func (w *witness) WriteHeader(status int) {
	w.wrote = w.wrote || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *witness) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// contextKey is the key of the verification in a context.
type contextKey struct{}

// NewContext returns a context with v, for [FromContext]. It is for adapters and
// for tests of handlers.
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
