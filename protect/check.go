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

// Check reports whether a key may pass, whatever it came with. A nil error lets
// it pass: the verification is then valid, unless the policy is [FailOpen] and
// the verifier is out of reach, which leaves the zero Verification. A [*Denied]
// is the key's own fault; any other error is not, and it may quote the service.
func (g *Guard) Check(ctx context.Context, key string) (latchkey.Verification, error) {
	if key == "" {
		return latchkey.Verification{}, denied(latchkey.Verification{Code: NoKey})
	}
	v, err := g.verify(ctx, key)
	switch {
	case err != nil:
		return latchkey.Verification{}, g.failed(ctx, err)
	case !v.Valid:
		return latchkey.Verification{}, denied(v)
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

// verify answers from the cache, or asks and remembers.
func (g *Guard) verify(ctx context.Context, key string) (latchkey.Verification, error) {
	r := g.ask
	r.Key = key
	if g.onError.open {
		// Who can make the question fail gets in, so neither the caller's
		// deadline nor its hanging up may end it; the verifier's own timeout does.
		ctx = context.WithoutCancel(ctx)
	}
	if g.cache == nil || counts(r) {
		return g.verifier.Verify(ctx, r)
	}
	return g.cache.verify(r, func() (latchkey.Verification, error) { return g.verifier.Verify(ctx, r) })
}

// failed decides what becomes of a key that could not be verified. It returns
// nil only if the policy is to fail open and the verifier is out of reach.
func (g *Guard) failed(ctx context.Context, err error) error {
	switch {
	case unfit(err):
		return denied(latchkey.Verification{Code: latchkey.NotFound})
	case g.onError.open && outage(err):
		g.onError.logger().WarnContext(ctx, "protect: a request passes although its key could not be verified", "error", err)
		return nil
	}
	return fmt.Errorf("protect: the key could not be verified: %w", err)
}

// unfit reports whether the service refused the question for nothing but the
// form of the key, for instance its length: such a key can't exist.
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

// outage reports whether the verifier is out of reach, as opposed to reached and
// refusing the question because of a mistake in it.
func outage(err error) bool {
	var e *latchkey.Error
	return !errors.As(err, &e) || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// ErrorPolicy decides about requests whose key could not be verified. The zero
// value is FailClosed(slog.Default()).
type ErrorPolicy struct {
	open bool
	log  *slog.Logger
}

// FailClosed refuses such requests with 503 and tells log why.
func FailClosed(log *slog.Logger) ErrorPolicy { return ErrorPolicy{log: log} }

// FailOpen lets such requests pass while the verifier is out of reach, that is
// unreachable, overloaded or broken, and tells log of each. Handlers then get no
// verification from [FromContext]. Mistakes stay closed: a wrong root key, a
// query that can't be parsed, an unknown rate limit. Choose it only where being
// available matters more than being protected: who can overload the verifier
// gets in. The verifier should have a short timeout, for the caller's deadline
// does not end its work.
func FailOpen(log *slog.Logger) ErrorPolicy { return ErrorPolicy{open: true, log: log} }

func (p ErrorPolicy) logger() *slog.Logger {
	if p.log == nil {
		return slog.Default()
	}
	return p.log
}
