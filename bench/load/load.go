// Package load sends requests to a server and measures latency, in a closed loop (each connection
// sends
// its next request as soon as it has its response) or an open loop (requests are due at fixed
// times,
// independent of earlier responses).
//
// It checks every response. A wrong response ends the run with an error.
package load

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// hangTimeout is the time after the end of a run until missing responses fail it.
const hangTimeout = 30 * time.Second

// Doer sends one request after another. It is not safe for concurrent use.
type Doer interface {
	// Do sends a request, checks its response and returns the kind of the request.
	Do() (kind int, err error)
	// Close closes the connection. A Do in progress fails.
	Close() error
}

// Conns are connections that send in parallel.
type Conns []Doer

// Dial opens n connections.
func Dial(n int, dial func(conn int) (Doer, error)) (Conns, error) {
	conns := make(Conns, 0, n)
	for i := range n {
		conn, err := dial(i)
		if err != nil {
			return nil, errors.Join(err, conns.Close())
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// Close closes all connections.
func (c Conns) Close() error {
	var errs []error
	for _, conn := range c {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Result is the result of a run.
type Result struct {
	Took  time.Duration
	Kinds []*Histogram // latencies by kind of request
}

// Count returns the number of requests.
func (r *Result) Count() (n uint64) {
	for _, h := range r.Kinds {
		n += h.Count()
	}
	return n
}

// Rate returns the requests per second.
func (r *Result) Rate() float64 { return float64(r.Count()) / r.Took.Seconds() }

// Of returns the latencies of one kind of request.
func (r *Result) Of(kind int) *Histogram {
	for len(r.Kinds) <= kind {
		r.Kinds = append(r.Kinds, new(Histogram))
	}
	return r.Kinds[kind]
}

// add merges the result of one connection.
func (r *Result) add(o *Result) {
	for kind, h := range o.Kinds {
		r.Of(kind).Merge(h)
	}
}

// Closed runs a closed loop on every connection for d. Latency is the time from sending a request
// until
// its whole response is read.
func (c Conns) Closed(d time.Duration) (*Result, error) {
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	return c.run(d, func(conn Doer, own *Result) error {
		for sent := time.Now(); !over.Load(); {
			kind, err := conn.Do()
			if err != nil {
				over.Store(true)
				return err
			}
			now := time.Now()
			own.Of(kind).Record(now.Sub(sent))
			sent = now
		}
		return nil
	})
}

// run runs work on all connections in parallel, and closes connections that hang.
func (c Conns) run(d time.Duration, work func(conn Doer, own *Result) error) (*Result, error) {
	giveUp := time.AfterFunc(d+hangTimeout, func() { _ = c.Close() })
	defer giveUp.Stop()
	var group sync.WaitGroup
	results, errs := make([]Result, len(c)), make([]error, len(c))
	began := time.Now()
	for i, conn := range c {
		group.Go(func() {
			if err := work(conn, &results[i]); err != nil {
				errs[i] = fmt.Errorf("connection %d: %w", i, err)
			}
		})
	}
	group.Wait()
	total := &Result{Took: time.Since(began)}
	for i := range results {
		total.add(&results[i])
	}
	return total, errors.Join(errs...)
}
