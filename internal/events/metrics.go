package events

import "github.com/prometheus/client_golang/prometheus"

var (
	descWritten = prometheus.NewDesc("latchkey_events_written_total",
		"Events that were stored, by kind.", []string{"kind"}, nil)
	descDropped = prometheus.NewDesc("latchkey_events_dropped_total",
		"Events that were dropped because the buffer was full or the database was down too "+
			"long, by kind.", []string{"kind"}, nil)
	descBytes = prometheus.NewDesc("latchkey_events_written_bytes_total",
		"Bytes of the blocks in which events were stored first.", nil, nil)
	descWaiting = prometheus.NewDesc("latchkey_events_waiting_bytes",
		"Bytes of blocks of events that wait for the database.", nil, nil)
	descFailures = prometheus.NewDesc("latchkey_events_flush_failures_total",
		"Flushes of events that failed and are tried again.", nil, nil)
	descFlushes = prometheus.NewDesc("latchkey_events_flushes_total",
		"Flushes that stored events.", nil, nil)
	descFlushTime = prometheus.NewDesc("latchkey_events_flush_seconds_total",
		"Time that these flushes took.", nil, nil)
	descMerged = prometheus.NewDesc("latchkey_events_merges_total",
		"Merges of blocks of events.", nil, nil)
	descDeleted = prometheus.NewDesc("latchkey_events_deleted_blocks_total",
		"Blocks of events that this node deleted because of their age or their size.", nil, nil)
)

// kindNames are the kinds as labels.
var kindNames = [kinds]string{"verification", "limit"}

// Collect sends the metrics of the log.
func (l *Log) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
	}
	for kind, name := range kindNames {
		count(descWritten, float64(l.stats.written[kind].Load()), name)
		count(descDropped, float64(l.stats.dropped[kind].Load()), name)
	}
	count(descBytes, float64(l.stats.bytes.Load()))
	count(descFailures, float64(l.stats.failures.Load()))
	count(descFlushes, float64(l.stats.flushes.Load()))
	count(descFlushTime, float64(l.stats.took.Load())/1e9)
	count(descMerged, float64(l.stats.merged.Load()))
	count(descDeleted, float64(l.stats.deleted.Load()))
	ch <- prometheus.MustNewConstMetric(descWaiting, prometheus.GaugeValue,
		float64(l.stats.waiting.Load()))
}

// Numbers are numbers of events since the log was opened.
type Numbers struct {
	Written, Dropped int64
	WaitingBytes     int64 // of blocks that wait for the database
	FlushFailures    int64
}

// Numbers returns the numbers of events since the log was opened.
func (l *Log) Numbers() Numbers {
	n := Numbers{
		WaitingBytes: int64(l.stats.waiting.Load()), FlushFailures: int64(l.stats.failures.Load()),
	}
	for kind := range kindNames {
		n.Written += int64(l.stats.written[kind].Load())
		n.Dropped += int64(l.stats.dropped[kind].Load())
	}
	return n
}
