package main

import (
	"slices"
	"syscall"
	"time"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/report"
)

// target is a service to be put under load.
type target struct {
	dial func(conn int) (load.Doer, error)
	pids []int // the processes that do the work, whose children count as well
}

// closed opens connections whose turns are closed loops.
func (t target) closed(conns int) (turn, error) {
	c, err := load.Dial(conns, t.dial)
	if err != nil {
		return turn{}, err
	}
	return turn{close: c.Close, run: func(d time.Duration) (report.Metrics, error) {
		return t.measure(func() (*load.Result, error) { return c.Closed(d) })
	}}, nil
}

// open opens connections whose turns are open loops at a rate. Its turns are
// twice as long, because a 99th percentile needs more requests than a mean.
func (t target) open(conns int, rate float64) (turn, error) {
	c, err := load.Dial(conns, t.dial)
	if err != nil {
		return turn{}, err
	}
	return turn{close: c.Close, run: func(d time.Duration) (report.Metrics, error) {
		return t.measure(func() (*load.Result, error) { return c.Open(rate, 2*d) })
	}}, nil
}

// most finds out how many requests a second a target answers at best: the median
// of three closed loops.
func (t target) most(conns int, d time.Duration) (float64, error) {
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

// measure puts beside the times of a run what it cost both sides. The times are
// those of requests of kind 0, the rate and the costs those of all.
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

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are constants
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// overHTTP returns a target that sends HTTP/1.1 to one of several addresses, each
// connection to the next one.
func overHTTP(source load.Source, pids []int, addrs ...string) target {
	return target{pids: pids, dial: func(conn int) (load.Doer, error) {
		return load.DialHTTP(addrs[conn%len(addrs)], source(conn))
	}}
}
