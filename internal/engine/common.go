package engine

import "sync"

// common keeps one copy of each value that many entries of a cache share. The
// zero value is ready.
type common[T comparable] struct {
	mu     sync.Mutex
	copies map[T]*T
}

// mostCommon is how many copies are kept. Past that they are forgotten, and what
// is shared from then on is copied once more.
const mostCommon = 10_000

// one returns the copy of the value.
func (c *common[T]) one(v T) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.copies[v]; ok {
		return p
	}
	if c.copies == nil || len(c.copies) == mostCommon {
		c.copies = map[T]*T{}
	}
	p := &v
	c.copies[v] = p
	return p
}
