package engine

import "sync"

// interner keeps one copy of each value that many entries of a cache share. The
// zero value is ready.
type interner[T comparable] struct {
	mu     sync.Mutex
	copies map[T]*T
}

// maxInterned is how many copies are kept. Past that they are forgotten, and what
// is shared from then on is copied once more.
const maxInterned = 10_000

// intern returns the copy of the value.
func (c *interner[T]) intern(v T) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.copies[v]; ok {
		return p
	}
	if c.copies == nil || len(c.copies) == maxInterned {
		c.copies = map[T]*T{}
	}
	p := &v
	c.copies[v] = p
	return p
}
