package protect_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
	"github.com/latchkeyhq/latchkey/protect"
)

// newBudget creates a budget of 100 tokens and a key that has it, and 10 credits.
func newBudget(t *testing.T) (*latchkeytest.Service, *protect.Guard, string) {
	t.Helper()
	s, ctx := latchkeytest.New(t), t.Context()
	key := s.NewKey(latchkey.CreateKeyRequest{
		Credits: &latchkey.Credits{Remaining: latchkey.Int(10)},
	})
	if _, err := s.Client.Budgets.Create(ctx, latchkey.CreateBudgetRequest{
		Name: "tokens", Allowance: latchkey.Int(100),
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Budgets.Attach(ctx, latchkey.AttachBudgetRequest{
		Budget: "tokens", KeyID: key.KeyID, AutoApply: latchkey.Set(false),
	}); err != nil {
		t.Fatal(err)
	}
	return s, protect.New(protect.Config{
		Verifier: s.Client.Keys, Budgets: s.Client.Budgets,
		OnError: protect.FailClosed(slog.New(slog.DiscardHandler)),
	}).Reserve(time.Minute, tokens(40)), key.Key
}

func tokens(n int64) latchkey.BudgetCost {
	return latchkey.BudgetCost{Budget: "tokens", Cost: latchkey.Int(n)}
}

// serveKey sends a request with a key to a handler behind a guard.
func serveKey(
	ctx context.Context, g *protect.Guard, key string, handle http.HandlerFunc,
) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	g.Handler(handle).ServeHTTP(rec, r)
	return rec
}

// reservationOf returns the reservation of a request, which must have one.
func reservationOf(ctx context.Context, t *testing.T) *protect.Reservation {
	t.Helper()
	reservation, ok := protect.ReservationFromContext(ctx)
	if !ok {
		t.Fatal("nothing is reserved")
	}
	return reservation
}

// checkBudget checks what was charged, and that nothing is reserved any longer.
func checkBudget(t *testing.T, s *latchkeytest.Service, spent int64) {
	t.Helper()
	b, err := s.Client.Budgets.Get(t.Context(), latchkey.GetBudgetRequest{Budget: "tokens"})
	if err != nil {
		t.Fatal(err)
	}
	if b.Spent != spent || b.Remaining != 100-spent || b.Open != 0 {
		t.Errorf("spent %d, remaining %d, open %d; want %d spent and none open",
			b.Spent, b.Remaining, b.Open, spent)
	}
}

func TestReservationIsSettledWithWhatWasUsed(t *testing.T) {
	s, guard, key := newBudget(t)
	rec := serveKey(t.Context(), guard, key, func(_ http.ResponseWriter, r *http.Request) {
		b, err := s.Client.Budgets.Get(r.Context(), latchkey.GetBudgetRequest{Budget: "tokens"})
		if err != nil || b.Reserved != 40 {
			t.Errorf("%d are reserved, %v", b.Reserved, err)
		}
		reservation := reservationOf(r.Context(), t)
		for range 2 { // the second time it has no effect
			if err := reservation.Settle(r.Context(), 25); err != nil {
				t.Error(err)
			}
		}
		if err := reservation.Settle(r.Context(), 26); !errors.Is(err, latchkey.ErrConflict) {
			t.Errorf("settled with another cost: %v", err)
		}
	})
	if rec.Code != http.StatusOK {
		t.Fatal(rec.Code, rec.Body)
	}
	checkBudget(t, s, 25)
}

func TestUnsettledReservationIsReleased(t *testing.T) {
	s, guard, key := newBudget(t)
	serveKey(t.Context(), guard, key, func(_ http.ResponseWriter, r *http.Request) {
		reservationOf(r.Context(), t)
	})
	checkBudget(t, s, 0)
	v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
	if err != nil || v.Credits.Or(0) != 9 { // spent by this verification only
		t.Errorf("credits %v, %v", v.Credits, err)
	}
}

func TestReservationOfPanicIsReleased(t *testing.T) {
	s, guard, key := newBudget(t)
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the panic is lost")
			}
		}()
		serveKey(t.Context(), guard, key, func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		})
	}()
	checkBudget(t, s, 0)
}

