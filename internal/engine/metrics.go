package engine

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
)

// codes are the codes of verifications, in the order of metrics.verifications.
var codes = [...]latchkey.Code{
	latchkey.Valid, latchkey.NotFound, latchkey.Forbidden, latchkey.InsufficientPermissions,
	latchkey.UsageExceeded, latchkey.RateLimited, latchkey.Disabled, latchkey.Expired,
}

// metrics are the engine's counters besides those of its caches.
type metrics struct {
	verifications [len(codes)]coherence.Counter
	limitsPassed  coherence.Counter          // calls of ratelimit.limit and multiLimit that passed
	limitsDenied  coherence.Counter          // calls of them that a limit denied
	stale         atomic.Uint64              // responses that depend on stale data
	exceeded      [len(quotas)]atomic.Uint64 // refusals by quota
	auditDropped  atomic.Uint64              // audit records that were older than the retention
	changesLost   atomic.Uint64              // committed changes that the database lost
	lag           prometheus.Histogram       // replication lag
}

func newMetrics() metrics {
	return metrics{lag: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "latchkey_change_lag_seconds",
		Help: "Replication lag: from a change on another node, by its clock, to its effect " +
			"here, by ours.",
		Buckets: []float64{
			.001, .0025, .005, .0075, .01, .015, .02, .03, .04, .05, .075, .1, .15, .2, .25, .3, .4,
			.5, .6, .7, .8, .9, 1, 1.5, 2, 5,
		},
	})}
}

// countVerification counts a verification on a lane.
func (m *metrics) countVerification(lane uint32, code latchkey.Code) {
	for i, c := range codes {
		if c == code {
			m.verifications[i].Add(lane)
			return
		}
	}
}

// No label identifies a key or a request.
var (
	descVerified = desc("verifications_total", "Verifications by code.", "code")
	descLimited  = desc("limits_total",
		"Calls of ratelimit.limit and ratelimit.multiLimit by outcome.", "outcome")
	descStale = desc("stale_answers_total",
		"Responses from stale cached data while the database was unreachable.")
	descDelayed = desc("misses_delayed_total",
		"Delayed responses to callers that present many keys or root keys that don't exist.")
	descExceeded = desc("quota_refusals_total",
		"Changes that were refused because of a quota of their workspace.", "quota")
	descDropped = desc("audit_records_dropped_total",
		"Audit records that this node deleted because they were older than the retention.")
	descSealed = desc("audit_sealed_timestamp_seconds",
		"Time of the last record of the audit log that is in its hash chain, in Unix time.")
	descUnsealed = desc("audit_unsealed_records",
		"Records of the audit log that the job of the hash chain found on its last run, at most 250.")
	descBreaks = desc("audit_chain_breaks_total",
		"How often this node found that the hash chain of the audit log was changed or is an older one.")
	descReseal = desc("reseal_pending",
		"Recoverable keys that are still encrypted under a replaced data key.")
	descRefused = desc("refusals_total", "Refused requests by reason.", "reason")
	descHits    = desc("cache_hits_total", "Reads served by the cache.", "cache")
	descMisses  = desc("cache_misses_total", "Reads served by the database.", "cache")
	descEntries = desc("cache_entries", "Entries in the cache.", "cache")
	descBytes   = desc("cache_bytes", "Estimated size of the cache.", "cache")
	descSilence = desc("change_log_silence_seconds",
		"Time since the change log was last read. Above 1 the cache is not used.")
	descLost = desc("changes_lost_total",
		"Committed changes that the database lost, as far as this node knew them.")
	descHooks = desc("webhook_attempts_total",
		"Attempts to send an event to a webhook by outcome: failed is the last one.", "outcome")
	descHooksOff = desc("webhooks_disabled_total",
		"Webhooks that this node disabled because their receiver was gone or failed for long.")
	descUnnoticed = desc("webhook_events_dropped_total",
		"Exceeded limits and low credits that were not reported at once because too many were "+
			"waiting. Low credits are reported later.")
	descNodes    = desc("nodes", "Live nodes on this database, including this one.")
	descOutage   = desc("database_up", "1 if the database responded to the last read, else 0.")
	descWritable = desc("database_writable",
		"0 if the database is read-only, else 1.")
	descPool  = desc("database_connections", "Connections in the pool by state.", "state")
	descWaits = desc("database_waits_total", "Reads that waited for a connection.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("latchkey_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (e *Engine) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(e, ch) }

// Collect implements prometheus.Collector.
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
	count(descLimited, float64(e.limitsPassed.Total()), "passed")
	count(descLimited, float64(e.limitsDenied.Total()), "denied")
	for name, s := range map[string]coherence.Stats{
		"keys": e.keys.Stats(), "root_keys": e.roots.Stats(), "namespaces": e.spaces.Stats(),
	} {
		count(descHits, float64(s.Hits), name)
		count(descMisses, float64(s.Misses), name)
		gauge(descEntries, float64(s.Known+s.Unknown), name)
		gauge(descBytes, float64(s.Bytes), name)
	}
	for i, reason := range reasons {
		count(descRefused, float64(e.refusals.counts[i].Load()), reason.name)
	}
	count(descDelayed, float64(e.misses.delayed.Load()))
	count(descStale, float64(e.stale.Load()))
	for i, q := range quotas[1:] {
		count(descExceeded, float64(e.exceeded[i+1].Load()), q.name)
	}
	count(descDropped, float64(e.auditDropped.Load()))
	gauge(descSealed, float64(e.chain.sealed.Load())/1e6)
	gauge(descUnsealed, float64(e.chain.unsealed.Load()))
	count(descBreaks, float64(e.chain.breaks.Load()))
	gauge(descReseal, float64(e.resealPending.Load()))
	gauge(descOutage, boolGauge(!e.source.Breaker.Open()))
	e.collectPool(count, gauge)
	count(descHooks, float64(e.hooks.counts.delivered.Load()), "delivered")
	count(descHooks, float64(e.hooks.counts.retried.Load()), "retried")
	count(descHooks, float64(e.hooks.counts.failed.Load()), "failed")
	count(descHooksOff, float64(e.hooks.counts.disabled.Load()))
	count(descUnnoticed, float64(e.hooks.counts.unnoticed.Load()))
	if e.db.Shared() {
		gauge(descWritable, boolGauge(!e.readOnly.Load()))
		gauge(descSilence, e.source.Clock.Lag().Seconds())
		gauge(descNodes, float64(e.nodes.live()))
		count(descLost, float64(e.changesLost.Load()))
		e.lag.Collect(ch)
	}
	e.limiter.Collect(ch)
	if e.events != nil {
		e.events.Collect(ch)
	}
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
