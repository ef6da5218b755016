package coherence

import "sync/atomic"

// lanes is the number of parts of a counter: enough that CPUs that count at the same
// time rarely share a cache line.
const lanes = 32

// A Counter counts up, cheaply even if many CPUs count at the same time. The zero
// value is ready to use.
type Counter struct {
	parts [lanes]struct {
		n atomic.Uint64
		_ [56]byte // one cache line each
	}
}

// Add counts one on a lane. Any lane is correct. Concurrent goroutines should use
// different ones, and a lane is fastest on the CPU that used it last.
func (c *Counter) Add(lane uint32) { c.parts[lane%lanes].n.Add(1) }

// Total returns the number of calls of Add.
func (c *Counter) Total() uint64 {
	sum := uint64(0)
	for i := range c.parts {
		sum += c.parts[i].n.Load()
	}
	return sum
}
