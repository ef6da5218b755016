package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Limits is the accuracy of rate limits.
type Limits string

// The accuracies.
const (
	// Exact never allows more than the limit on all nodes together. It counts in
	// memory on a single node, else in Redis if configured, else in the shared
	// database.
	Exact Limits = "exact"
	// Fast decides in memory and synchronizes over Redis. It can allow slightly
	// more than the limit.
	Fast Limits = "fast"
	// Local counts on each node separately.
	Local Limits = "local"
)

// FailMode is the behavior while a shared database is down. In every mode
// credits are never spent and nothing is changed without the database.
type FailMode string

// The fail modes.
const (
	// Closed returns errors.
	Closed FailMode = "closed"
	// Stale continues with cached data, for a limited time.
	Stale FailMode = "stale"
)

// filled returns the configuration with its defaults, or an error that names
// the invalid value.
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
	if err := checkURL("portalUrl", c.PortalURL, "https", "http"); err != nil {
		return c, errors.New("portal URL: want an absolute URL with https or http, without a user")
	}
	if slices.ContainsFunc(c.WebhookNetworks, func(p netip.Prefix) bool { return !p.IsValid() }) {
		return c, errors.New("webhook networks: want networks such as 10.0.0.0/8")
	}
	if c.AuditRetention < 0 {
		return c, fmt.Errorf("audit retention %v: must not be negative", c.AuditRetention)
	}
	if c.AuditExport != "" && c.AuditRetention == 0 {
		return c, errors.New("an audit export needs an audit retention: " +
			"records are exported before they are dropped")
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
