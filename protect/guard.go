package protect

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// Verifier answers whether a key may pass. The Keys of a [latchkey.Client] are
// one. It must be safe for concurrent use.
type Verifier interface {
	Verify(ctx context.Context, r latchkey.VerifyKeyRequest, opts ...latchkey.CallOption) (latchkey.Verification, error)
}

// Config says how a [Guard] works. Only Verifier is needed.
type Config struct {
	// Verifier is asked about every key.
	Verifier Verifier
	// Extract finds the key in a request; Bearer by default.
	Extract Extractor
	// OnDenied answers a request that may not pass. What it sets in the header
	// stands; if it writes nothing, the default answer follows. The request is
	// refused whatever it does.
	OnDenied func(w http.ResponseWriter, r *http.Request, d *Denied)
	// OnError decides when a key could not be verified; by default
	// FailClosed(slog.Default()).
	OnError ErrorPolicy
	// Cache keeps answers for a short time; by default none is kept.
	Cache Cache
}

// Cache says how long and how many answers a guard keeps, to ask less often.
//
// The price is that a key that is deleted, disabled or stripped of permissions
// may pass until TTL is over, and that what is answered from here is missing in
// the service's analytics. Only valid answers are kept, never beyond the key's
// expiry, and only those that nothing is counted for: a key with credits or
// rate limits, and a guard with a cost, limits or tags, always ask.
type Cache struct {
	// TTL is how long an answer is kept; zero switches the cache off.
	TTL time.Duration
	// Max is how many answers are kept at most; 10,000 by default.
	Max int
}

// Guard lets only valid keys through. Its methods Require, Cost, Limits and Tags
// return guards that ask for more and leave the original as it is, so one guard
// serves all routes. It is safe for concurrent use.
type Guard struct {
	verifier Verifier
	extract  Extractor
	onDenied func(http.ResponseWriter, *http.Request, *Denied)
	onError  ErrorPolicy
	cache    *cache                    // nil if switched off; shared with the guards made of this one
	ask      latchkey.VerifyKeyRequest // what is asked about every key
}

// New returns a guard that asks nothing but that the key is valid. It panics
// without a Verifier, for such a guard could only ever refuse.
func New(cfg Config) *Guard {
	if cfg.Verifier == nil {
		panic("protect: Config.Verifier is nil")
	}
	if cfg.Extract == nil {
		cfg.Extract = Bearer
	}
	return &Guard{
		verifier: cfg.Verifier,
		extract:  cfg.Extract,
		onDenied: cfg.OnDenied,
		onError:  cfg.OnError,
		cache:    newCache(cfg.Cache, time.Now),
	}
}

// Require returns a guard that also wants the key to satisfy a permission query,
// for example "documents.read AND (documents.write OR admin)", besides the one
// the guard had. It panics on a blank query, which would require nothing. A query
// is part of the program: don't build one from what a request says.
func (g *Guard) Require(permissions string) *Guard {
	if strings.TrimSpace(permissions) == "" {
		panic("protect: Require needs a permission query")
	}
	d := *g
	if d.ask.Permissions != "" {
		permissions = "(" + d.ask.Permissions + ") AND (" + permissions + ")"
	}
	d.ask.Permissions = permissions
	return &d
}

// Cost returns a guard that takes n credits per request from a key that has a
// balance, instead of 1. A cost of 0 takes nothing and passes even without any left.
func (g *Guard) Cost(n int64) *Guard {
	d := *g
	d.ask.Credits = &latchkey.VerifyKeyCredits{Cost: n}
	return &d
}

// Limits returns a guard that also checks these rate limits, besides those it
// had and those that always apply to the key.
func (g *Guard) Limits(limits ...latchkey.VerifyKeyRatelimit) *Guard {
	d := *g
	d.ask.Ratelimits = slices.Concat(d.ask.Ratelimits, limits)
	return &d
}

// Tags returns a guard that also marks its verifications with these tags for
// later analysis, for example "path=/v1/search".
func (g *Guard) Tags(tags ...string) *Guard {
	d := *g
	d.ask.Tags = slices.Concat(d.ask.Tags, tags)
	return &d
}
