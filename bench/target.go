package main

import (
	"slices"
	"syscall"
	"time"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/report"
)

// target is a service under load.
type target struct {
	dial func(conn int) (load.Doer, error)
	pids []int // the processes whose CPU time counts, with their children
}

// closed opens connections and samples closed loops.
func (t target) closed(conns int) (runner, error) {
	c, err := load.Dial(conns, t.dial)
	if err != nil {
		return runner{}, err
	}
	return runner{close: c.Close, run: func(d time.Duration) (report.Metrics, error) {
		return t.measure(func() (*load.Result, error) { return c.Closed(d) })
	}}, nil
}

// open opens connections and samples open loops at a rate. Its samples are twice as long, because
// a 99th percentile needs more requests than a mean.
func (t target) open(conns int, rate float64) (runner, error) {
	c, err := load.Dial(conns, t.dial)
	if err != nil {
		return runner{}, err
	}
	return runner{close: c.Close, run: func(d time.Duration) (report.Metrics, error) {
		return t.measure(func() (*load.Result, error) { return c.Open(rate, 2*d) })
	}}, nil
}

// maxRate returns the maximum rate of a target in requests per second: the median of three closed
// loops.
func (t target) maxRate(conns int, d time.Duration) (float64, error) {
	c, err := load.Dial(conns, t.dial)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var rates []float64
	for range 3 {
		result, err := c.Closed(d)
		if err != nil {
			return 0, err
		}
		rates = append(rates, result.Rate())
	}
	slices.Sort(rates)
	return rates[1], nil
}

// measure returns the latencies of a run together with the CPU time of both sides. The latencies
// are those of requests of kind 0; the rate and the CPU time are those of all requests.
func (t target) measure(run func() (*load.Result, error)) (report.Metrics, error) {
	server, err := proc.CPU(t.pids...)
	if err != nil {
		return nil, err
	}
	client := ownCPU()
	result, err := run()
	if err != nil {
		return nil, err
	}
	client = ownCPU() - client
	after, err := proc.CPU(t.pids...)
	if err != nil {
		return nil, err
	}
	times, each := result.Of(0), float64(result.Count())*float64(time.Microsecond)
	return report.Metrics{
		report.Rate:      result.Rate(),
		report.ServerCPU: float64(after-server) / each,
		report.ClientCPU: float64(client) / each,
		report.P50:       micros(times.Quantile(0.5)),
		report.P99:       micros(times.Quantile(0.99)),
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are constants
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// httpTarget returns a target over HTTP/1.1 that spreads its connections over the addresses.
func httpTarget(source load.Source, pids []int, addrs ...string) target {
	return target{pids: pids, dial: func(conn int) (load.Doer, error) {
		return load.DialHTTP(addrs[conn%len(addrs)], source(conn))
	}}
}
