package engine

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
)

// codes are the outcomes of verifications, in the order of metrics.verifications.
var codes = [...]latchkey.Code{
	latchkey.Valid, latchkey.NotFound, latchkey.Forbidden, latchkey.InsufficientPermissions,
	latchkey.UsageExceeded, latchkey.RateLimited, latchkey.Disabled, latchkey.Expired,
}

// metrics are what the engine counts besides its caches.
type metrics struct {
	verifications [len(codes)]coherence.Counter
	stale         atomic.Uint64        // answers made of something stale
	lag           prometheus.Histogram // from when another node made a change to when it is in force here
}

func newMetrics() metrics {
	return metrics{lag: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "latchkey_change_lag_seconds",
		Help:    "From the time another node made a change, by its clock, to the time it is in force here, by ours.",
		Buckets: []float64{.001, .0025, .005, .0075, .01, .015, .02, .03, .04, .05, .075, .1, .15, .2, .25, .3, .4, .5, .6, .7, .8, .9, 1, 1.5, 2, 5},
	})}
}

// verdict counts a verification on a lane.
func (m *metrics) countVerification(lane uint32, code latchkey.Code) {
	for i, c := range codes {
		if c == code {
			m.verifications[i].Add(lane)
			return
		}
	}
}

// What the engine tells of itself. No label says whose key or what request.
var (
	descVerified = desc("verifications_total", "Verifications by outcome.", "code")
	descStale    = desc("stale_answers_total", "Answers made from memory while the database was out of reach.")
	descHits     = desc("cache_hits_total", "Reads that memory answered.", "cache")
	descMisses   = desc("cache_misses_total", "Reads that went to the database.", "cache")
	descEntries  = desc("cache_entries", "What is kept in memory.", "cache")
	descBytes    = desc("cache_bytes", "About how much memory that takes.", "cache")
	descSilence  = desc("change_log_silence_seconds", "How long ago the change log was last read. Above 1 nothing cached is trusted.")
	descNodes    = desc("nodes", "Nodes that run on this database, this one included.")
	descOutage   = desc("database_up", "Whether the database answered the last read.")
	descPool     = desc("database_connections", "Connections of the pool by state.", "state")
	descWaits    = desc("database_waits_total", "How often a read waited for a connection.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("latchkey_"+name, help, labels, nil)
}

// Describe makes the engine a prometheus.Collector, together with Collect.
func (e *Engine) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(e, ch) }

// Collect tells how the engine stands.
func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	for i, code := range codes {
		count(descVerified, float64(e.verifications[i].Total()), string(code))
	}
	for name, s := range map[string]coherence.Stats{
		"keys": e.keys.Stats(), "root_keys": e.roots.Stats(), "namespaces": e.spaces.Stats(),
	} {
		count(descHits, float64(s.Hits), name)
		count(descMisses, float64(s.Misses), name)
		gauge(descEntries, float64(s.Known+s.Unknown), name)
		gauge(descBytes, float64(s.Bytes), name)
	}
	count(descStale, float64(e.stale.Load()))
	gauge(descOutage, boolGauge(!e.source.Breaker.Open()))
	e.collectPool(count, gauge)
	if e.db.Shared() {
		gauge(descSilence, e.source.Clock.Lag().Seconds())
		gauge(descNodes, float64(e.nodes.live()))
		e.lag.Collect(ch)
	}
	e.limiter.Collect(ch)
}

func (e *Engine) collectPool(count, gauge func(*prometheus.Desc, float64, ...string)) {
	pool := e.db.Stats()
	gauge(descPool, float64(pool.InUse), "in_use")
	gauge(descPool, float64(pool.Idle), "idle")
	count(descWaits, float64(pool.WaitCount))
}

func boolGauge(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
