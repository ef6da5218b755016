package engine

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// clock orders changes and what was read from the store. Each change that has
// been committed gets the next number and writes it into the slot of every
// entity it touched; each value that was read carries the number from before it
// was read. A value is current as long as no slot of the entities it was made of
// has a later number. Slots are shared by entities whose hashes meet; that costs
// a needless read now and then, never a stale answer.
type clock struct {
	number atomic.Uint64
	seed   maphash.Seed
	slots  [1 << 15]atomic.Uint64
}

func newClock() *clock { return &clock{seed: maphash.MakeSeed()} }

func (c *clock) slot(entity string) uint32 {
	return uint32(maphash.String(c.seed, entity) % uint64(len(c.slots)))
}

// touch makes everything that was read about the entities so far out of date.
// It must be called after the commit and before the change is answered.
func (c *clock) touch(entities ...string) {
	if len(entities) == 0 {
		return
	}
	n := c.number.Add(1)
	for _, entity := range entities {
		s := &c.slots[c.slot(entity)]
		for old := s.Load(); old < n && !s.CompareAndSwap(old, n); old = s.Load() {
		}
	}
}

// stamp says what a value was made of, and when.
type stamp struct {
	asOf  uint64
	slots []uint32
}

// stampOf returns the stamp of a value that was made of the entities, read
// after the clock showed asOf.
func (c *clock) stampOf(asOf uint64, entities ...string) stamp {
	s := stamp{asOf: asOf, slots: make([]uint32, len(entities))}
	for i, entity := range entities {
		s.slots[i] = c.slot(entity)
	}
	return s
}

// current reports whether nothing the value was made of has changed since.
func (c *clock) current(s *stamp) bool {
	for _, slot := range s.slots {
		if c.slots[slot].Load() > s.asOf {
			return false
		}
	}
	return true
}

// entry is what a cache keeps.
type entry interface {
	stamped() *stamp
	unknown() bool // there is no such thing in the store
}

func (s *stamp) stamped() *stamp { return s }

// cache keeps entries that were read from the store, as long as they are
// current and there is room. That something does not exist is kept apart, in a
// small room of its own, so that made-up names can't push real entries out.
type cache[K comparable, V entry] struct {
	clock   *clock
	known   *otter.Cache[K, V]
	unknown *otter.Cache[K, V]
	name    func(K) string
	flights singleflight.Group
}

// unknowns is how many names that don't exist are kept in mind.
const unknowns = 10_000

// newCache returns a cache of at most weight bytes, as weigh counts them.
func newCache[K comparable, V entry](c *clock, weight uint64, weigh func(K, V) uint32, name func(K) string) *cache[K, V] {
	return &cache[K, V]{
		clock:   c,
		known:   otter.Must(&otter.Options[K, V]{MaximumWeight: weight, Weigher: weigh}),
		unknown: otter.Must(&otter.Options[K, V]{MaximumSize: unknowns}),
		name:    name,
	}
}

// get returns the current value of key, loading it once for all who wait. A
// load that another caller began is used only if it is still current, for it
// may have begun before a change that this caller knows of.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(ctx context.Context, asOf uint64) (V, error)) (V, error) {
	if v, ok := c.known.GetIfPresent(key); ok && c.clock.current(v.stamped()) {
		return v, nil
	}
	if v, ok := c.unknown.GetIfPresent(key); ok && c.clock.current(v.stamped()) {
		return v, nil
	}
	for {
		mine := false
		loaded, err, _ := c.flights.Do(c.name(key), func() (any, error) {
			mine = true
			return c.load(context.WithoutCancel(ctx), key, load)
		})
		v, _ := loaded.(V)
		if mine || (err == nil && c.clock.current(v.stamped())) {
			return v, err
		}
	}
}

func (c *cache[K, V]) load(ctx context.Context, key K, load func(context.Context, uint64) (V, error)) (V, error) {
	v, err := load(ctx, c.clock.number.Load())
	switch {
	case err != nil:
	case v.unknown():
		c.unknown.Set(key, v)
	default:
		c.known.Set(key, v)
	}
	return v, err
}

// close ends the goroutines of the cache.
func (c *cache[K, V]) close() {
	c.known.StopAllGoroutines()
	c.unknown.StopAllGoroutines()
}
