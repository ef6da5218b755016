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

// soakRate is how many requests a second a soak sends: enough to fill windows,
// few enough that memory is what is looked at.
const soakRate = 2000

// soakSamples is how often memory is looked at.
const soakSamples = 60

// soak lets a service work for that long on identifiers that change: at any time
// there are 100,000 of them, and every ten seconds a tenth is replaced by new
// ones, so what is kept of those that have gone shows as growth.
func (e *env) soak(d time.Duration) (report.Trial, error) {
	const name = "verify and limit"
	out := report.Trial{ID: "soak", Title: "Soak of " + d.String(), Sides: []report.Side{{Name: name}}, About: fmt.Sprintf(
		"Open loop, %d requests a second, half verifications and half limits of one-second windows on 100,000 identifiers, a tenth of which is replaced every ten seconds. "+
			"Memory is sampled %d times; what grows or doesn't is the resident memory, for the heap in use goes up and down with each collection. The end is the median of the last quarter, warm that of the second.", soakRate, soakSamples)}
	c, err := e.alone()
	if err != nil {
		return out, err
	}
	begun := time.Now()
	gone := func() int { return int(time.Since(begun)/(10*time.Second)) * identifiers / 10 }
	t, err := c.target(load.Mix(load.Part{Share: 1, Source: c.verifyPlain()}, load.Part{Share: 1, Source: c.rotating(gone)})).open(8, soakRate)
	if err != nil {
		return out, err
	}
	defer t.close()
	for range soakSamples {
		if _, err := t.run(d / soakSamples / 2); err != nil { // an open loop's turn is twice as long
			return out, err
		}
		m, err := memoryOf(c.nodes[0])
		if err != nil {
			return out, err
		}
		out.Sides[0].Add(m)
		e.say("  RSS %.1f MiB, heap %.1f MiB", m[report.Memory], m[report.Heap])
	}
	out.Sides[0].Add(report.Metrics{report.Growth: growth(out.Sides[0].Turns[report.Memory])})
	return out, nil
}

// rotating counts identifiers, those before gone no more, in windows short enough
// that they should be forgotten.
func (w world) rotating(gone func() int) load.Source {
	r := load.Post("/v2/ratelimit.limit", w.root, `{"namespace":"soak","identifier":"user_`+load.Digits+`","limit":1000000000000,"duration":1000}`, success)
	return load.NumberedFrom(r, gone, identifiers)
}

// growth divides the median of the last quarter by that of the second.
func growth(samples []float64) float64 {
	n := len(samples)
	return median(samples[n-n/4:]) / median(samples[n/4:n/2])
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// memoryOf looks at a node's resident memory, and at its heap if it tells.
func memoryOf(n node) (report.Metrics, error) {
	const mib = 1 << 20
	const headroom = 32 // MiB that latchkey serve never touches (internal/cli), and the heap's figure has in it
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
