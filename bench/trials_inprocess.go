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

// call is a measured call in process. It is safe for concurrent use.
type call func(ctx context.Context) error

// inProcess returns a side that repeats a call on procs goroutines and processors.
func inProcess(name string, procs int, make func(*env) (call, error)) side {
	return side{name: name, open: func(e *env) (runner, error) {
		f, err := make(e)
		return runner{run: func(d time.Duration) (report.Metrics,
			error) {
			return repeat(f, procs, d/2)
		}}, err
	}}
}

// repeat calls f for d on procs processors.
func repeat(f call, procs int, d time.Duration) (report.Metrics, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	runtime.GC() // garbage of other samples does not count
	var over atomic.Bool
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	var group sync.WaitGroup
	calls, errs := make([]int, procs), make([]error, procs)
	before, began := mallocs(), time.Now()
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
	took, allocated := time.Since(began), mallocs()-before
	var sum float64
	for _, n := range calls {
		sum += float64(n)
	}
	return report.Metrics{
		report.Rate:  sum / took.Seconds(),
		report.Nanos: float64(took.Nanoseconds()) * float64(procs) / sum,
		// the runtime allocates a little too
		report.Allocs: math.Round(100*float64(allocated)/sum) / 100,
	}, errors.Join(errs...)
}

// mallocs returns the number of objects that this process has allocated.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// embeddedService is a service in this process with its fixture.
type embeddedService struct {
	*embedded.Service
	fixture
}

// embedded opens a service in this process, once per run.
func (e *env) embedded() (*embeddedService, error) {
	return once(e, "embedded", func() (*embeddedService, error) {
		data, err := e.folder("embedded")
		if err != nil {
			return nil, err
		}
		ctx := context.Background()
		s, err := embedded.Open(ctx, embedded.Config{Data: data,
			Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		e.onClose(func() error { return s.Close(ctx) })
		f, err := fill(ctx, s.Client)
		return &embeddedService{s, f}, err
	})
}

// verifying returns a call that verifies a key through the embedded client.
func verifying(key func(fixture) string) func(*env) (call, error) {
	return func(e *env) (call, error) {
		s, err := e.embedded()
		if err != nil {
			return nil, err
		}
		request := latchkey.VerifyKeyRequest{Key: key(s.fixture)}
		return func(ctx context.Context) error {
			v, err := s.Client.Keys.Verify(ctx, request)
			if err == nil && !v.Valid {
				err = fmt.Errorf("the verification returned %s", v.Code)
			}
			return err
		}, nil
	}
}

func plainKey(f fixture) string   { return f.plain }
func limitedKey(f fixture) string { return f.limited }

// embeddedLimit returns a call that limits one identifier through the embedded client.
func embeddedLimit(e *env) (call, error) {
	s, err := e.embedded()
	if err != nil {
		return nil, err
	}
	request := latchkey.LimitRequest{Namespace: "measured", Identifier: "user", Limit: unlimited,
		Duration: latchkey.Per(time.Hour)}
	return func(ctx context.Context) error {
		r, err := s.Client.Ratelimits.Limit(ctx, request)
		return deniedUnless(r.Success, err)
	}, nil
}

var errDenied = errors.New("a call within the limit was denied")

func deniedUnless(ok bool, err error) error {
	if err == nil && !ok {
		err = errDenied
	}
	return err
}

// inProcessTrials measure the cost of an embedded service, in an otherwise empty process and in one
// with
// other data in memory.
func inProcessTrials() []trial {
	of := func(id, title, about string, hosted bool) trial {
		measured := func(name string, procs int, make func(*env) (call, error)) side {
			s := inProcess(name, procs, make)
			if hosted {
				s.open = withOtherData(s.open)
			}
			return s
		}
		return trial{
			id: id, title: title,
			about: "Through the client of an embedded service, by one goroutine on one processor " +
				"(GOMAXPROCS=1) and by two on two. All verify the same key. " +
				"The time is that of a call on one processor, including garbage collection. " +
				about,
			sides: []side{
				measured(plain, 1, verifying(plainKey)),
				measured(plain+onTwo, 2, verifying(plainKey)),
				measured(limited, 1, verifying(limitedKey)),
				measured(limited+onTwo, 2, verifying(limitedKey)),
				measured("limit", 1, embeddedLimit), measured("limit"+onTwo, 2, embeddedLimit),
			},
		}
	}
	return []trial{
		of("inprocess", "In process", "The process is otherwise empty, so its heap of 1 MB is "+
			"collected several hundred times per second.", false),
		of("hosted", "In process, next to a program's own data",
			"The process has 32 MB of other data, 32,768 values of one kilobyte in a map, like a "+
				"program that embeds a service.", true),
	}
}

const onTwo = ", 2 processors"

// withOtherData keeps other data in memory while a side is open.
func withOtherData(open func(*env) (runner, error)) func(*env) (runner, error) {
	return func(e *env) (runner, error) {
		if e.cache["pages"] == nil {
			e.cache["pages"] = otherData()
		}
		t, err := open(e)
		t.close = func() error {
			delete(e.cache, "pages")
			return nil
		}
		return t, err
	}
}

// page is a value of the other data.
type page struct {
	title string
	body  []byte
}

func otherData() map[int]*page {
	pages := make(map[int]*page)
	for i := range 32768 {
		pages[i] = &page{title: fmt.Sprint("page ", i), body: make([]byte, 1024)}
	}
	return pages
}
