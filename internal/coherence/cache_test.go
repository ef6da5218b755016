package coherence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// text is a value that says what was read.
type text struct {
	Dependencies
	text string
}

func (t *text) Unknown() bool { return t.text == "" }

// reader is a cache with a settable database.
type reader struct {
	*Cache[name, *text]
	clock *Clock
	loads int
}

func newReader(s *Source) *reader {
	c := NewCache(s, 1<<20, 1<<20, func(name, *text) uint32 { return 1 })
	return &reader{Cache: c, clock: s.Clock}
}

// read returns what the cache has, or else what is there now, after work.
func (r *reader) read(
	n name, now string, work func(context.Context) error,
) (string, time.Duration, error) {
	load := func(ctx context.Context, asOf Version) (*text, error) {
		r.loads++
		if err := work(ctx); err != nil {
			return nil, err
		}
		return &text{asOf.DependsOn(string(n)), now}, nil
	}
	v, age, err := r.Get(context.Background(), 0, n, load)
	if err != nil {
		return "", age, err
	}
	return v.text, age, nil
}

func noWork(context.Context) error { return nil }

func (r *reader) want(t *testing.T, n name, now, want string) {
	t.Helper()
	if got, age, err := r.read(n, now, noWork); got != want || age != 0 || err != nil {
		t.Errorf("%s: got %q, %v old, error %v, want %q", n, got, age, err, want)
	}
}

func TestValuesAreCachedUntilTheyChange(t *testing.T) {
	r := newReader(alone())
	defer r.Close()
	r.want(t, "a", "first", "first")
	r.want(t, "b", "", "")
	r.want(t, "a", "second", "first")
	r.want(t, "b", "second", "")
	r.clock.Invalidate("a")
	r.want(t, "a", "second", "second")
	r.want(t, "b", "second", "")
	r.clock.Invalidate("b")
	r.want(t, "b", "second", "second")
	r.known.CleanUp()
	if s := r.Stats(); s.Hits != 3 || s.Misses != 4 || s.Known != 2 || s.Bytes != 2 {
		t.Errorf("%+v, want 3 hits, 4 misses and 2 values", s)
	}
}

func TestAValueIsReusedUntilItChanges(t *testing.T) {
	r := newReader(alone())
	defer r.Close()
	v, _, err := r.Get(t.Context(), 0, "a", func(_ context.Context, asOf Version) (*text, error) {
		return &text{asOf.DependsOn("a"), "first"}, nil
	})
	if err != nil || !r.Reuse(0, v) || r.Stats().Hits != 1 {
		t.Errorf("not reused (error %v), %d hits", err, r.Stats().Hits)
	}
	r.clock.Invalidate("a")
	if r.Reuse(0, v) || r.Stats().Hits != 1 {
		t.Errorf("reused after its change, %d hits", r.Stats().Hits)
	}
}

func TestUnknownNamesEvictNothing(t *testing.T) {
	const most = 10_000
	r := newReader(alone())
	defer r.Close()
	r.want(t, "real", "here", "here")
	for i := range most + 1000 {
		r.want(t, name(fmt.Sprint("made up ", i)), "", "")
	}
	r.unknown.CleanUp()
	if s := r.Stats(); s.Unknown > most || s.Unknown < most/2 || s.Known != 1 {
		t.Errorf("%d unknown and %d known names are kept, want %d and 1", s.Unknown, s.Known, most)
	}
	r.want(t, "real", "gone", "here")
}

func TestConcurrentMissesLoadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(alone())
		defer r.Close()
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				got, _, err := r.read("a", "here", func(context.Context) error {
					<-release
					return nil
				})
				if err != nil || got != "here" {
					t.Errorf("%q %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		if r.loads != 1 {
			t.Errorf("%d loads, want 1", r.loads)
		}
	})
}

