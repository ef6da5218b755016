package coherence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

func newBreaker() *Breaker {
	unavailable := func(err error) bool { return errors.Is(err, errDown) }
	return NewBreaker(unavailable, slog.New(slog.DiscardHandler))
}

func TestAnOpenBreakerRetriesTenTimesASecond(t *testing.T) {
	for _, fault := range []error{errDown, ErrTimeout} {
		synctest.Test(t, func(t *testing.T) {
			r := newReader(shared(0))
			defer r.Close()
			for i := range 200 {
				_, _, err := r.read(name(fmt.Sprint(i)), "", func(context.Context) error {
					return fault
				})
				if !errors.Is(err, fault) {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			if r.loads != 10 {
				t.Errorf("%v: %d loads in a second, want 10", fault, r.loads)
			}
		})
	}
}

// No read is needed to close the breaker. There may be nothing to read, because cached
// values are used while the change log is applied.
func TestAnyResponseClosesTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, asked := newBreaker(), 0
		ask := func(answer error) error { return b.Do(func() error { asked++; return answer }) }
		if err := ask(errDown); !errors.Is(err, errDown) || asked != 1 || b.Open() {
			t.Fatalf("a change that fails: %v, asked %d times, open %v", err, asked, b.Open())
		}
		b.record(errDown)
		if err := ask(nil); !errors.Is(err, errDown) || asked != 1 || !b.Open() {
			t.Errorf("right after it began: %v, asked %d times", err, asked)
		}
		time.Sleep(100 * time.Millisecond)
		if err := ask(errDown); !errors.Is(err, errDown) || asked != 2 || !b.Open() {
			t.Errorf("while it goes on: %v, asked %d times", err, asked)
		}
		if err := ask(nil); !errors.Is(err, errDown) || asked != 2 {
			t.Errorf("right after a retry: %v, asked %d times", err, asked)
		}
		time.Sleep(100 * time.Millisecond)
		other := errors.New("not found")
		if err := ask(other); !errors.Is(err, other) || b.Open() {
			t.Errorf("when it is over: %v, open %v", err, b.Open())
		}
		b.record(errDown)
		if b.Reset(); b.Open() {
			t.Error("open after a reset")
		}
	})
}
