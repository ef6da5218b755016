package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
	"pgregory.net/rapid"
)

// limits is a transport that decides as its function says and counts how often
// it is asked.
type limits struct {
	decide func(r *latchkey.LimitRequest) (latchkey.LimitResult, error)
	asked  int
}

func (l *limits) Send(ctx context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	l.asked++
	result, err := l.decide(a.Request.(*latchkey.LimitRequest))
	if err != nil {
		return latchkey.Answer{}, err
	}
	return latchkey.Answer{Data: result}, nil
}

func limiter(
	t testing.TB, transport latchkey.Transport, cfg latchkey.LimiterConfig,
) *latchkey.Limiter {
	t.Helper()
	cfg.Namespace, cfg.Limit, cfg.Window = "email", 10, time.Minute
	l, err := newClient(t, latchkey.Config{Transport: transport, Retry: latchkey.NoRetry}).Limiter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimiterIsCheckedAtOnce(t *testing.T) {
	c := newClient(t, latchkey.Config{Transport: &limits{}})
	for _, cfg := range []latchkey.LimiterConfig{
		{Limit: 1, Window: time.Minute},
		{Namespace: "email", Window: time.Minute},
		{Namespace: "email", Limit: -1, Window: time.Minute},
		{Namespace: "email", Limit: 1},
		{Namespace: "email", Limit: 1, Window: 999 * time.Millisecond},
		{Namespace: "email", Limit: 1, Window: 721 * time.Hour},
	} {
		if l, err := c.Limiter(cfg); err == nil || l != nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// TestLimiterLimits uses a real service: ten a minute and not one more.
func TestLimiterLimits(t *testing.T) {
	s := latchkeytest.New(t)
	l, err := s.Client.Limiter(latchkey.LimiterConfig{
		Namespace: "email", Limit: 10, Window: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	d := l.AllowN(ctx, "user_1", 7)
	same(t, "cost 7", d, latchkey.Decision{
		Allowed: true, Limit: 10, Remaining: 3, Reset: s.Clock.Now().Add(time.Minute),
	})
	same(t, "cost 4", l.AllowN(ctx, "user_1", 4).Allowed, false)
	same(t, "asking only", l.AllowN(ctx, "user_1", 0).Remaining, 3)
	for range 3 {
		same(t, "cost 1", l.Allow(ctx, "user_1").Allowed, true)
	}
	same(t, "one more", l.Allow(ctx, "user_1").Allowed, false)
	same(t, "somebody else", l.Allow(ctx, "user_2").Allowed, true)
	s.Clock.Advance(2 * time.Minute)
	same(t, "later", l.Allow(ctx, "user_1").Remaining, 9)
}

// TestLimiterFailsClosed: whoever wants otherwise must say so, for each
// identifier and error, and sees what happened.
func TestLimiterFailsClosed(t *testing.T) {
	cause := &latchkey.Error{Status: 503}
	down := &limits{
		decide: func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
			return latchkey.LimitResult{}, cause
		},
	}
	d := limiter(t, down, latchkey.LimiterConfig{}).Allow(t.Context(), "user_1")
	if d.Allowed || !errors.Is(d.Err, latchkey.ErrUnavailable) {
		t.Errorf("by default: %+v", d)
	}
	l := limiter(t, down, latchkey.LimiterConfig{BlockDenied: 10, OnError: func(
		_ context.Context, identifier string, err error,
	) latchkey.Decision {
		return latchkey.Decision{
			Allowed: identifier == "vip" && errors.Is(err, latchkey.ErrUnavailable),
			Reset:   time.Now().Add(time.Hour),
		}
	}})
	for range 3 {
		same(t, "vip", l.Allow(t.Context(), "vip").Allowed, true)
		d := l.Allow(t.Context(), "user_1")
		if d.Allowed || d.Local || d.Err == nil {
			t.Errorf("others: %+v", d)
		}
	}
	same(t, "asked, though OnError has refused", down.asked, 7)
}

// TestLimiterTimeoutEndsTheRequest: nothing goes on behind the back of a
// decision that was made for want of time.
func TestLimiterTimeoutEndsTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &service{last: slow}
		l, err := s.client(t).Limiter(latchkey.LimiterConfig{
			Namespace: "email", Limit: 1, Window: time.Minute, Timeout: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		d := l.Allow(t.Context(), "user_1")
		same(t, "time", time.Since(begun), 50*time.Millisecond)
		if d.Allowed || !errors.Is(d.Err, context.DeadlineExceeded) {
			t.Errorf("got %+v", d)
		}
		same(t, "request canceled", s.requests[0].Context().Err() != nil, true)
		time.Sleep(time.Minute)
		same(t, "sends", s.sends, 1)
	})
}

// TestDeniedAreRefusedHereUntilReset: those who were refused are not asked for
// again, except for less, until their window ends.
func TestDeniedAreRefusedHereUntilReset(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		down := false
		s := &limits{}
		s.decide = func(r *latchkey.LimitRequest) (latchkey.LimitResult, error) {
			if down {
				return latchkey.LimitResult{}, &latchkey.Error{Status: 500}
			}
			reset := time.Now().Truncate(time.Minute).Add(time.Minute)
			return latchkey.LimitResult{
				Success: r.Cost.Or(1) <= 6, Limit: 10, Reset: latchkey.At(reset),
			}, nil
		}
		l := limiter(t, s, latchkey.LimiterConfig{BlockDenied: 2})
		ask := func(identifier string, cost int64, allowed, local bool) {
			t.Helper()
			asked := s.asked
			d := l.AllowN(t.Context(), identifier, cost)
			if d.Allowed != allowed || d.Local != local || (s.asked == asked) != local {
				t.Errorf("%s for %d: %+v, asked %d times", identifier, cost, d, s.asked-asked)
			}
		}
		ask("a", 8, false, false)
		ask("a", 8, false, true)
		ask("a", 9, false, true)
		ask("a", 7, false, false) // costs less than what was refused
		ask("a", 7, false, true)
		ask("a", 6, true, false)
		ask("a", 7, false, true)
		time.Sleep(59 * time.Second)
		ask("a", 7, false, true)
		time.Sleep(time.Second)
		ask("a", 7, false, false) // a new window

		ask("b", 7, false, false)
		ask("c", 7, false, false) // takes the room of a, the oldest
		ask("b", 7, false, true)
		ask("c", 7, false, true)
		ask("a", 7, false, false)

		time.Sleep(time.Hour)
		down = true
		ask("b", 7, false, false) // a fallback, which is not remembered
		ask("b", 7, false, false)
	})
}

// TestDeniedAreRefusedHereUntilTheyFit: the service says how long a call waits, which can
// be less than until its window ends, or more.
func TestDeniedAreRefusedHereUntilTheyFit(t *testing.T) {
	const never = 0
	for _, c := range []struct {
		n           int64
		wait, block time.Duration
	}{
		{1, 1500 * time.Millisecond, 1500 * time.Millisecond},
		{1, 80 * time.Second, 80 * time.Second},
		{1, time.Hour, 2 * time.Minute}, // of an override
		{11, never, 20 * time.Second},
	} {
		inBubble(t, func(t *testing.T) {
			s := &limits{decide: func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
				return latchkey.LimitResult{
					Limit: 10, Reset: latchkey.At(time.Now().Add(20 * time.Second)),
					RetryAfter: latchkey.Per(c.wait),
				}, nil
			}}
			l := limiter(t, s, latchkey.LimiterConfig{BlockDenied: 1})
			same(t, "wait", l.AllowN(t.Context(), "a", c.n).RetryAfter, c.wait)
			time.Sleep(c.block - time.Second)
			d := l.AllowN(t.Context(), "a", c.n)
			same(t, "refused here", d.Local, true)
			if c.wait == never {
				same(t, "wait while refused here", d.RetryAfter, 0)
			} else {
				same(t, "wait while refused here", d.RetryAfter, time.Second)
			}
			time.Sleep(time.Second)
			same(t, "refused here afterwards", l.AllowN(t.Context(), "a", c.n).Local, false)
		})
	}
}

