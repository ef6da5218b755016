package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// metrics are the server's own metrics, and the registry of everything at /metrics. No
// label names a key, a root key, a workspace or an address.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(e *engine.Engine, lastBackup func() time.Time) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_requests_total", Help: "Requests by operation and status class.",
		}, []string{"operation", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "latchkey_request_seconds",
			Help: "Duration of requests from the end of their header, by operation.",
			Buckets: []float64{
				.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5,
			},
		}, []string{"operation"}),
	}
	m.registry.MustRegister(m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if e != nil {
		m.registry.MustRegister(e)
	}
	if lastBackup != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "latchkey_last_backup_timestamp_seconds",
			Help: "When the newest backup of this node was made, in Unix time; 0 for none.",
		}, func() float64 {
			if at := lastBackup(); !at.IsZero() {
				return float64(at.Unix())
			}
			return 0
		}))
	}
	return m
}

// figures are the metrics of one operation, looked up once and not for each request.
type figures struct {
	classes [6]prometheus.Counter // by the first digit of the status
	seconds prometheus.Observer
}

func (m *metrics) of(operation string) *figures {
	f := &figures{seconds: m.seconds.WithLabelValues(operation)}
	for i, class := range []string{2: "2xx", 4: "4xx", 5: "5xx"} {
		if class != "" {
			f.classes[i] = m.requests.WithLabelValues(operation, class)
		}
	}
	return f
}

// note counts a response. Outside of /v2/ there are no figures.
func (f *figures) note(status int, took time.Duration) {
	if f == nil {
		return
	}
	if class := status / 100; class < len(f.classes) && f.classes[class] != nil {
		f.classes[class].Inc()
	}
	f.seconds.Observe(took.Seconds())
}

// exposeMetrics serves all metrics, in the text format of Prometheus.
func (s *server) exposeMetrics() func(*exchange) {
	handler := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	return func(x *exchange) {
		x.status = http.StatusOK
		x.protect(x.w.Header())
		handler.ServeHTTP(x.w, x.r)
	}
}
