package coherence

import (
	"math/rand/v2"
	"sync/atomic"
)

// stripes is how many parts a counter has: enough that processors which count at
// once rarely meet on the same cache line.
const stripes = 32

// A Counter counts up, at little cost however many processors do it. The zero
// value is ready.
type Counter struct {
	parts [stripes]struct {
		n atomic.Uint64
		_ [56]byte // one cache line each
	}
}

// Add counts one.
func (c *Counter) Add() { c.parts[rand.Uint32()%stripes].n.Add(1) }

// Total returns how often Add was called.
func (c *Counter) Total() uint64 {
	sum := uint64(0)
	for i := range c.parts {
		sum += c.parts[i].n.Load()
	}
	return sum
}
