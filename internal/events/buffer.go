package events

import (
	"sync"
	"sync/atomic"
)

const (
	stripes = 32
	// stripeChunks is how many full chunks a stripe has at most. All of them are 262,144
	// events: five seconds at 50,000 a second.
	stripeChunks = 64
	chunkSize    = 128
	// stripeBytes bounds the tags and identifiers in a stripe: 64 MB in all.
	stripeBytes = 2 << 20
	// spareChunks is how many empty chunks are kept for reuse: those of 10,000 events a
	// second with some to spare.
	spareChunks = 128
)

// buffer collects events in stripes, so that callers on different lanes don't wait for each
// other.
type buffer[T any] struct {
	stripes [stripes]stripe[T]
	spare   spare[T]
	dropped atomic.Int64
}

type stripe[T any] struct {
	mu   sync.Mutex
	last *chunk[T]
	full []*chunk[T]
	size int // bytes of tags and identifiers
	_    [64]byte
}

// chunk has room for some events.
type chunk[T any] struct {
	n      int
	events [chunkSize]T
}

// add adds an event with some bytes of texts, or counts it as dropped if its stripe is full.
// It reports whether the stripe should be emptied soon.
func (b *buffer[T]) add(lane uint32, event *T, bytes int) (soon bool) {
	s := &b.stripes[lane%stripes]
	s.mu.Lock()
	if s.size+bytes > stripeBytes {
		s.mu.Unlock()
		b.dropped.Add(1)
		return true
	}
	c := s.last
	if c == nil || c.n == chunkSize {
		if c, soon = b.grow(s); c == nil {
			s.mu.Unlock()
			b.dropped.Add(1)
			return false
		}
	}
	c.events[c.n] = *event
	c.n++
	s.size += bytes
	soon = soon || bytes > 0 && s.size > stripeBytes/2
	s.mu.Unlock()
	return soon
}

// grow gives a stripe a new chunk, or returns nil if it is full. It reports whether the
// stripe is half full.
func (b *buffer[T]) grow(s *stripe[T]) (next *chunk[T], half bool) {
	if s.last != nil {
		if len(s.full) == stripeChunks-1 {
			return nil, false
		}
		s.full = append(s.full, s.last)
	}
	s.last = b.spare.take()
	return s.last, len(s.full) == stripeChunks/2
}

// drain calls f with the events in the buffer, and empties it.
func (b *buffer[T]) drain(f func([]T)) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		full, last := s.full, s.last
		s.full, s.last, s.size = nil, nil, 0
		s.mu.Unlock()
		if last != nil {
			full = append(full, last)
		}
		for _, c := range full {
			f(c.events[:c.n])
			clear(c.events[:c.n])
			c.n = 0
			b.spare.put(c)
		}
	}
}

// spare keeps empty chunks.
type spare[T any] struct {
	mu     sync.Mutex
	chunks []*chunk[T]
}

func (s *spare[T]) take() *chunk[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.chunks)
	if n == 0 {
		return new(chunk[T])
	}
	c := s.chunks[n-1]
	s.chunks = s.chunks[:n-1]
	return c
}

func (s *spare[T]) put(c *chunk[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.chunks) < spareChunks {
		s.chunks = append(s.chunks, c)
	}
}
