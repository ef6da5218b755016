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

// inThisProcess measures what an embedded service costs its program, once in a
// process that has nothing else in memory and once in one that has.
func inThisProcess() []trial {
	of := func(id, title, about string, hosted bool) trial {
		measured := func(name string, procs int, make func(*env) (call, error)) side {
			s := inProcess(name, procs, make)
			if hosted {
				s.open = besideData(s.open)
			}
			return s
		}
		return trial{
			id: id, title: title,
			about: "Through the client of an embedded service, by one goroutine on one processor (GOMAXPROCS=1) and by two on two, which verify the same key. " +
				"The time is that of a call on one processor, garbage collection included. " + about,
			sides: []side{
				measured(plain, 1, verifying(plainKey)), measured(plain+onTwo, 2, verifying(plainKey)),
				measured(limited, 1, verifying(limitedKey)), measured(limited+onTwo, 2, verifying(limitedKey)),
				measured("limit", 1, embeddedLimit), measured("limit"+onTwo, 2, embeddedLimit),
			},
		}
	}
	return []trial{
		of("inprocess", "In process", "The process has nothing else in memory, so its heap of 1 MB is collected some hundred times a second.", false),
		of("hosted", "In process, beside a program's own data",
			"The process holds 32 MB of other data, 32,768 pages of a kilobyte in a map, as a program that embeds a service may.", true),
	}
}

const onTwo = ", 2 processors"

// besideData keeps data in this process while a side is compared.
func besideData(open func(*env) (turn, error)) func(*env) (turn, error) {
	return func(e *env) (turn, error) {
		if e.made["pages"] == nil {
			e.made["pages"] = somePages()
		}
		t, err := open(e)
		t.close = func() error {
			delete(e.made, "pages")
			return nil
		}
		return t, err
	}
}

// page is a piece of somebody's data.
type page struct {
	title string
	body  []byte
}

func somePages() map[int]*page {
	pages := make(map[int]*page)
	for i := range 32768 {
		pages[i] = &page{title: fmt.Sprint("page ", i), body: make([]byte, 1024)}
	}
	return pages
}