// TestLateRefusalsSayNoLess: of two uses under way at once the cheaper was
// refused first; that the dearer is refused too takes nothing back.
func TestLateRefusalsSayNoLess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &limits{}
		l := limiter(t, s, latchkey.LimiterConfig{BlockDenied: 1})
		s.decide = func(r *latchkey.LimitRequest) (latchkey.LimitResult, error) {
			if r.Cost.Or(1) == 8 {
				same(t, "cost 7 meanwhile", l.AllowN(t.Context(), "a", 7).Allowed, false)
			}
			return latchkey.LimitResult{Limit: 10, Reset: latchkey.At(time.Now().Add(time.Minute))}, nil
		}
		same(t, "cost 8", l.AllowN(t.Context(), "a", 8).Allowed, false)
		same(t, "cost 7 is refused here", l.AllowN(t.Context(), "a", 7).Local, true)
	})
}

// TestWrongClocksBlockNoLongerThanAWindow: a service whose clock is ahead must
// not shut anybody out for long.
func TestWrongClocksBlockNoLongerThanAWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &limits{decide: func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
			return latchkey.LimitResult{Limit: 10, Reset: latchkey.At(time.Now().Add(24 * time.Hour))}, nil
		}}
		l := limiter(t, s, latchkey.LimiterConfig{BlockDenied: 1})
		l.Allow(t.Context(), "a")
		time.Sleep(time.Minute - time.Nanosecond)
		same(t, "refused here", l.Allow(t.Context(), "a").Local, true)
		time.Sleep(time.Nanosecond)
		same(t, "refused here after a window", l.Allow(t.Context(), "a").Local, false)
	})
}

