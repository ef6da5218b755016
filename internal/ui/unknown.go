package ui

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// unknownOfNetwork is how many cookies of no session a network can send in a minute
	// before its lookups wait for one another.
	unknownOfNetwork = 30
	// unknownLookups is how many of the lookups that wait run at a time.
	unknownLookups = 2
	// maxUnknown is how many networks are counted.
	maxUnknown = 4096
)

// unknown slows down who sends many cookies of sessions that don't exist: each is a read of
// the database. Nobody is refused, because browsers that are signed in can be behind the same
// address. It is for one node.
type unknown struct {
	mu     sync.Mutex
	begun  time.Time
	counts map[string]int // by network, in the minute since begun
	slow   chan struct{}  // the lookups of networks that sent too many
}

func newUnknown() *unknown {
	return &unknown{counts: map[string]int{}, slow: make(chan struct{}, unknownLookups)}
}

// lookUp looks a session up for a network, and counts it if the error is ErrNoSession.
func (u *unknown) lookUp(
	ctx context.Context, network string, now time.Time, get func() error,
) error {
	if u.count(network, now, 0) >= unknownOfNetwork {
		select {
		case u.slow <- struct{}{}:
			defer func() { <-u.slow }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := get()
	if errors.Is(err, ErrNoSession) {
		u.count(network, now, 1)
	}
	return err
}

// count adds to the cookies of no session that a network sent in this minute, and returns them.
func (u *unknown) count(network string, now time.Time, more int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.begun) >= time.Minute || now.Before(u.begun) {
		u.begun = now
		clear(u.counts)
	}
	if _, known := u.counts[network]; more > 0 && (known || len(u.counts) < maxUnknown) {
		u.counts[network] += more
	}
	return u.counts[network]
}
