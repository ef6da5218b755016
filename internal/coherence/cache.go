package coherence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// A Key names a value. Different keys must have different texts.
type Key interface {
	comparable
	fmt.Stringer
}

// A Value is an immutable cached value: a pointer to a struct that embeds
// [Dependencies].
type Value interface {
	dependencies() *Dependencies
	// Unknown reports that the database has no value of that name.
	Unknown() bool
}

// A Cache keeps values from the database while they are usable and there is room.
// Unknown names have a separate bound, so that made-up names can't evict real values.
// A Cache is safe for concurrent use.
type Cache[K Key, V Value] struct {
	source  *Source
	weigh   func(K, V) uint32
	maxEach uint32
	known   *otter.Cache[K, V]
	unknown *otter.Cache[K, V]
	flights singleflight.Group

	hits, misses Counter
}

// maxUnknown is the maximum number of cached unknown names.
const maxUnknown = 10_000

// NewCache returns a cache of at most maxBytes, which doesn't keep a value of more than
// maxEach bytes, so that a few large values can't evict the others. weigh returns the
// bytes of a value. Close releases the cache.
func NewCache[K Key, V Value](
	s *Source, maxBytes uint64, maxEach uint32, weigh func(K, V) uint32,
) *Cache[K, V] {
	return &Cache[K, V]{
		source:  s,
		weigh:   weigh,
		maxEach: maxEach,
		known:   otter.Must(&otter.Options[K, V]{MaximumWeight: maxBytes, Weigher: weigh}),
		unknown: otter.Must(&otter.Options[K, V]{MaximumSize: maxUnknown}),
	}
}

// A Loader reads a value from the database. The version is from before the read; the
// value's dependencies must use it. The context ends when the value would be too old
// to use.
type Loader[V Value] func(ctx context.Context, asOf Version) (V, error)

// Get returns a usable value, from memory or from load, and counts it on a lane of
// [Counter]. While the database is down it can return a stale one. Then age is the
// time since the value was last known to be right; otherwise it is 0.
func (c *Cache[K, V]) Get(
	ctx context.Context, lane uint32, key K, load Loader[V],
) (v V, age time.Duration, err error) {
	if v, ok := c.Cached(lane, key); ok {
		return v, 0, nil
	}
	c.misses.Add(lane)
	if v, err = c.fetch(ctx, key, load); c.source.Breaker.down(err) {
		if old, age, ok := c.stale(key); ok {
			return old, age, nil
		}
	}
	return v, 0, err
}

// Cached returns a usable value from memory, and reports whether there is one.
func (c *Cache[K, V]) Cached(lane uint32, key K) (V, bool) {
	if v, ok := c.known.GetIfPresent(key); ok && c.Reuse(lane, v) {
		return v, true
	}
	if v, ok := c.unknown.GetIfPresent(key); ok && c.Reuse(lane, v) {
		return v, true
	}
	return *new(V), false
}

// Standing is a value in memory as a caller would have found it.
type Standing[V Value] struct {
	Value  V             // the zero value if there is none
	Cached bool          // there is a value
	Usable bool          // Get would return it
	Age    time.Duration // since it was last known to be right
}

// Peek returns the value in memory, usable or not, and counts no hit.
func (c *Cache[K, V]) Peek(key K) Standing[V] {
	for _, room := range []*otter.Cache[K, V]{c.known, c.unknown} {
		if v, ok := room.GetIfPresent(key); ok {
			age, _ := c.source.Clock.age(v.dependencies())
			return Standing[V]{v, true, c.source.Clock.usable(v.dependencies()), age}
		}
	}
	return Standing[V]{}
}

// Reuse reports whether a value that Get returned earlier is still usable, which
// saves a lookup, and counts a hit if it is.
func (c *Cache[K, V]) Reuse(lane uint32, v V) bool {
	if !c.source.Clock.usable(v.dependencies()) {
		return false
	}
	c.hits.Add(lane)
	return true
}

// fetch loads a value once for all waiting callers. The value of a load that another
// caller began can be unusable, because the load can have begun before a change that
// this caller must see.
func (c *Cache[K, V]) fetch(ctx context.Context, key K, load Loader[V]) (V, error) {
	for {
		mine := false
		loaded, err, _ := c.flights.Do(key.String(), func() (any, error) {
			mine = true
			return c.load(context.WithoutCancel(ctx), key, load)
		})
		v, _ := loaded.(V)
		if mine || err != nil || c.source.Clock.usable(v.dependencies()) {
			return v, err
		}
	}
}

// ErrTimeout says that a value took so long to read that it would be too old to use.
var ErrTimeout = errors.New("the database took too long to respond")

func (c *Cache[K, V]) load(ctx context.Context, key K, load Loader[V]) (V, error) {
	if err := c.source.Breaker.admit(); err != nil {
		return *new(V), err
	}
	if c.source.Clock.shared {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, MaxStaleness)
		defer cancel()
	}
	v, err := load(ctx, c.source.Clock.Version())
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrTimeout, errors.Join(err, ctx.Err()))
	}
	c.source.Breaker.record(err)
	switch {
	case err != nil:
	case v.Unknown():
		c.unknown.Set(key, v)
	case c.weigh(key, v) <= c.maxEach:
		c.known.Set(key, v)
	default:
		c.known.Invalidate(key)
	}
	return v, err
}

// stale returns the value from before the database went down, unless it was
// invalidated or is older than StaleFor.
func (c *Cache[K, V]) stale(key K) (V, time.Duration, bool) {
	for _, room := range []*otter.Cache[K, V]{c.known, c.unknown} {
		if v, ok := room.GetIfPresent(key); ok {
			age, current := c.source.Clock.age(v.dependencies())
			if current && age <= c.source.StaleFor {
				return v, age, true
			}
		}
	}
	return *new(V), 0, false
}

// Stats are the statistics of a cache.
type Stats struct {
	Hits, Misses   uint64 // values used from memory, and values that had to be read
	Known, Unknown int    // number of cached values and unknown names, approximate
	Bytes          uint64 // memory of the cached values, approximate
}

// Stats returns the statistics of the cache.
func (c *Cache[K, V]) Stats() Stats {
	return Stats{
		Hits: c.hits.Total(), Misses: c.misses.Total(),
		Known: c.known.EstimatedSize(), Unknown: c.unknown.EstimatedSize(),
		Bytes: c.known.WeightedSize(),
	}
}

// Close ends the goroutines of the cache. It must not be used afterwards.
func (c *Cache[K, V]) Close() {
	c.known.StopAllGoroutines()
	c.unknown.StopAllGoroutines()
}
