package protect

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// missingTTL bounds how long a key that doesn't exist is remembered, because it can be
// imported meanwhile.
const missingTTL = 5 * time.Second

// cache caches valid verifications that count nothing, and keys that don't exist. Its
// size is bounded: when it is full, a new entry replaces an arbitrary one of its kind.
// That needs no bookkeeping for each request and works well as long as most keys fit.
// Made-up keys can't replace valid ones, because they are in a map of their own.
type cache struct {
	ttl time.Duration
	max int
	now func() time.Time

	mu      sync.Mutex
	answers map[question]answer
	missing map[digest]time.Time // until when
}

// digest is what is stored of a key.
type digest = [sha256.Size]byte

// question is what a verification depends on.
type question struct {
	key         digest
	permissions latchkey.PermissionQuery
}

type answer struct {
	v     latchkey.Verification
	until time.Time
}

// newCache returns nil if the cache is disabled.
func newCache(cfg Cache, now func() time.Time) *cache {
	if cfg.TTL <= 0 {
		return nil
	}
	if cfg.Max <= 0 {
		cfg.Max = 10_000
	}
	return &cache{
		ttl: cfg.TTL, max: cfg.Max, now: now,
		answers: map[question]answer{}, missing: map[digest]time.Time{},
	}
}

// verify returns the cached verification, or asks the verifier. It must not be
// called with a request that counts something.
func (c *cache) verify(
	r latchkey.VerifyKeyRequest, ask func() (latchkey.Verification, error),
) (latchkey.Verification, error) {
	q := question{sha256.Sum256([]byte(r.Key)), r.Permissions}
	// the time to live begins with the question: a change after it may be missing in the answer
	asked := c.now()
	if v, ok := c.get(q, asked); ok {
		return v, nil
	}
	v, err := ask()
	switch {
	case err != nil:
	case v.Valid && countless(v):
		c.put(q, v, asked)
	case !v.Valid && v.Code == latchkey.NotFound:
		c.miss(q.key, asked)
	}
	return v, err
}

func (c *cache) get(q question, now time.Time) (latchkey.Verification, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.missing[q.key]) {
		return latchkey.Verification{Code: latchkey.NotFound}, true
	}
	a, ok := c.answers[q]
	if !ok || !now.Before(a.until) {
		return latchkey.Verification{}, false
	}
	return clone(a.v), true
}

func (c *cache) put(q question, v latchkey.Verification, asked time.Time) {
	until := asked.Add(c.ttl)
	if !v.Expires.IsZero() && v.Expires.Before(until) {
		until = v.Expires.Time
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	insert(c.answers, q, answer{clone(v), until}, c.max)
}

func (c *cache) miss(key digest, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	insert(c.missing, key, asked.Add(min(c.ttl, missingTTL)), c.max)
}

// insert sets an entry of a map. If the map is full, the entry replaces another one.
func insert[K comparable, V any](m map[K]V, key K, v V, most int) {
	if _, known := m[key]; !known && len(m) >= most {
		for old := range m {
			delete(m, old)
			break
		}
	}
	m[key] = v
}

// counts reports whether a request has an effect: it spends credits, uses a limit,
// reserves, or adds tags.
func counts(r latchkey.VerifyKeyRequest) bool {
	return r.Credits != nil || r.Reserve != nil || len(r.Ratelimits) > 0 || len(r.Tags) > 0
}

// countless reports whether the key has neither a balance nor budgets nor limits that
// this verification has counted.
func countless(v latchkey.Verification) bool {
	return v.Credits.IsZero() && len(v.Budgets) == 0 && len(v.Ratelimits) == 0
}

// clone copies what handlers could change for each other.
func clone(v latchkey.Verification) latchkey.Verification {
	v.Permissions, v.Roles = slices.Clone(v.Permissions), slices.Clone(v.Roles)
	if v.Identity != nil {
		identity := *v.Identity
		identity.Ratelimits = slices.Clone(identity.Ratelimits)
		v.Identity = &identity
	}
	return v
}
