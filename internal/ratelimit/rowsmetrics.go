package ratelimit

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// rowsMetrics are the metrics of a Rows.
type rowsMetrics struct {
	shared, local atomic.Uint64 // calls decided on the rows, and without them
	commits       atomic.Uint64
	unreachable   atomic.Bool
}

var (
	descRowsTakes = prometheus.NewDesc("latchkey_ratelimit_rows_calls_total",
		"Calls by where they were decided: on the shared rows, or with this node's share.",
		[]string{"path"}, nil)
	descRowsCommits = prometheus.NewDesc("latchkey_ratelimit_rows_transactions_total",
		"Transactions in which calls were counted together.", nil, nil)
	descRowsUp = prometheus.NewDesc("latchkey_ratelimit_rows_up",
		"1 while the shared rows are reachable, else 0.", nil, nil)
)

// Describe makes a Rows a prometheus.Collector, together with Collect.
func (r *Rows) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(r, ch) }

// Collect sends the metrics.
func (r *Rows) Collect(ch chan<- prometheus.Metric) {
	m, up := &r.metrics, 1.0
	if m.unreachable.Load() {
		up = 0
	}
	ch <- prometheus.MustNewConstMetric(descRowsTakes, prometheus.CounterValue,
		float64(m.shared.Load()), "shared")
	ch <- prometheus.MustNewConstMetric(descRowsTakes, prometheus.CounterValue,
		float64(m.local.Load()), "alone")
	ch <- prometheus.MustNewConstMetric(descRowsCommits, prometheus.CounterValue,
		float64(m.commits.Load()))
	ch <- prometheus.MustNewConstMetric(descRowsUp, prometheus.GaugeValue, up)
}
