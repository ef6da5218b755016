// Package load sends requests to a server and measures how long their answers
// take, in a closed loop (each connection sends as soon as it has its answer)
// or an open one (requests are due at fixed times, whether or not earlier ones
// are answered).
//
// Every answer is checked; a wrong one ends the run with an error, because the
// speed of wrong answers is of no interest.
package load

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long answers may take beyond the end of a run until the
// connections are closed and the run fails.
const patience = 30 * time.Second

// Doer does one exchange after another; it is used by one goroutine.
type Doer interface {
	// Do does an exchange, and says which kind of request it was.
	Do() (kind int, err error)
	// Close ends the connection and makes a Do under way fail.
	Close() error
}

// Conns are connections that send side by side.
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

// Result is what a run has measured.
type Result struct {
	Took  time.Duration
	Kinds []*Histogram // by the kind of the requests
}

// Count returns how many exchanges were made.
func (r *Result) Count() (n uint64) {
	for _, h := range r.Kinds {
		n += h.Count()
	}
	return n
}

// Rate returns how many exchanges a second were made.
func (r *Result) Rate() float64 { return float64(r.Count()) / r.Took.Seconds() }

// Of returns the times of one kind of request.
func (r *Result) Of(kind int) *Histogram {
	for len(r.Kinds) <= kind {
		r.Kinds = append(r.Kinds, new(Histogram))
	}
	return r.Kinds[kind]
}

// add merges what one connection has measured.
func (r *Result) add(o *Result) {
	for kind, h := range o.Kinds {
		r.Of(kind).Merge(h)
	}
}

// Closed lets every connection send for that long, each as soon as its last
// answer has come. A time is that between sending and the whole answer.
func (c Conns) Closed(d time.Duration) (*Result, error) {
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	return c.run(d, func(conn Doer, mine *Result) error {
		for sent := time.Now(); !over.Load(); {
			kind, err := conn.Do()
			if err != nil {
				over.Store(true)
				return err
			}
			now := time.Now()
			mine.Of(kind).Record(now.Sub(sent))
			sent = now
		}
		return nil
	})
}

// run runs work on all connections at once, and gives up those that hang.
func (c Conns) run(d time.Duration, work func(conn Doer, mine *Result) error) (*Result, error) {
	giveUp := time.AfterFunc(d+patience, func() { _ = c.Close() })
	defer giveUp.Stop()
	var group sync.WaitGroup
	results, errs := make([]Result, len(c)), make([]error, len(c))
	begun := time.Now()
	for i, conn := range c {
		group.Go(func() {
			if err := work(conn, &results[i]); err != nil {
				errs[i] = fmt.Errorf("connection %d: %w", i, err)
			}
		})
	}
	group.Wait()
	total := &Result{Took: time.Since(begun)}
	for i := range results {
		total.add(&results[i])
	}
	return total, errors.Join(errs...)
}