func TestReservationOfCallerWhoDisconnectsEnds(t *testing.T) {
	s, guard, key := newBudget(t)
	for _, used := range []int64{0, 30} {
		ctx, disconnect := context.WithCancel(t.Context())
		serveKey(ctx, guard, key, func(_ http.ResponseWriter, r *http.Request) {
			disconnect()
			<-r.Context().Done()
			if used == 0 {
				return
			}
			if err := reservationOf(r.Context(), t).Settle(r.Context(), used); err != nil {
				t.Error(err)
			}
		})
		checkBudget(t, s, used)
	}
	gone, disconnect := context.WithCancel(t.Context())
	disconnect() // before the verification
	serveKey(gone, guard, key, func(http.ResponseWriter, *http.Request) {})
	checkBudget(t, s, 30)
}

func TestExceededBudgetIsRefused(t *testing.T) {
	s, guard, key := newBudget(t)
	rec := serveKey(t.Context(), guard.Reserve(time.Minute, tokens(101)), key,
		func(http.ResponseWriter, *http.Request) { t.Error("the request passes") })
	if rec.Code != http.StatusPaymentRequired {
		t.Error(rec.Code, rec.Body)
	}
	checkBudget(t, s, 0)
}

func TestReservationOfFunctionIsReleased(t *testing.T) {
	s, guard, key := newBudget(t)
	run := protect.Protect(guard,
		func(_ context.Context, key string) (string, bool) { return key, true },
		func(ctx context.Context, _ string, _ latchkey.Verification) (int, error) {
			return 0, reservationOf(ctx, t).SettleEach(ctx, tokens(7))
		})
	if _, err := run(t.Context(), key); err != nil {
		t.Error(err)
	}
	checkBudget(t, s, 7)
}

// TestCreditsAloneAreSettled: without a budget, the cost is that of the credits.
func TestCreditsAloneAreSettled(t *testing.T) {
	s, guard, key := newBudget(t)
	serveKey(t.Context(), guard.Cost(8).Reserve(time.Minute), key,
		func(_ http.ResponseWriter, r *http.Request) {
			if err := reservationOf(r.Context(), t).Settle(r.Context(), 3); err != nil {
				t.Error(err)
			}
		})
	v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
	if err != nil || v.Credits.Or(0) != 10-3-1 {
		t.Errorf("credits %v, %v", v.Credits, err)
	}
}

func TestKeyWithoutAnythingToReservePasses(t *testing.T) {
	s, guard, _ := newBudget(t)
	rec := serveKey(t.Context(), guard.Reserve(time.Minute),
		s.NewKey(latchkey.CreateKeyRequest{}).Key,
		func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := protect.ReservationFromContext(r.Context()); ok {
				t.Error("there is a reservation of nothing")
			}
		})
	if rec.Code != http.StatusOK {
		t.Error(rec.Code, rec.Body)
	}
}

func TestReserveChecksItsConfiguration(t *testing.T) {
	s, guard, _ := newBudget(t)
	for name, reserve := range map[string]func(){
		"no budgets": func() {
			protect.New(protect.Config{Verifier: s.Client.Keys}).Reserve(time.Minute)
		},
		"ttl too short": func() { guard.Reserve(time.Second - 1) },
		"ttl too long":  func() { guard.Reserve(24*time.Hour + 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error(name)
				}
			}()
			reserve()
		}()
	}
}

// TestBudgetsAreNotCached: a key that spends from a budget is verified by the service.
func TestBudgetsAreNotCached(t *testing.T) {
	s, _, _ := newBudget(t)
	key := s.NewKey(latchkey.CreateKeyRequest{})
	if err := s.Client.Budgets.Attach(t.Context(), latchkey.AttachBudgetRequest{
		Budget: "tokens", KeyID: key.KeyID,
	}); err != nil {
		t.Fatal(err)
	}
	guard := protect.New(protect.Config{
		Verifier: s.Client.Keys, Cache: protect.Cache{TTL: time.Hour},
	})
	for range 3 {
		if _, err := guard.Check(t.Context(), key.Key); err != nil {
			t.Fatal(err)
		}
	}
	checkBudget(t, s, 3)
}

// clockwork stands for a service in a bubble of synctest: it keeps the end of one reservation.
type clockwork struct {
	settled []int64

	mu       sync.Mutex
	expires  time.Time
	extended int
	fail     error // of the next call
}

