package latchkeytest

import (
	"sync"
	"time"
)

// start is where every clock begins: midnight UTC, the beginning of a window of
// every usual length, so that a test sees the same whenever it is run.
var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Clock is the time of a service under test. It stands still at 2026-01-01
// 00:00 UTC until it is moved; ask it, not time.Now, for times to give to the
// service. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock { return &Clock{now: start} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time on. Keys expire, refills fall due and rate-limit
// windows pass. A window slides: what was used in the one before still counts
// in part, so nothing of it is left only after twice its length.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set moves the time to t, also back.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
