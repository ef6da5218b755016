package coherence

import "sync/atomic"

// lanes is how many parts a counter has: enough that processors which count at
// once rarely meet on the same cache line.
const lanes = 32

// A Counter counts up, at little cost however many processors do it. The zero
// value is ready.
type Counter struct {
	parts [lanes]struct {
		n atomic.Uint64
		_ [56]byte // one cache line each
	}
}

// Add counts one on a lane. Any lane is right; what runs side by side should have
// different ones, and the processor that used a lane last uses it fastest.
func (c *Counter) Add(lane uint32) { c.parts[lane%lanes].n.Add(1) }

// Total returns how often Add was called.
func (c *Counter) Total() uint64 {
	sum := uint64(0)
	for i := range c.parts {
		sum += c.parts[i].n.Load()
	}
	return sum
}
