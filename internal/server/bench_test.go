//go:build unix

package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkHot measures the hot operations over loopback HTTP with connections
// that are kept, and beside each the least that any HTTP service must do: read a
// JSON body and answer 300 bytes. The two take turns, so that a noisy machine
// troubles both alike, and of all turns the median counts. of-bare is how much of
// the bare handler's rate is left, cpu-of-bare is how many times its processor
// time a request takes here.
func BenchmarkHot(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	bare := httptest.NewServer(http.HandlerFunc(answerBare))
	defer bare.Close()
	for name, call := range hotCalls(w) {
		b.Run(name, func(b *testing.B) {
			serving := newLoad(b, w.url, call.request(w.root))
			idle := newLoad(b, bare.URL, call.request(w.root))
			var rates, ofBare, cpuOfBare []float64
			for b.Loop() {
				took, cpu := serving.run()
				bareTook, bareCPU := idle.run()
				rates = append(rates, clients*requestsPerTurn/took.Seconds())
				ofBare = append(ofBare, bareTook.Seconds()/took.Seconds())
				cpuOfBare = append(cpuOfBare, cpu.Seconds()/bareCPU.Seconds())
			}
			b.ReportMetric(median(rates), "requests/s")
			b.ReportMetric(median(ofBare), "of-bare")
			b.ReportMetric(median(cpuOfBare), "cpu-of-bare")
			b.ReportMetric(0, "ns/op") // a turn of both together says nothing
		})
	}
}

// answerBare is the bare handler.
func answerBare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, new(struct{ Key string })) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, bareAnswer)
}

var bareAnswer = `{"data":"` + strings.Repeat("x", 289) + `"}`

// load is requests from another process.
type load struct {
	b    *testing.B
	from *sender
}

func newLoad(b *testing.B, url, request string) load {
	l := load{b, startSender(b, strings.TrimPrefix(url, "http://"), request)}
	l.run() // warms up
	return l
}

// run takes a turn. It returns how long that took, and the processor time that
// answering took in this process.
func (l load) run() (took, cpu time.Duration) {
	begun := cpuTime(l.b)
	took = l.from.turn(l.b)
	return took, cpuTime(l.b) - begun
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// cpuTime is the processor time that this process has taken so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
