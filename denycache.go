package latchkey

import (
	"sync"
	"time"
)

// denyCache caches the last denials of a service, up to a fixed number. A new one
// replaces the oldest. Decisions of OnError are never cached.
type denyCache struct {
	mu   sync.Mutex
	of   map[string]denial
	ring []string // the identifiers in the order they came, from next on
	next int
}

// denial is a cached denial: of this cost and all above, until then.
type denial struct {
	decision Decision
	cost     int64
	until    time.Time
}

func newDenyCache(size int) *denyCache {
	return &denyCache{of: make(map[string]denial), ring: make([]string, max(0, size))}
}

// find returns the cached denial that covers this cost.
func (d *denyCache) find(identifier string, cost int64, now time.Time) (Decision, bool) {
	if len(d.ring) == 0 {
		return Decision{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.of[identifier]
	decision := known.decision
	if decision.RetryAfter = known.until.Sub(now); cost > decision.Limit {
		decision.RetryAfter = 0 // never
	}
	return decision, ok && cost >= known.cost && now.Before(known.until)
}

// note caches a denial. There is one for each identifier: the latest, unless it
// covers less than the cached one.
func (d *denyCache) note(identifier string, cost int64, decision Decision, until time.Time) {
	if len(d.ring) == 0 {
		return
	}
	decision.Local = true
	d.mu.Lock()
	defer d.mu.Unlock()
	old, known := d.of[identifier]
	switch {
	case known && old.cost <= cost && !old.until.Before(until):
		return
	case !known:
		delete(d.of, d.ring[d.next])
		d.ring[d.next] = identifier
		d.next = (d.next + 1) % len(d.ring)
	}
	d.of[identifier] = denial{decision, cost, until}
}
