// Package report keeps what was measured and says what it means: the raw data as
// JSON, the tables and the goals as Markdown, and a chart as SVG.
package report

import (
	"encoding/json"
	"os"
	"slices"
	"time"
)

// The metrics. Their names are keys of the raw data and say the unit.
const (
	Rate       = "per_s"         // exchanges or calls a second
	ServerCPU  = "server_cpu_us" // processor time of the server's processes for each request, in microseconds
	ClientCPU  = "client_cpu_us" // the same of the load generator
	P50        = "p50_us"        // of the time to the whole answer, in microseconds
	P99        = "p99_us"
	Nanos      = "ns"     // a call in process
	Allocs     = "allocs" // allocations of a call in process
	Ready      = "ready_ms"
	BytesOfKey = "bytes_per_key"
	Growth     = "growth" // memory at the end of a soak beside that after warming up
	Memory     = "rss_mib"
	Heap       = "heap_mib"
)

// Metrics are the figures of one turn by metric.
type Metrics map[string]float64

// Results are all figures of a run, and what must be known to read them.
type Results struct {
	Began    time.Time         `json:"began"`
	Took     string            `json:"took"`
	Commands []string          `json:"commands"` // what was run, the build included
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"` // how many turns each side had
	Quick    bool              `json:"quick"`  // a smoke test, whose figures mean little
	Trials   []Trial           `json:"trials"`
}

// Machine is where it was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Disk   string `json:"disk"` // the file system that the data folders are on
	Load   string `json:"load"` // the load average at the beginning: what else was going on
}

// Trial is a comparison: its sides took turns, round by round.
type Trial struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	About string `json:"about"` // what was done, in full sentences
	Stamp string `json:"stamp"` // which Latchkey and when, for a later run may keep it
	Sides []Side `json:"sides"` // the first is what the others are compared with
}

// Side is one of what is compared.
type Side struct {
	Name    string               `json:"name"`
	Skipped string               `json:"skipped,omitempty"` // why there are no figures
	Turns   map[string][]float64 `json:"turns,omitempty"`   // by metric, a figure for each round
}

// Add adds the figures of a turn.
func (s *Side) Add(m Metrics) {
	if s.Turns == nil {
		s.Turns = make(map[string][]float64)
	}
	for metric, figure := range m {
		s.Turns[metric] = append(s.Turns[metric], figure)
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

// Put adds a trial, in place of an earlier one of the same id.
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

// Spread is what the rounds of a figure come to.
type Spread struct{ Min, Median, Max float64 }

// spread sums up figures; it is false for none.
func spread(figures []float64) (Spread, bool) {
	if len(figures) == 0 {
		return Spread{}, false
	}
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return Spread{Min: sorted[0], Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Max: sorted[n-1]}, true
}

// ratios divides the figures of the same rounds, so that what slows the whole
// machine down for a while slows both.
func ratios(of, by []float64) []float64 {
	var out []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			out = append(out, of[i]/by[i])
		}
	}
	return out
}
