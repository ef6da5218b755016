package protect

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// Verifier verifies keys. It must be safe for concurrent use. The field Keys of a
// [latchkey.Client] is one, and so is a latchkeytest.Static.
type Verifier interface {
	Verify(ctx context.Context, r latchkey.VerifyKeyRequest,
		opts ...latchkey.CallOption) (latchkey.Verification, error)
}

// Config configures a [Guard]. Only Verifier is required.
type Config struct {
	// Verifier verifies the keys.
	Verifier Verifier
	// Extract finds the key in a request; Bearer by default.
	Extract Extractor
	// OnDenied writes the response to a request without a valid key. If it writes
	// nothing, the default response follows, with the headers that it set.
	// It can't let the request pass.
	OnDenied func(w http.ResponseWriter, r *http.Request, d *Denied)
	// OnError decides about requests whose key could not be verified; by default
	// FailClosed(slog.Default()).
	OnError ErrorPolicy
	// Cache caches verifications for a short time; by default none.
	Cache Cache
	// Budgets settles, extends and releases what Guard.Reserve reserves; needed for that only.
	Budgets Budgets
	// Resource is announced in responses with status 401, for clients that look for it, such as
	// those of the Model Context Protocol. The function Metadata serves it. By default there is
	// none.
	Resource *latchkey.ProtectedResource
}

// Cache configures the cache of a [Guard], which saves requests to the service.
//
// A cached key that is deleted, disabled or loses permissions can pass until TTL
// ends, and the analytics of the service don't have the verifications from the
// cache. A valid key is never cached beyond its expiry, and only if nothing is
// counted: keys with credits, budgets or rate limits, and guards with a cost, limits or
// tags, or that reserve, are always verified by the service.
//
// A key that doesn't exist is cached for TTL, but at most for 5 seconds: if it is
// imported right after it was denied, it stays denied for that long. Nothing else is
// cached about keys that are not valid.
type Cache struct {
	// TTL is how long a verification is cached; zero disables the cache.
	TTL time.Duration
	// Max is the largest number of cached verifications, and of keys that don't
	// exist; 10,000 of each by default. An entry takes some hundred bytes.
	Max int
}

// Guard requires valid keys. [Guard.Require], [Guard.Cost], [Guard.Reserve],
// [Guard.Limits] and [Guard.Tags] return guards that check more and don't change the
// original, so one guard serves all routes. It is safe for concurrent use.
type Guard struct {
	verifier Verifier
	budgets  Budgets // nil if not configured
	extract  Extractor
	onDenied func(http.ResponseWriter, *http.Request, *Denied)
	onError  ErrorPolicy
	cache    *cache                    // nil if switched off; shared with the guards made of this one
	metadata string                    // the parameter of WWW-Authenticate for the resource, or ""
	ask      latchkey.VerifyKeyRequest // what is asked about every key
}

// New returns a guard that requires a valid key and nothing else. It panics if
// cfg.Verifier is nil, or if a URL of cfg.Resource is not valid.
func New(cfg Config) *Guard {
	if cfg.Verifier == nil {
		panic("protect: Config.Verifier is nil")
	}
	if cfg.Extract == nil {
		cfg.Extract = Bearer
	}
	return &Guard{
		verifier: cfg.Verifier,
		budgets:  cfg.Budgets,
		extract:  cfg.Extract,
		onDenied: cfg.OnDenied,
		onError:  cfg.OnError,
		cache:    newCache(cfg.Cache, time.Now),
		metadata: announcement(cfg.Resource),
	}
}

// Require returns a guard that also requires the key to satisfy a permission
// query, for example "documents.read AND (documents.write OR admin)", in addition
// to the query that g has. It panics on a blank query, which would require
// nothing. Don't build a query from the content of a request.
func (g *Guard) Require(permissions latchkey.PermissionQuery) *Guard {
	if strings.TrimSpace(string(permissions)) == "" {
		panic("protect: Require needs a permission query")
	}
	d := *g
	if d.ask.Permissions != "" {
		permissions = "(" + d.ask.Permissions + ") AND (" + permissions + ")"
	}
	d.ask.Permissions = permissions
	return &d
}

// Cost returns a guard whose requests spend n credits, instead of 1, of keys that
// have a balance. With a cost of 0 a key passes even if it has no credits left.
func (g *Guard) Cost(n int64) *Guard {
	d := *g
	d.ask.Credits = &latchkey.VerifyKeyCredits{Cost: latchkey.Int(n)}
	return &d
}

// Limits returns a guard that also checks these rate limits, in addition to those
// that g has and those that apply to the key automatically.
func (g *Guard) Limits(limits ...latchkey.VerifyKeyRatelimit) *Guard {
	d := *g
	d.ask.Ratelimits = slices.Concat(d.ask.Ratelimits, limits)
	return &d
}

// Tags returns a guard that adds these tags to the events of its verifications,
// for later analysis, for example "path=/v1/search".
func (g *Guard) Tags(tags ...string) *Guard {
	d := *g
	d.ask.Tags = slices.Concat(d.ask.Tags, tags)
	return &d
}
