package protect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// Check verifies a key. With [Guard.Reserve], the caller ends the reservation, which
// [Guard.Begin] does too. It returns nil if the key passes: then the verification is
// valid, unless the policy is [FailOpen] and the service is unreachable, which
// leaves the zero Verification. A [*Denied] says that the key is not valid. Any
// other error says that it could not be verified; its text can quote the service.
func (g *Guard) Check(ctx context.Context, key string) (latchkey.Verification, error) {
	if key == "" {
		return latchkey.Verification{}, &Denied{Verification: latchkey.Verification{Code: NoKey}}
	}
	v, err := g.verify(ctx, key)
	switch {
	case err != nil:
		return latchkey.Verification{}, g.failed(ctx, err)
	case !v.Valid:
		return latchkey.Verification{}, denied(v, g.ask)
	}
	return v, nil
}

// CheckRequest is [Guard.Check] for the key that Config.Extract finds in r.
func (g *Guard) CheckRequest(r *http.Request) (latchkey.Verification, error) {
	key, ok := g.extract(r)
	if !ok {
		key = ""
	}
	return g.Check(r.Context(), key)
}

// verify verifies a key, or takes its verification from the cache.
func (g *Guard) verify(ctx context.Context, key string) (latchkey.Verification, error) {
	r := g.ask
	r.Key = key
	if g.onError.open || r.Reserve != nil {
		// A caller that can make the verification fail gets in, or leaves behind a
		// reservation that nobody knows, so neither its deadline nor its disconnecting
		// ends it; the timeout of the verifier does.
		ctx = context.WithoutCancel(ctx)
	}
	if g.cache == nil || counts(r) {
		return g.verifier.Verify(ctx, r)
	}
	return g.cache.verify(r, func() (latchkey.Verification, error) {
		return g.verifier.Verify(ctx, r)
	})
}

// failed returns the error for a key that could not be verified, or nil if the
// policy is to fail open and the service is unreachable.
func (g *Guard) failed(ctx context.Context, err error) error {
	switch {
	case unfit(err):
		return &Denied{Verification: latchkey.Verification{Code: latchkey.NotFound}}
	case g.onError.open && outage(err):
		g.onError.logger().WarnContext(ctx,
			"protect: a request passes although its key could not be verified", "error", err)
		return nil
	}
	return fmt.Errorf("protect: the key could not be verified: %w", err)
}

// unfit reports whether the service refused the request only because of the form
// of the key, for instance its length: such a key can't exist.
func unfit(err error) bool {
	var e *latchkey.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		return false
	}
	for _, f := range e.Faults {
		if !strings.HasPrefix(f.Location, "/properties/key/") {
			return false
		}
	}
	return len(e.Faults) > 0
}

// outage reports whether the service is unreachable or broken. Otherwise it has
// refused the request because of a mistake in it, or because the workspace has used up
// its requests, which any stranger with made-up keys can bring about.
func outage(err error) bool {
	var e *latchkey.Error
	return !errors.As(err, &e) || e.Status >= http.StatusInternalServerError
}

// ErrorPolicy decides about requests whose key could not be verified. The zero
// value is FailClosed(slog.Default()).
type ErrorPolicy struct {
	open bool
	log  *slog.Logger
}

// FailClosed is the policy that denies these requests with status 503 and logs the
// reason.
func FailClosed(log *slog.Logger) ErrorPolicy { return ErrorPolicy{log: log} }

// FailOpen is the policy that lets these requests pass while the service is
// unreachable or broken, and logs each. Handlers then get no verification from
// [FromContext]. Whatever the service refuses stays denied: a wrong root key, a query
// that can't be parsed, an unknown rate limit, and requests beyond the limit of the
// workspace (429), which a caller could use up with made-up keys.
//
// Use it only where availability matters more than protection: a caller who can
// overload the service gets in. Give the client a short timeout, because the
// deadline of the caller does not end a verification.
func FailOpen(log *slog.Logger) ErrorPolicy { return ErrorPolicy{open: true, log: log} }

func (p ErrorPolicy) logger() *slog.Logger {
	if p.log == nil {
		return slog.Default()
	}
	return p.log
}
