package engine

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// trust is how long a value that was read is used where other nodes change the
// rows too and nothing is heard of what they do. It bounds how long a change
// can take to be in force on every node.
const trust = time.Second

// clock orders changes and what was read from the store. Each change that has
// been committed gets the next number and writes it into the slot of every
// entity it touched; each value that was read carries the number from before it
// was read. A value is current as long as no slot of the entities it was made of
// has a later number. Slots are shared by entities whose hashes meet; that costs
// a needless read now and then, never a stale answer.
//
// Where several nodes share the rows, the changes of the others are heard of a
// little later. There a value is usable only if it is current and was known to
// be right within the last second: it was read since, or the change log was, up
// to a moment since. Times are those of this process's monotonic clock, taken
// before the question was sent, so neither a wall clock nor a slow answer can
// make a value look younger than it is.
type clock struct {
	shared bool                 // other nodes change the rows too
	since  func() time.Duration // the time since the clock began
	began  time.Time

	number atomic.Uint64
	floor  atomic.Uint64 // what was read before this number is out of date, whatever it was made of
	heard  atomic.Int64  // up to when the changes of other nodes are known, in nanoseconds since the clock began
	seed   maphash.Seed
	slots  [1 << 15]atomic.Uint64

	mu     sync.Mutex
	doubts []doubtful
}

// unheard is when the change log was heard before it was ever heard.
const unheard = math.MinInt64

func newClock(shared bool) *clock {
	c := &clock{shared: shared, began: time.Now(), seed: maphash.MakeSeed()}
	c.since = func() time.Duration { return time.Since(c.began) }
	c.heard.Store(unheard)
	return c
}

// moment is a point between changes.
type moment struct {
	number uint64        // of the last change before it
	at     time.Duration // since the clock began; 0 where no other node changes the rows
}

// now returns the moment that what is read from here on is at least as new as.
func (c *clock) now() moment {
	m := moment{number: c.number.Load()}
	if c.shared {
		m.at = c.since()
	}
	return m
}

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

// hear takes in what other nodes have changed. At first, and after a gap, that
// may be anything. Only one goroutine may call it.
func (c *clock) hear(h store.Heard) {
	if h.All || c.heard.Load() == unheard {
		c.floor.Store(c.number.Add(1))
	}
	for _, change := range h.Changes {
		c.touch(change.IDs...)
	}
	c.retouch()
	if at := int64(h.At.Sub(c.began)); !h.At.IsZero() && at > c.heard.Load() {
		c.heard.Store(at) // last: who sees this time sees its changes too
	}
}

// doubtful is a change of this node whose outcome isn't known.
type doubtful struct {
	entities []string
	until    time.Duration
}

// doubt touches the entities of a change that may be committed at any moment
// though its answer was lost. As nodes aren't told of what they did themselves,
// they are touched again whenever something is heard, for a minute.
func (c *clock) doubt(entities ...string) {
	c.touch(entities...)
	if !c.shared {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubts = append(c.doubts, doubtful{entities, c.since() + time.Minute})
}

func (c *clock) retouch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubts = slices.DeleteFunc(c.doubts, func(d doubtful) bool { return d.until < c.since() })
	for _, d := range c.doubts {
		c.touch(d.entities...)
	}
}

// silence returns how long nothing was heard of other nodes.
func (c *clock) silence() time.Duration {
	heard := c.heard.Load()
	if heard == unheard {
		return c.since()
	}
	return c.since() - time.Duration(heard)
}

// stamp says what a value was made of, and when.
type stamp struct {
	moment
	slots []uint32
}

// stampOf returns the stamp of a value that was made of the entities, read
// after asOf.
func (c *clock) stampOf(asOf moment, entities ...string) stamp {
	s := stamp{moment: asOf, slots: make([]uint32, len(entities))}
	for i, entity := range entities {
		s.slots[i] = c.slot(entity)
	}
	return s
}

// usable reports whether the value may be answered from.
func (c *clock) usable(s *stamp) bool {
	if !c.shared {
		return c.current(s)
	}
	age, right := c.age(s)
	return right && age <= trust && c.floor.Load() <= s.number
}

// age returns how long ago the value was last known to be right, and whether it
// is not known to be wrong since. After a gap nothing is known of what was read
// before, but that it was right then.
func (c *clock) age(s *stamp) (time.Duration, bool) {
	known, heard := s.at, time.Duration(c.heard.Load()) // before the slots: those it speaks of are written
	if c.floor.Load() <= s.number {
		known = max(known, heard)
	}
	return c.since() - known, c.current(s)
}

// current reports whether nothing the value was made of has changed since, as
// far as this node knows.
func (c *clock) current(s *stamp) bool {
	for _, slot := range s.slots {
		if c.slots[slot].Load() > s.number {
			return false
		}
	}
	return true
}
