package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Limits is what is promised of rate limits.
type Limits string

// The promises.
const (
	// Exact lets through no more than the limit on all nodes together: counted
	// in memory where there is one node, in Redis if there is one, else in rows
	// of the shared database.
	Exact Limits = "exact"
	// Fast decides in memory and reconciles over Redis: a little more than the
	// limit may pass.
	Fast Limits = "fast"
	// Local lets each node count for itself.
	Local Limits = "local"
)

// FailMode is what happens while a shared database is gone. Whatever it is,
// credits are never spent without the database, and nothing is changed.
type FailMode string

// The fail modes.
const (
	// Closed answers errors.
	Closed FailMode = "closed"
	// Stale goes on with what was read before, for a while.
	Stale FailMode = "stale"
)

// filled returns the configuration with its defaults, or what is wrong with it.
func (c Config) filled() (Config, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.CacheBytes = cmp.Or(c.CacheBytes, 256<<20)
	c.Limits = cmp.Or(c.Limits, Exact)
	switch c.Limits {
	case Exact, Local:
	case Fast:
		if c.Redis == "" {
			return c, errors.New("fast limits need Redis")
		}
	default:
		return c, fmt.Errorf("unknown limits %q: want exact, fast or local", c.Limits)
	}
	switch c.FailMode = cmp.Or(c.FailMode, Closed); c.FailMode {
	case Closed:
		c.StaleFor = 0
	case Stale:
		c.StaleFor = cmp.Or(c.StaleFor, time.Minute)
	default:
		return c, fmt.Errorf("unknown fail mode %q: want closed or stale", c.FailMode)
	}
	return c, nil
}
