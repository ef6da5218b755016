package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/bench/report"
	"github.com/latchkeyhq/latchkey/embedded"
)

// call is what is measured in process; it is called by several goroutines.
type call func(ctx context.Context) error

// inProcess makes a side of a call that is made again and again by as many goroutines
// as there are processors given.
func inProcess(name string, procs int, make func(*env) (call, error)) side {
	return side{name: name, open: func(e *env) (turn, error) {
		f, err := make(e)
		return turn{run: func(d time.Duration) (report.Metrics, error) { return repeat(f, procs, d/2) }}, err
	}}
}

// repeat calls f for that long on so many processors.
func repeat(f call, procs int, d time.Duration) (report.Metrics, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	runtime.GC() // what is left of other turns is not charged to this one
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	var group sync.WaitGroup
	calls, errs := make([]int, procs), make([]error, procs)
	before, begun := mallocs(), time.Now()
	for i := range procs {
		group.Go(func() {
			ctx, n := context.Background(), 0
			for ; errs[i] == nil && !over.Load(); n++ {
				errs[i] = f(ctx)
			}
			calls[i] = n
		})
	}
	group.Wait()
	took, allocated := time.Since(begun), mallocs()-before
	var sum float64
	for _, n := range calls {
		sum += float64(n)
	}
	return report.Metrics{
		report.Rate: sum / took.Seconds(), report.Nanos: float64(took.Nanoseconds()) * float64(procs) / sum,
		report.Allocs: math.Round(100*float64(allocated)/sum) / 100, // what else runs allocates a little too
	}, errors.Join(errs...)
}

// mallocs is how many objects this process has allocated so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// embeddedService is a service in this process, with its world.
type embeddedService struct {
	*embedded.Service
	world
}

// embedded opens a service in this process, once a run.
func (e *env) embedded() (*embeddedService, error) {
	return once(e, "embedded", func() (*embeddedService, error) {
		data, err := e.folder("embedded")
		if err != nil {
			return nil, err
		}
		ctx := context.Background()
		s, err := embedded.Open(ctx, embedded.Config{Data: data, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		e.defers(func() error { return s.Close(ctx) })
		w, err := fill(ctx, s.Client)
		return &embeddedService{s, w}, err
	})
}

// verifying makes a call of a verification through the embedded client.
func verifying(key func(world) string) func(*env) (call, error) {
	return func(e *env) (call, error) {
		s, err := e.embedded()
		if err != nil {
			return nil, err
		}
		request := latchkey.VerifyKeyRequest{Key: key(s.world)}
		return func(ctx context.Context) error {
			v, err := s.Client.Keys.Verify(ctx, request)
			if err == nil && !v.Valid {
				err = fmt.Errorf("the key is %s", v.Code)
			}
			return err
		}, nil
	}
}

func plainKey(w world) string   { return w.plain }
func limitedKey(w world) string { return w.limited }

// embeddedLimit counts one identifier through the embedded client.
func embeddedLimit(e *env) (call, error) {
	s, err := e.embedded()
	if err != nil {
		return nil, err
	}
	request := latchkey.LimitRequest{Namespace: "measured", Identifier: "user", Limit: never, Duration: latchkey.Per(time.Hour)}
	return func(ctx context.Context) error {
		r, err := s.Client.Ratelimits.Limit(ctx, request)
		return refusedUnless(r.Success, err)
	}, nil
}

var errRefused = errors.New("a call was refused that had room")

func refusedUnless(ok bool, err error) error {
	if err == nil && !ok {
		err = errRefused
	}
	return err
}

// inThisProcess measures what an embedded service costs its program.
func inThisProcess() trial {
	return trial{
		id: "inprocess", title: "In process",
		about: "Through the client of an embedded service, by one goroutine on one processor (GOMAXPROCS=1) and by two on two. The time is that of a call on one processor, garbage collection included.",
		sides: []side{
			inProcess("verify", 1, verifying(plainKey)), inProcess("verify, 2 processors", 2, verifying(plainKey)),
			inProcess(limited, 1, verifying(limitedKey)), inProcess(limited+", 2 processors", 2, verifying(limitedKey)),
			inProcess("limit", 1, embeddedLimit), inProcess("limit, 2 processors", 2, embeddedLimit),
		},
	}
}
