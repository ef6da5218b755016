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
// from it. A committed change gets the next version and writes it into the slot of
// each entity that it touched. A value has the version from before it was read, and
// is current until one of the slots that it depends on has a later one. Entities
// share slots by hash; a collision costs a needless read, never a stale result.
//
// With a shared database, the changes of other processes are applied a little after
// their commit. Then a value is usable only if it is current and was known to be
// right within the maximum staleness. Times are monotonic and taken before the
// query, so neither a wall clock nor a slow response makes a value look younger
// than it is.
//
// A Clock is safe for concurrent use.
type Clock struct {
	shared bool
	began  time.Time

	version atomic.Uint64 // of the latest change
	floor   atomic.Uint64 // values read before this version can depend on missed changes
	// the time up to which the change log is applied, in nanoseconds since the clock began
	applied atomic.Int64
	seed    maphash.Seed
	slots   [1 << 15]atomic.Uint64 // the version of the latest change of the slot's entities

	mu      sync.Mutex
	inDoubt []transaction
}

// never is the value of applied before the first reading.
const never = math.MinInt64

// NewClock returns a clock. Shared says that other processes change the database
// too; then values are usable only while Apply is called at least once in each
// maximum staleness.
func NewClock(shared bool) *Clock {
	c := &Clock{shared: shared, began: time.Now(), seed: maphash.MakeSeed()}
	c.applied.Store(never)
	return c
}

// A Version is a position in the order of changes. A read that begins after a
// Version was obtained contains all changes up to it.
type Version struct {
	clock  *Clock
	number uint64        // of the latest change
	at     time.Duration // since the clock began
}

// Version returns the current version. Obtain it before the read of the values
// that get it.
func (c *Clock) Version() Version {
	return Version{c, c.version.Load(), c.now()}
}

func (c *Clock) now() time.Duration { return time.Since(c.began) }

func (c *Clock) slot(id string) uint32 {
	return uint32(maphash.String(c.seed, id) % uint64(len(c.slots)))
}

// Invalidate makes the values that depend on the entities unusable. Call it after the
// commit of a change and before its response.
func (c *Clock) Invalidate(ids ...string) {
	if len(ids) == 0 {
		return
	}
	version := c.version.Add(1)
	for _, id := range ids {
		c.raise(id, version)
	}
}

// raise writes the version of a change into the slot of an entity, unless the slot
// has a later one.
func (c *Clock) raise(id string, version uint64) {
	slot := &c.slots[c.slot(id)]
	for old := slot.Load(); old < version && !slot.CompareAndSwap(old, version); old = slot.Load() {
	}
}

// transaction is a transaction of this process whose outcome is unknown.
type transaction struct {
	ids   []string
	until time.Duration // it is committed by then, or never
}

// InDoubt invalidates the entities of a transaction whose outcome is unknown: its
// response was lost, but it can still commit. The change log of a shared database
// doesn't show a process its own changes, so Apply repeats the invalidation for a
// minute.
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
	// At is the time when the reading began: it or an earlier reading has all that
	// other processes committed before. Zero means unknown.
	At time.Time
	// Changed yields the ids of the entities that others changed. Nil means none.
	Changed iter.Seq[string]
	// Gap says that changes are missing, so any entity can have changed.
	Gap bool
}

// Apply applies a reading of the change log. The first one always counts as a gap.
// Apply must not be called concurrently.
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
		c.applied.Store(at) // last: a goroutine that sees this time sees its changes too
	}
}

func (c *Clock) stillInDoubt() []transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inDoubt = slices.DeleteFunc(c.inDoubt, func(t transaction) bool { return t.until < c.now() })
	return slices.Clone(c.inDoubt)
}

// Lag returns the replication lag: the time since the change log was last known to
// be applied in full or, before the first reading, the age of the clock.
func (c *Clock) Lag() time.Duration {
	applied := c.applied.Load()
	if applied == never {
		return c.now()
	}
	return c.now() - time.Duration(applied)
}

// Dependencies are the slots that a value depends on, and the version that it was
// read at. A type becomes a [Value] by embedding them. The zero value has none.
type Dependencies struct {
	number uint64
	at     time.Duration
	slots  []uint32
}

// DependsOn returns the dependencies of a value that was built from the entities,
// read after the version was obtained. A value that says that an entity doesn't
// exist depends on what the creation of the entity invalidates.
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
	return current && age <= MaxStaleness && c.floor.Load() <= d.number
}

// age returns the time since the value was last known to be right, and whether it is
// still current. After a gap, an earlier value is only known to have been right when
// it was read.
func (c *Clock) age(d *Dependencies) (age time.Duration, current bool) {
	applied := time.Duration(c.applied.Load()) // before the slots, which have its changes
	known := d.at
	if c.floor.Load() <= d.number {
		known = max(known, applied)
	}
	return c.now() - known, c.current(d)
}

// current reports whether this process knows of no change of what the value depends
// on.
func (c *Clock) current(d *Dependencies) bool {
	for _, slot := range d.slots {
		if c.slots[slot].Load() > d.number {
			return false
		}
	}
	return true
}
