package engine

import "sync"

// interner shares one copy of each value among the entries of a cache. The zero
// value is ready to use.
type interner[T comparable] struct {
	mu     sync.Mutex
	copies map[T]*T
}

// maxInterned is the maximum number of shared copies. At the maximum all are
// dropped, and later values are copied once more.
const maxInterned = 10_000

// intern returns the shared copy of the value.
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
