//go:build unix

package engine

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkSave is the saving of a second in which 25,000 of 100,000
// identifiers were counted, in wall and in processor time for each window.
func BenchmarkSave(b *testing.B) {
	const identifiers, changed = 100_000, 25_000
	w := newWorld(b)
	w.keepsCounters()
	w.count(w.memory(), 0, identifiers)
	save := func() {
		if err := w.memory().Save(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	save()
	next, spent := 0, time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range changed {
			next = (next + 7919) % identifiers
			w.count(w.memory(), next, next+1)
		}
		before := processorTime(b)
		b.StartTimer()
		save()
		spent += processorTime(b) - before
	}
	counters := float64(b.N) * changed
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/counters, "ns/counter")
	b.ReportMetric(float64(spent.Nanoseconds())/counters, "cpu-ns/counter")
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