func (c *clockwork) Verify(
	_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expires = time.Now().Add(r.Reserve.TTL.Duration())
	return latchkey.Verification{
		Valid: true, Code: latchkey.Valid,
		Reservation: &latchkey.NewReservation{ID: "res_1", Expires: latchkey.At(c.expires)},
	}, nil
}

// extensions returns how often the reservation was extended, and whether it is open.
func (c *clockwork) extensions() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.extended, c.expires.After(time.Now())
}

func (c *clockwork) failNext(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *clockwork) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.fail
	c.fail = nil
	return err
}

func (c *clockwork) Settle(
	ctx context.Context, r latchkey.SettleReservationRequest, _ ...latchkey.CallOption,
) (latchkey.SettledReservation, error) {
	if err := errors.Join(ctx.Err(), c.failure()); err != nil {
		return latchkey.SettledReservation{}, err
	}
	c.settled = append(c.settled, r.Budgets[0].Cost.Or(-1))
	return latchkey.SettledReservation{}, nil
}

func (c *clockwork) Release(
	ctx context.Context, _ latchkey.ReleaseReservationRequest, _ ...latchkey.CallOption,
) (latchkey.SettledReservation, error) {
	c.settled = append(c.settled, 0)
	return latchkey.SettledReservation{}, ctx.Err()
}

func (c *clockwork) Extend(
	ctx context.Context, r latchkey.ExtendReservationRequest, _ ...latchkey.CallOption,
) (latchkey.ExtendedReservation, error) {
	if err := errors.Join(ctx.Err(), c.failure()); err != nil {
		return latchkey.ExtendedReservation{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().After(c.expires) {
		return latchkey.ExtendedReservation{}, latchkey.ErrConflict
	}
	c.extended++
	c.expires = time.Now().Add(r.TTL.Duration())
	return latchkey.ExtendedReservation{Expires: latchkey.At(c.expires)}, nil
}

func (c *clockwork) guard() *protect.Guard {
	return protect.New(protect.Config{
		Verifier: c, Budgets: c, OnError: protect.FailClosed(slog.New(slog.DiscardHandler)),
	}).Reserve(time.Second, tokens(5))
}

func TestReservationIsExtendedWhileTheHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{}
		serveKey(t.Context(), c.guard(), "sk_1", func(_ http.ResponseWriter, r *http.Request) {
			reservation := reservationOf(r.Context(), t)
			c.failNext(errors.New("not reachable")) // one failure does no harm
			time.Sleep(time.Hour)
			synctest.Wait()
			if n, open := c.extensions(); !open || n == 0 {
				t.Error("expired")
			}
			if err := reservation.Extend(r.Context(), time.Minute); err != nil {
				t.Error(err)
			}
			extended, _ := c.extensions()
			time.Sleep(50 * time.Second)
			synctest.Wait()
			if n, open := c.extensions(); n-extended != 2 || !open {
				t.Errorf("extended %d times in 50 s with a ttl of a minute", n-extended)
			}
			if err := reservation.Extend(r.Context(), time.Second); err != nil {
				t.Error(err)
			}
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if _, open := c.extensions(); !open {
				t.Error("expired after a shorter ttl")
			}
		})
		extended, _ := c.extensions()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, _ := c.extensions(); n != extended || len(c.settled) != 1 || c.settled[0] != 0 {
			t.Errorf("extended %d times after the handler, settled %v", n-extended, c.settled)
		}
	})
}

func TestFailedSettlementIsRepeatedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{}
		serveKey(t.Context(), c.guard(), "sk_1", func(_ http.ResponseWriter, r *http.Request) {
			c.failNext(errors.New("the answer is lost"))
			if err := reservationOf(r.Context(), t).Settle(r.Context(), 3); err == nil {
				t.Error("the failure is hidden")
			}
		})
		if len(c.settled) != 1 || c.settled[0] != 3 {
			t.Errorf("settled %v", c.settled)
		}
	})
}

// TestSettledReservationIsNotExtended, even while the handler goes on.
func TestSettledReservationIsNotExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{}
		serveKey(t.Context(), c.guard(), "sk_1", func(_ http.ResponseWriter, r *http.Request) {
			if err := reservationOf(r.Context(), t).Settle(r.Context(), 3); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		if n, _ := c.extensions(); n != 0 || len(c.settled) != 1 {
			t.Errorf("extended %d times, settled %v", n, c.settled)
		}
	})
}
