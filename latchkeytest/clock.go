package latchkeytest

import (
	"sync"
	"time"
)

// start is the first time of every clock: midnight UTC, at which windows of every
// usual length start, so that a test gives the same result whenever it runs.
var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Clock is the time of a service under test. It stands still at 2026-01-01
// 00:00 UTC until the test moves it. Use it instead of time.Now to compute the
// times of requests. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock { return &Clock{now: start} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward: keys expire, refills become due, and rate-limit
// windows end. As windows slide, what was used in one counts in part in the next,
// so advance by twice the length of a window to use a whole limit again.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set sets the clock to t, which can be earlier than the present time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