// TestBlockingNeverRefusesMoreThanItMay: for any uses, a refusal here is one
// that the service has given in this window for the same or less; and of the
// last identifiers refused, as many as there is room for are never asked again.
func TestBlockingNeverRefusesMoreThanItMay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type use struct {
			id   string
			cost int64
			wait int
			no   bool
		}
		room := rapid.IntRange(0, 3).Draw(rt, "room")
		uses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) use {
			return use{
				rapid.SampledFrom([]string{
					"a", "b", "c", "d", "e",
				}).Draw(t, "id"), rapid.Int64Range(1, 4).Draw(t, "cost"),
				rapid.IntRange(0, 30).Draw(t, "wait"), rapid.Bool().Draw(t, "no"),
			}
		}), 1, 40).Draw(rt, "uses")
		var wrong string
		inBubble(t, func(t *testing.T) {
			s := &limits{}
			l := limiter(t, s, latchkey.LimiterConfig{BlockDenied: room})
			refused := map[string]map[int64]time.Time{} // by identifier and cost, until when
			for i, u := range uses {
				time.Sleep(seconds(u.wait))
				reset := time.Now().Truncate(time.Minute).Add(time.Minute)
				s.decide = func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
					return latchkey.LimitResult{Success: !u.no, Limit: 10, Reset: latchkey.At(reset)}, nil
				}
				asked := s.asked
				d := l.AllowN(t.Context(), u.id, u.cost)
				may := false
				for cost, until := range refused[u.id] {
					may = may || cost <= u.cost && time.Now().Before(until)
				}
				if d.Local && (!may || d.Allowed || s.asked != asked) || room == 0 && d.Local {
					wrong = fmt.Sprintf("use %d, %+v: %+v", i, u, d)
				}
				if again := l.AllowN(t.Context(), u.id, u.cost); room > 0 && !d.Allowed && !again.Local {
					wrong = fmt.Sprintf("use %d, %+v, was refused and then asked for again", i, u)
				}
				if !d.Allowed && !d.Local {
					if refused[u.id] == nil {
						refused[u.id] = map[int64]time.Time{}
					}
					refused[u.id][u.cost] = reset
				}
			}
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

func TestHandlerTellsWhereOneStands(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		remaining, down, window := int64(3), false, 2500*time.Millisecond
		s := &limits{decide: func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
			if down {
				return latchkey.LimitResult{}, &latchkey.Error{Status: 500}
			}
			remaining--
			return latchkey.LimitResult{
				Success: remaining >= 0, Limit: 10, Remaining: max(0, remaining),
				Reset: latchkey.At(time.Now().Add(window)),
			}, nil
		}}
		served := 0
		handler := limiter(t, s, latchkey.LimiterConfig{}).Handler(
			func(r *http.Request) string { return r.Header.Get("X-User") },
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		get := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w
		}
		for _, c := range []struct {
			status                         int
			limit, remaining, reset, retry string
			down                           bool
			window                         time.Duration
		}{
			{200, "10", "2", "3", "", false, 2500 * time.Millisecond},
			{200, "10", "1", "0", "", false, -time.Hour}, // clocks differ
			{200, "10", "0", "60", "", false, time.Hour},
			{429, "10", "0", "3", "3", false, 2500 * time.Millisecond},
			{503, "", "", "", "", true, 0},
		} {
			down, window = c.down, c.window
			w := get()
			got := fmt.Sprint(w.Code, w.Header().Get("RateLimit-Limit"),
				w.Header().Get("RateLimit-Remaining"), w.Header().Get("RateLimit-Reset"),
				w.Header().Get("Retry-After"))
			same(t, "answer", got, fmt.Sprint(c.status, c.limit, c.remaining, c.reset, c.retry))
		}
		same(t, "served", served, 3)
	})
}

// TestRetryAfterIsWhenARequestFits: not when the window ends, and absent if it never will.
func TestRetryAfterIsWhenARequestFits(t *testing.T) {
	for _, c := range []struct {
		result latchkey.LimitResult
		want   string
	}{
		{latchkey.LimitResult{Limit: 10, RetryAfter: latchkey.Per(1500 * time.Millisecond)}, "2"},
		{latchkey.LimitResult{Limit: 10, RetryAfter: latchkey.Per(90 * time.Second)}, "90"},
		{latchkey.LimitResult{}, ""}, // an override of 0
	} {
		s := &limits{decide: func(*latchkey.LimitRequest) (latchkey.LimitResult, error) {
			c.result.Reset = latchkey.At(time.Now().Add(30 * time.Second))
			return c.result, nil
		}}
		w := httptest.NewRecorder()
		handler := limiter(t, s, latchkey.LimiterConfig{}).Handler(
			func(*http.Request) string { return "a" }, http.NotFoundHandler())
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		same(t, "status", w.Code, http.StatusTooManyRequests)
		same(t, "Retry-After", w.Header().Get("Retry-After"), c.want)
	}
}
