package coherence

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Clock is a version clock: it orders the changes of a database and the reads
// from it. A change that has been committed gets the next version and writes it
// into the slot of each entity that it touched. A value that was read carries the
// version from before it was read, and is current until one of the slots that it
// depends on has a later one. Entities whose hashes meet share a slot, which costs
// a needless read now and then, never a stale answer.
//
// Where the database is shared, the changes of other processes are applied a
// little later than they were committed. There a value is usable only if it is
// current and was known to be right within the maximum staleness. Times are those
// of the monotonic clock, taken before the database was asked, so neither a wall
// clock nor a slow response makes a value look younger than it is.
//
// A Clock is safe for concurrent use.
type Clock struct {
	shared bool
	began  time.Time

	version atomic.Uint64 // of the latest change
	floor   atomic.Uint64 // values read before this version depend on what may have changed unseen
	// up to when the change log is applied, in nanoseconds since the clock began
	applied atomic.Int64
	seed    maphash.Seed
	slots   [1 << 15]atomic.Uint64 // the version of the latest change of their entities

	mu      sync.Mutex
	inDoubt []transaction
}

// never is up to when the change log is applied before it has been read.
const never = math.MinInt64

// NewClock returns a clock for a database that other processes change too, if
// it is shared. Then no value is usable for longer than the maximum staleness
// unless Apply is called again and again.
func NewClock(shared bool) *Clock {
	c := &Clock{shared: shared, began: time.Now(), seed: maphash.MakeSeed()}
	c.applied.Store(never)
	return c
}

// A Version is a place in the order of changes. What is read after it was
// obtained contains all changes up to it.
type Version struct {
	clock  *Clock
	number uint64        // of the latest change
	at     time.Duration // since the clock began
}

// Version returns the current version. It must be obtained before the read
// whose values are to carry it.
func (c *Clock) Version() Version {
	return Version{c, c.version.Load(), c.now()}
}

func (c *Clock) now() time.Duration { return time.Since(c.began) }

func (c *Clock) slot(id string) uint32 {
	return uint32(maphash.String(c.seed, id) % uint64(len(c.slots)))
}

// Invalidate makes the clock's values that depend on the entities unusable. It
// must be called after the change is committed and before it is answered.
func (c *Clock) Invalidate(ids ...string) {
	if len(ids) == 0 {
		return
	}
	version := c.version.Add(1)
	for _, id := range ids {
		c.raise(id, version)
	}
}

// raise writes the version of a change into the slot of an entity, unless a later
// change has.
func (c *Clock) raise(id string, version uint64) {
	slot := &c.slots[c.slot(id)]
	for old := slot.Load(); old < version && !slot.CompareAndSwap(old, version); old = slot.Load() {
	}
}

// transaction is one of this process whose outcome is unknown.
type transaction struct {
	ids   []string
	until time.Duration // it is committed by then, or never
}

// InDoubt invalidates the entities of a transaction whose outcome is unknown: it
// may be committed at any moment, though the response was lost. The change log of
// a shared database doesn't show a process its own changes, so Apply invalidates
// the entities again, for a minute.
func (c *Clock) InDoubt(ids ...string) {
	c.Invalidate(ids...)
	if !c.shared {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inDoubt = append(c.inDoubt, transaction{ids, c.now() + time.Minute})
}

// A LogReading is what one reading of the change log returned.
type LogReading struct {
	// At is when the reading began: what other processes committed before is in
	// this reading or was in an earlier one. Zero if that isn't known.
	At time.Time
	// Changed yields the ids of the entities that others changed; nil for none.
	Changed iter.Seq[string]
	// Gap says that changes are missing: anything may have changed.
	Gap bool
}

// Apply takes in a reading of the change log. The first one is a gap, whatever it
// says. Only one goroutine can call Apply.
func (c *Clock) Apply(r LogReading) {
	version := c.version.Add(1)
	if r.Gap || c.applied.Load() == never {
		c.floor.Store(version)
	}
	if r.Changed != nil {
		for id := range r.Changed {
			c.raise(id, version)
		}
	}
	for _, t := range c.stillInDoubt() {
		for _, id := range t.ids {
			c.raise(id, version)
		}
	}
	if at := int64(r.At.Sub(c.began)); !r.At.IsZero() && at > c.applied.Load() {
		c.applied.Store(at) // last: who sees this time sees its changes too
	}
}

func (c *Clock) stillInDoubt() []transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inDoubt = slices.DeleteFunc(c.inDoubt, func(t transaction) bool { return t.until < c.now() })
	return slices.Clone(c.inDoubt)
}

// Lag returns the replication lag: how long ago the change log was known to be
// applied in full, or since when the clock waits for its first reading.
func (c *Clock) Lag() time.Duration {
	applied := c.applied.Load()
	if applied == never {
		return c.now()
	}
	return c.now() - time.Duration(applied)
}

// Dependencies are what a value was made of, and the version that it was read at.
// A type becomes a [Value] by embedding them. The zero value depends on nothing.
type Dependencies struct {
	number uint64
	at     time.Duration
	slots  []uint32
}

// DependsOn returns the dependencies of a value that was made of the entities,
// read after the version was obtained. A value that says an entity doesn't exist
// depends on what its creation will invalidate.
func (v Version) DependsOn(ids ...string) Dependencies {
	d := Dependencies{number: v.number, at: v.at, slots: make([]uint32, len(ids))}
	for i, id := range ids {
		d.slots[i] = v.clock.slot(id)
	}
	return d
}

func (d *Dependencies) dependencies() *Dependencies { return d }

// usable reports whether the value can be used.
func (c *Clock) usable(d *Dependencies) bool {
	if !c.shared {
		return c.current(d)
	}
	age, current := c.age(d)
	return current && age <= maxStaleness && c.floor.Load() <= d.number
}

// age returns how long ago the value was last known to be right, and whether it
// isn't known to be wrong since. After a gap, what was read before is only known
// to have been right when it was read.
func (c *Clock) age(d *Dependencies) (age time.Duration, current bool) {
	applied := time.Duration(c.applied.Load()) // before the slots: its changes are in them
	known := d.at
	if c.floor.Load() <= d.number {
		known = max(known, applied)
	}
	return c.now() - known, c.current(d)
}

// current reports whether nothing that the value depends on has changed since, as
// far as this process knows.
func (c *Clock) current(d *Dependencies) bool {
	for _, slot := range d.slots {
		if c.slots[slot].Load() > d.number {
			return false
		}
	}
	return true
}
