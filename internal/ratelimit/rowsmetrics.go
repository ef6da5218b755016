package ratelimit

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// rowsMetrics is what a Rows counts of itself.
type rowsMetrics struct {
	shared, alone atomic.Uint64 // calls decided on the rows, and without them
	commits       atomic.Uint64
	gone          atomic.Bool
}

var (
	descRowsTakes = prometheus.NewDesc("latchkey_ratelimit_rows_calls_total",
		"Calls by where they were decided: on the shared rows, or alone with this node's share.",
		[]string{"path"}, nil)
	descRowsCommits = prometheus.NewDesc("latchkey_ratelimit_rows_transactions_total",
		"Transactions in which calls were counted together.", nil, nil)
	descRowsUp = prometheus.NewDesc("latchkey_ratelimit_rows_up",
		"Whether the shared rows are in reach.", nil, nil)
)

// Describe makes a Rows a prometheus.Collector, together with Collect.
func (r *Rows) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(r, ch) }

// Collect tells how the Rows stands.
func (r *Rows) Collect(ch chan<- prometheus.Metric) {
	m, up := &r.metrics, 1.0
	if m.gone.Load() {
		up = 0
	}
	ch <- prometheus.MustNewConstMetric(descRowsTakes, prometheus.CounterValue,
		float64(m.shared.Load()), "shared")
	ch <- prometheus.MustNewConstMetric(descRowsTakes, prometheus.CounterValue,
		float64(m.alone.Load()), "alone")
	ch <- prometheus.MustNewConstMetric(descRowsCommits, prometheus.CounterValue,
		float64(m.commits.Load()))
	ch <- prometheus.MustNewConstMetric(descRowsUp, prometheus.GaugeValue, up)
}
