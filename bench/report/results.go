// Package report stores results as JSON, and formats them as Markdown tables, verdicts on goals,
// and an
// SVG chart.
package report

import (
	"encoding/json"
	"os"
	"slices"
	"time"
)

// The metrics. Their names are keys of the raw data and contain the unit.
const (
	Rate       = "per_s"         // requests or calls per second
	ServerCPU  = "server_cpu_us" // CPU time of the server's processes per request, in microseconds
	ClientCPU  = "client_cpu_us" // the same of the load generator
	P50        = "p50_us"        // latency until the whole response is read, in microseconds
	P99        = "p99_us"
	Nanos      = "ns"     // time of a call in process
	Allocs     = "allocs" // allocations per call in process
	Ready      = "ready_ms"
	BytesOfKey = "bytes_per_key"
	Growth     = "growth" // memory at the end of a soak divided by that after warm-up
	Memory     = "rss_mib"
	Heap       = "heap_mib"
)

// Metrics are the figures of one sample by metric.
type Metrics map[string]float64

// Results are all figures of a run, with their context.
type Results struct {
	Began    time.Time         `json:"began"`
	Took     string            `json:"took"`
	Commands []string          `json:"commands"` // the commands of the run
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"` // samples per side
	Quick    bool              `json:"quick"`  // a smoke test, whose figures are not meaningful
	Trials   []Trial           `json:"trials"`
}

// Machine describes the machine.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Disk   string `json:"disk"` // the file system of the data folders
	Load   string `json:"load"` // the load average before the run
}

// Trial is a comparison of sides, sampled alternately.
type Trial struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	About string `json:"about"` // a description in full sentences
	Stamp string `json:"stamp"` // version and time, because a later run can keep the trial
	Sides []Side `json:"sides"` // the others are compared with the first
}

// Side is one side of a comparison.
type Side struct {
	Name    string               `json:"name"`
	Skipped string               `json:"skipped,omitempty"` // the reason if there are no samples
	Samples map[string][]float64 `json:"samples,omitempty"` // by metric, one figure per round
}

// Add adds the figures of a sample.
func (s *Side) Add(m Metrics) {
	if s.Samples == nil {
		s.Samples = make(map[string][]float64)
	}
	for metric, figure := range m {
		s.Samples[metric] = append(s.Samples[metric], figure)
	}
}

// Side returns the side of a trial, or nil if there is none.
func (r *Results) Side(trial, side string) *Side {
	for i := range r.Trials {
		if r.Trials[i].ID == trial {
			return r.Trials[i].side(side)
		}
	}
	return nil
}

func (t *Trial) side(name string) *Side {
	for i := range t.Sides {
		if t.Sides[i].Name == name {
			return &t.Sides[i]
		}
	}
	return nil
}

// Put adds a trial. It replaces an earlier one with the same id.
func (r *Results) Put(t Trial) {
	same := func(o Trial) bool { return o.ID == t.ID }
	if i := slices.IndexFunc(r.Trials, same); i >= 0 {
		r.Trials[i] = t
		return
	}
	r.Trials = append(r.Trials, t)
}

// Read reads raw data.
func Read(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	return r, json.Unmarshal(text, r)
}

// Write writes raw data.
func (r *Results) Write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Spread summarizes the samples of a figure.
type Spread struct{ Min, Median, Max float64 }

// spread summarizes figures. It reports false if there are none.
func spread(figures []float64) (Spread, bool) {
	if len(figures) == 0 {
		return Spread{}, false
	}
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return Spread{Min: sorted[0], Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Max: sorted[n-1]},
		true
}

// ratios divides figures of the same rounds, because other load on the machine affects both.
func ratios(of, by []float64) []float64 {
	var out []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			out = append(out, of[i]/by[i])
		}
	}
	return out
}
