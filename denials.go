package latchkey

import (
	"sync"
	"time"
)

// denials remembers the last refusals of a service, up to a fixed number: when
// it is full, a new one takes the place of the oldest. Only what a service has
// said may be put in.
type denials struct {
	mu   sync.Mutex
	of   map[string]denial
	ring []string // the identifiers in the order they came, from next on
	next int
}

// denial is what a service refused: this cost and all above, until then.
type denial struct {
	decision Decision
	cost     int64
	until    time.Time
}

func newDenials(room int) *denials {
	return &denials{of: make(map[string]denial), ring: make([]string, max(0, room))}
}

// find returns the refusal that a use of this cost would surely meet.
func (d *denials) find(identifier string, cost int64, now time.Time) (Decision, bool) {
	if len(d.ring) == 0 {
		return Decision{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.of[identifier]
	return known.decision, ok && cost >= known.cost && now.Before(known.until)
}

// note remembers a refusal. Of an identifier it keeps one: the latest, unless
// that one says less than what is known.
func (d *denials) note(identifier string, cost int64, decision Decision, until time.Time) {
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
