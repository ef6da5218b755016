package ratelimit

import "github.com/prometheus/client_golang/prometheus"

// redisMetrics is what a Redis tells of itself.
type redisMetrics struct {
	all                      []prometheus.Collector
	shared, alone, withShare prometheus.Counter
	script                   prometheus.Histogram
}

func newRedisMetrics(r *Redis) *redisMetrics {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "latchkey_ratelimit_decisions_total",
		Help: "Calls by how they were decided: redis asked Redis, local knew enough, degraded " +
			"had Redis out of reach.",
	}, []string{"path"})
	m := &redisMetrics{
		shared:    decisions.WithLabelValues("redis"),
		alone:     decisions.WithLabelValues("local"),
		withShare: decisions.WithLabelValues("degraded"),
		script: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "latchkey_ratelimit_script_seconds",
			Help:    "How long calls of the script in Redis took, also those that failed.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 13),
		}),
	}
	m.all = []prometheus.Collector{decisions, m.script,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "latchkey_ratelimit_unreported",
			Help: "What this node has admitted by itself and not reported, over all counters: " +
				"what other nodes can't know of yet.",
		}, r.unreported),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "latchkey_ratelimit_degraded",
			Help: "1 while Redis is out of reach and this node decides with its share, else 0.",
		}, r.degraded),
	}
	return m
}

// local counts a call that was decided without asking.
func (m *redisMetrics) local(degraded bool) {
	if degraded {
		m.withShare.Inc()
	} else {
		m.alone.Inc()
	}
}

// unreported sums up what this node has yet to report and still counts.
func (r *Redis) unreported() float64 {
	now, sum := r.latest.Load(), 0.0
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		if t := &e.state; t.own != (state{}) {
			sum += float64(e.rules().weight(t.heard, t.own, now, e.Duration, 1))
		}
	})
	return sum
}

func (r *Redis) degraded() float64 {
	if r.down.Load() {
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

// Collect tells how the Redis stands.
func (r *Redis) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.all {
		c.Collect(ch)
	}
}