// A reader that joins a load in progress after a change was acknowledged must not get
// the value from before the change.
func TestALoadFromBeforeAChangeIsNotUsedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(alone())
		defer r.Close()
		release := make(chan struct{})
		read := func(now string) <-chan string {
			got := make(chan string)
			go func() {
				v, _, _ := r.read("a", now, func(context.Context) error { <-release; return nil })
				got <- v
			}()
			synctest.Wait()
			return got
		}
		first := read("before")
		r.clock.Invalidate("a")
		second := read("after")
		close(release)
		if got := <-first; got != "before" {
			t.Errorf("the first reader got %q", got)
		}
		if got := <-second; got != "after" {
			t.Errorf("the reader after the change got %q", got)
		}
		if r.loads != 2 {
			t.Errorf("%d loads, want one for each", r.loads)
		}
	})
}

// Other callers can still wait for it.
func TestALoadOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(shared(0))
		defer r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		v, _, err := r.Get(ctx, 0, "a", func(ctx context.Context, asOf Version) (*text, error) {
			return &text{asOf.DependsOn("a"), "here"}, ctx.Err()
		})
		if err != nil || v.text != "here" {
			t.Errorf("error %v", err)
		}
	})
}

// A value that took longer to read than values are usable is out of date on arrival,
// and is not cached.
func TestATooSlowLoadIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(shared(time.Hour))
		defer r.Close()
		for _, slow := range []func(context.Context) error{
			func(context.Context) error { time.Sleep(1100 * time.Millisecond); return nil },
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		} {
			// the breaker that the one before opened lets the next one through
			time.Sleep(time.Second)
			begun := time.Now()
			_, _, err := r.read("a", "here", slow)
			if took := time.Since(begun); !errors.Is(err, ErrTimeout) ||
				took > 1100*time.Millisecond {
				t.Errorf("after %v: %v", took, err)
			}
			if n := r.Stats().Known; n != 0 {
				t.Errorf("%d values are kept", n)
			}
		}
	})
}

// They are used only while the database is down, and never after they were
// invalidated.
func TestStaleValuesAreUsedOnlyUpToStaleFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(shared(time.Minute))
		defer r.Close()
		down := func(context.Context) error { return errDown }
		r.want(t, "a", "here", "here")
		r.want(t, "b", "", "")
		begun := time.Now()
		const second, minute = time.Second, time.Minute
		for _, at := range []time.Duration{second, second + 1, 5 * second, minute, minute + 1} {
			time.Sleep(time.Until(begun.Add(at)))
			for n, want := range map[name]string{"a": "here", "b": ""} {
				got, age, err := r.read(n, "never", down)
				wantAge, fails := at, at > minute
				if at <= second {
					wantAge = 0
				}
				switch {
				case fails && !errors.Is(err, errDown):
					t.Errorf("after %v: %s is %q, %v old, want an error", at, n, got, age)
				case !fails && (err != nil || age != wantAge || got != want):
					t.Errorf("after %v: %s is %q, %v old, error %v", at, n, got, age, err)
				}
			}
		}
	})
}

func TestAnInvalidatedValueIsNotUsedDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(shared(time.Minute))
		defer r.Close()
		r.want(t, "a", "here", "here")
		r.clock.Invalidate("a")
		got, _, err := r.read("a", "never", func(context.Context) error { return errDown })
		if !errors.Is(err, errDown) {
			t.Errorf("got %q, error %v", got, err)
		}
	})
}

func TestOnlyAnOutageMakesStaleValuesUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(shared(time.Minute))
		defer r.Close()
		r.want(t, "a", "here", "here")
		time.Sleep(2 * time.Second)
		wrong := errors.New("wrong")
		got, _, err := r.read("a", "never", func(context.Context) error { return wrong })
		if !errors.Is(err, wrong) {
			t.Errorf("got %q, error %v", got, err)
		}
	})
}

// A large value is answered and not kept, and takes the place of none.
func TestLargeValuesAreNotCached(t *testing.T) {
	r := newReader(alone())
	r.Cache = NewCache(r.source, 1<<20, 8, func(_ name, v *text) uint32 { return uint32(len(v.text)) })
	defer r.Close()
	for range 2 {
		r.want(t, "small", "12345678", "12345678")
		r.want(t, "large", "123456789", "123456789")
	}
	if r.loads != 3 {
		t.Errorf("%d loads, want one of the small value and two of the large one", r.loads)
	}
	r.known.CleanUp()
	if n := r.Stats().Bytes; n != 8 {
		t.Errorf("%d bytes are cached", n)
	}
}
