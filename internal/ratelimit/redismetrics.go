package ratelimit

import "github.com/prometheus/client_golang/prometheus"

// redisMetrics are the metrics of a Redis.
type redisMetrics struct {
	all                     []prometheus.Collector
	shared, local, degraded prometheus.Counter
	script                  prometheus.Histogram
}

func newRedisMetrics(r *Redis) *redisMetrics {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "latchkey_ratelimit_decisions_total",
		Help: "Calls by where they were decided: redis on the shared counters, local on this " +
			"node, degraded on this node while Redis was unreachable.",
	}, []string{"path"})
	m := &redisMetrics{
		shared:   decisions.WithLabelValues("redis"),
		local:    decisions.WithLabelValues("local"),
		degraded: decisions.WithLabelValues("degraded"),
		script: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "latchkey_ratelimit_script_seconds",
			Help:    "Duration of the calls of the script in Redis, including failed ones.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 13),
		}),
	}
	m.all = []prometheus.Collector{decisions, m.script,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "latchkey_ratelimit_unreported",
			Help: "Cost that this node has admitted locally and not reported, over all counters.",
		}, r.unreported),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "latchkey_ratelimit_degraded",
			Help: "1 while Redis, or a part of a cluster, is unreachable and this node " +
				"decides with its share, else 0.",
		}, r.degraded),
	}
	return m
}

// countLocal counts a call that was decided without Redis.
func (m *redisMetrics) countLocal(degraded bool) {
	if degraded {
		m.degraded.Inc()
	} else {
		m.local.Inc()
	}
}

// unreported returns the unreported cost that still counts.
func (r *Redis) unreported() float64 {
	now, sum := r.latest.Load(), 0.0
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		if t := &e.state; t.own != (state{}) {
			sum += float64(e.rules().weight(t.synced, t.own, now, e.Duration, 1))
		}
	})
	return sum
}

func (r *Redis) degraded() float64 {
	if r.breakers.n.Load() > 0 {
		return 1
	}
	return 0
}

// Describe makes a Redis a prometheus.Collector, together with Collect.
func (r *Redis) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range r.metrics.all {
		c.Describe(ch)
	}
}

// Collect sends the metrics.
func (r *Redis) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.all {
		c.Collect(ch)
	}
}
