package main

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/report"
)

// soakRate is the rate of a soak in requests per second: high enough to fill windows, and low
// enough
// to measure memory rather than throughput.
const soakRate = 2000

// soakSamples is the number of memory samples.
const soakSamples = 60

// soak puts a service under load for d. It uses 100,000 identifiers and replaces a tenth of them
// every
// ten seconds, so memory that is kept for old identifiers shows as growth.
func (e *env) soak(d time.Duration) (report.Trial, error) {
	const name = "verify and limit"
	out := report.Trial{ID: "soak", Title: "Soak of " + d.String(),
		Sides: []report.Side{{Name: name}}, About: fmt.Sprintf(
			"Open loop, %d requests per second: half verifications, half limits with one-second "+
				"windows on 100,000 identifiers, a tenth of which is replaced every ten seconds. "+
				"Memory is sampled %d times. Growth refers to resident memory, because the heap "+
				"in use rises and falls with each collection. It is the median of the last "+
				"quarter divided by the median of the second.", soakRate, soakSamples)}
	c, err := e.singleNode()
	if err != nil {
		return out, err
	}
	began := time.Now()
	replaced := func() int { return int(time.Since(began)/(10*time.Second)) * identifiers / 10 }
	t, err := c.target(load.Mix(load.Part{Share: 1, Source: c.verifyPlain()},
		load.Part{Share: 1, Source: c.limitChanging(replaced)})).open(8, soakRate)
	if err != nil {
		return out, err
	}
	defer t.close()
	for range soakSamples {
		// an open loop's sample is twice as long
		if _, err := t.run(d / soakSamples / 2); err != nil {
			return out, err
		}
		m, err := memoryOf(c.nodes[0])
		if err != nil {
			return out, err
		}
		out.Sides[0].Add(m)
		e.logf("  RSS %.1f MiB, heap %.1f MiB", m[report.Memory], m[report.Heap])
	}
	out.Sides[0].Add(report.Metrics{report.Growth: growth(out.Sides[0].Samples[report.Memory])})
	return out, nil
}

// limitChanging limits identifiers from number replaced() on, in windows so short that the counts
// of
// replaced identifiers should be freed.
func (f fixture) limitChanging(replaced func() int) load.Source {
	r := load.Post("/v2/ratelimit.limit", f.root,
		`{"namespace":"soak","identifier":"user_`+load.Digits+
			`","limit":1000000000000,"duration":1000}`, success)
	return load.NumberedFrom(r, replaced, identifiers)
}

// growth returns the median of the last quarter divided by the median of the second.
func growth(samples []float64) float64 {
	n := len(samples)
	return median(samples[n-n/4:]) / median(samples[n/4:n/2])
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// memoryOf returns a node's resident memory, and its heap if its metrics have it.
func memoryOf(n node) (report.Metrics, error) {
	const mib = 1 << 20
	// MiB reserved by latchkey serve (internal/cli), unused but part of the heap metric
	const headroom = 32
	rss, err := proc.RSS(n.PID())
	if err != nil {
		return nil, err
	}
	m := report.Metrics{report.Memory: float64(rss) / mib}
	response, err := http.Get("http://" + n.addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_heap_inuse_bytes "); ok {
			heap, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return nil, err
			}
			m[report.Heap] = heap/mib - headroom
		}
	}
	return m, nil
}
