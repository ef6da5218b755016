package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// entry is what a cache keeps.
type entry interface {
	stamped() *stamp
	unknown() bool // there is no such thing in the store
}

func (s *stamp) stamped() *stamp { return s }

// source is what caches read from.
type source struct {
	*clock
	outage   outage
	staleFor time.Duration // how old a value may be that is used while the database is gone; 0 for none
}

// cache keeps entries that were read from the store, as long as they are
// usable and there is room. That something does not exist is kept apart, in a
// small room of its own, so that made-up names can't push real entries out.
type cache[K comparable, V entry] struct {
	source  *source
	known   *otter.Cache[K, V]
	unknown *otter.Cache[K, V]
	name    func(K) string
	flights singleflight.Group

	hits, misses counter
}

// unknowns is how many names that don't exist are kept in mind.
const unknowns = 10_000

// newCache returns a cache of at most weight bytes, as weigh counts them.
func newCache[K comparable, V entry](s *source, weight uint64, weigh func(K, V) uint32, name func(K) string) *cache[K, V] {
	return &cache[K, V]{
		source:  s,
		known:   otter.Must(&otter.Options[K, V]{MaximumWeight: weight, Weigher: weigh}),
		unknown: otter.Must(&otter.Options[K, V]{MaximumSize: unknowns}),
		name:    name,
	}
}

// get returns a usable value of key. Where the database is gone it may return
// one that is stale; then age is how long ago that was last known to be right,
// and else 0.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(ctx context.Context, asOf moment) (V, error)) (v V, age time.Duration, err error) {
	if v, ok := c.known.GetIfPresent(key); ok && c.source.usable(v.stamped()) {
		c.hits.add()
		return v, 0, nil
	}
	if v, ok := c.unknown.GetIfPresent(key); ok && c.source.usable(v.stamped()) {
		c.hits.add()
		return v, 0, nil
	}
	c.misses.add()
	if v, err = c.fetch(ctx, key, load); unavailable(err) {
		if old, age, ok := c.lastKnown(key); ok {
			return old, age, nil
		}
	}
	return v, 0, err
}

// fetch loads a value once for all who wait. A load that another caller began
// is used only if it is usable, for it may have begun before a change that this
// caller knows of.
func (c *cache[K, V]) fetch(ctx context.Context, key K, load func(ctx context.Context, asOf moment) (V, error)) (V, error) {
	for {
		mine := false
		loaded, err, _ := c.flights.Do(c.name(key), func() (any, error) {
			mine = true
			return c.load(context.WithoutCancel(ctx), key, load)
		})
		v, _ := loaded.(V)
		if mine || err != nil || c.source.usable(v.stamped()) {
			return v, err
		}
	}
}

// errSlow says that a value took so long to read that it can't be trusted any more.
var errSlow = errors.New("the database takes too long to answer")

func (c *cache[K, V]) load(ctx context.Context, key K, load func(context.Context, moment) (V, error)) (V, error) {
	if err := c.source.outage.admit(); err != nil {
		return *new(V), err
	}
	if c.source.shared {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, trust)
		defer cancel()
	}
	v, err := load(ctx, c.source.now())
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", errSlow, errors.Join(err, ctx.Err()))
	}
	c.source.outage.learn(err)
	switch {
	case err != nil:
	case v.unknown():
		c.unknown.Set(key, v)
	default:
		c.known.Set(key, v)
	}
	return v, err
}

// lastKnown returns what was read of key before the database went away, unless
// it is known to be wrong or older than is wanted.
func (c *cache[K, V]) lastKnown(key K) (V, time.Duration, bool) {
	for _, room := range []*otter.Cache[K, V]{c.known, c.unknown} {
		if v, ok := room.GetIfPresent(key); ok {
			if age, right := c.source.age(v.stamped()); right && age <= c.source.staleFor {
				return v, age, true
			}
		}
	}
	return *new(V), 0, false
}

// close ends the goroutines of the cache.
func (c *cache[K, V]) close() {
	c.known.StopAllGoroutines()
	c.unknown.StopAllGoroutines()
}
