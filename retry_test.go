package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// TestNothingIsDoneTwice is the client's promise on repetition, as a table:
// whatever goes wrong, the number of sends, what the service did, and whether
// the call succeeded. The clients of the first three columns have had no answer
// yet and so don't know what the service honors; for the last it has said so.
func TestNothingIsDoneTwice(t *testing.T) {
	type (
		p []fault  // the plan
		o struct { // the outcome
			sends, done int
			ok          bool
		}
	)
	const ok, no = true, false
	const attempts = 3
	for _, c := range []struct {
		what                        string
		plan                        p
		last                        fault
		read, write, count, latchys o
	}{
		{"500 for ever", nil, broken500, o{3, 0, no}, o{1, 0, no}, o{1, 0, no}, o{3, 0, no}},
		{"500 for ever, but done", nil, late500, o{3, 3, no}, o{1, 1, no}, o{1, 1, no}, o{3, 1, no}},
		{"500 once", p{broken500}, fine, o{2, 1, ok}, o{1, 0, no}, o{1, 0, no}, o{2, 1, ok}},
		{"500 once, but done", p{late500}, fine, o{2, 2, ok}, o{1, 1, no}, o{1, 1, no}, o{2, 1, ok}},
		{"a proxy's 502, but done", p{proxy502}, fine, o{2, 2, ok}, o{1, 1, no}, o{1, 1, no},
			o{2, 1, ok}},
		{"503 with Retry-After", p{busy503}, fine, o{2, 1, ok}, o{1, 0, no}, o{1, 0, no}, o{2, 1, ok}},
		{"429 with Retry-After", p{busy429}, fine, o{2, 1, ok}, o{2, 1, ok}, o{2, 1, ok}, o{2, 1, ok}},
		{"429 for ever", nil, busy429, o{3, 0, no}, o{3, 0, no}, o{3, 0, no}, o{3, 0, no}},
		{"dropped after it was read", p{lostAfter}, fine, o{2, 2, ok}, o{1, 1, no}, o{1, 1, no},
			o{2, 1, ok}},
		{"dropped for ever", nil, lostAfter, o{3, 3, no}, o{1, 1, no}, o{1, 1, no}, o{3, 1, no}},
		{"no connection", p{undialed, undialed}, fine, o{3, 1, ok}, o{3, 1, ok}, o{3, 1, ok},
			o{3, 1, ok}},
		{"no connection for ever", nil, undialed, o{3, 0, no}, o{3, 0, no}, o{3, 0, no}, o{3, 0, no}},
		{"slower than the timeout", p{slow}, fine, o{2, 2, ok}, o{1, 1, no}, o{1, 1, no}, o{2, 1, ok}},
		{"half an answer", p{garbled}, fine, o{1, 1, no}, o{1, 1, no}, o{1, 1, no}, o{1, 1, no}},
		{"lost, then no connection", p{lostAfter, undialed}, fine, o{3, 2, ok}, o{1, 1, no}, o{1, 1, no},
			o{3, 1, ok}},
		{"no connection, then lost", p{undialed, lostAfter}, fine, o{3, 2, ok}, o{2, 1, no}, o{2, 1, no},
			o{3, 1, ok}},
	} {
		try := func(name, call string, honors bool, want o) {
			t.Run(c.what+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &service{honors: honors, plan: c.plan, last: c.last}
					if honors { // an answer before, so that the client knows
						s.plan, s.last = append([]fault{fine}, c.plan...), c.last
					}
					client := s.client(t, func(cfg *latchkey.Config) { cfg.Timeout = 300 * time.Millisecond })
					if honors {
						if _, err := client.Liveness(t.Context()); err != nil {
							t.Fatal(err)
						}
						s.sends, s.done, s.plan = 0, 0, c.plan
					}
					var info latchkey.ResponseInfo
					err := calls[call](t.Context(), client, latchkey.WithResponse(&info))
					same(t, "sends", s.sends, want.sends)
					same(t, "done", s.done, want.done)
					same(t, "succeeded", err == nil, want.ok)
					same(t, "attempts that the caller is told of", info.Attempts, s.sends)
					if s.sends > attempts {
						t.Errorf("sent %d times", s.sends)
					}
				})
			})
		}
		try("read", "read", false, c.read)
		try("settle", "settle", false, c.read) // the service settles once, however often it is asked
		try("write", "write", false, c.write)
		try("count", "count", false, c.count)
		try("write to a Latchkey", "write", true, c.latchys)
	}
}

// TestAnyFaultsAreDoneOnce runs calls through random faults, with services of
// both kinds, known and unknown, and random policies.
func TestAnyFaultsAreDoneOnce(t *testing.T) {
	kinds := []string{"write", "count", "read"}
	rapid.Check(t, func(rt *rapid.T) {
		j := journey{
			honors:   rapid.Bool().Draw(rt, "honors"),
			plan:     rapid.SliceOfN(rapid.SampledFrom(faults), 0, 12).Draw(rt, "plan"),
			attempts: rapid.IntRange(1, 6).Draw(rt, "attempts"),
			elapsed:  time.Duration(rapid.IntRange(1, 20).Draw(rt, "seconds")) * time.Second,
			timeout:  time.Duration(rapid.IntRange(1, 5).Draw(rt, "timeout")) * time.Second,
			calls:    rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 5).Draw(rt, "calls"),
			keyed:    rapid.SliceOfN(rapid.Bool(), 5, 5).Draw(rt, "keyed"),
		}
		var err error
		synctest.Test(t, func(t *testing.T) { err = j.run(t.Context()) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// journey is a number of calls and what happens to them.
type journey struct {
	honors           bool
	plan             []fault
	attempts         int
	elapsed, timeout time.Duration
	calls            []string
	keyed            []bool // with a WithIdempotencyKey, by call
}

func (j journey) run(ctx context.Context) error {
	s := &service{honors: j.honors, plan: j.plan}
	client, err := latchkey.New(latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: rootKey, HTTPClient: &http.Client{Transport: s},
		Retry: latchkey.RetryPolicy{MaxAttempts: j.attempts, MaxElapsed: j.elapsed}, Timeout: j.timeout,
	})
	if err != nil {
		return err
	}
	for i, call := range j.calls {
		var opts []latchkey.CallOption
		if j.keyed[i] {
			opts = append(opts, latchkey.WithIdempotencyKey(fmt.Sprint("key ", i)))
		}
		sends, done, begun := s.sends, s.done, time.Now()
		err := calls[call](ctx, client, opts...)
		sends, done = s.sends-sends, s.done-done
		took := time.Since(begun)
		switch {
		case call != "read" && done > 1:
			return fmt.Errorf("call %d, a %s, was done %d times", i, call, done)
		case err == nil && done == 0:
			return fmt.Errorf("call %d, a %s, succeeded without being done", i, call)
		case sends > j.attempts:
			return fmt.Errorf("call %d, a %s, was sent %d times", i, call, sends)
		case took > max(j.timeout, j.elapsed):
			return fmt.Errorf("call %d, a %s, took %v", i, call, took)
		}
	}
	return nil
}

func TestWaitsAsLongAsTheServiceAsks(t *testing.T) {
	for _, c := range []struct {
		header, value string
		least, most   time.Duration
		sends         int
	}{
		{"Retry-After", "3", 3 * time.Second, 3 * time.Second, 2},
		{"retry-after-ms", "1500", 1500 * time.Millisecond, 1500 * time.Millisecond, 2},
		// a bubble's time begins at 2000-01-01
		{"Retry-After", "Sat, 01 Jan 2000 00:00:05 GMT", 5 * time.Second, 5 * time.Second, 2},
		{"Retry-After", "Sat, 01 Jan 1999 00:00:05 GMT", 0, 100 * time.Millisecond, 2},
		{"Retry-After", "-1", 0, 100 * time.Millisecond, 2},
		{"Retry-After", "soon", 0, 100 * time.Millisecond, 2},
		{"Retry-After", "11", 0, 0, 1}, // later than the policy allows
		{"Retry-After", "2147483648", 0, 0, 1},
		{"Retry-After", "99999999999999999999", 0, 0, 1},
		{"Retry-After", "-99999999999999999999", 0, 100 * time.Millisecond, 2},
		{"retry-after-ms", "2147483648", 0, 0, 1},
		{"retry-after-ms", "99999999999999999999", 0, 0, 1},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				client := newClient(t, latchkey.Config{
					BaseURL: "http://latchkey.test",
					HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						if sends++; sends > 1 {
							return response(r, 200, answerTo(r)), nil
						}
						res := response(r, status, problem(status))
						res.Header.Set(c.header, c.value)
						return res, nil
					})},
				})
				begun := time.Now()
				err := calls["read"](t.Context(), client)
				took := time.Since(begun)
				if sends != c.sends || (err == nil) != (c.sends == 2) || took < c.least || took > c.most {
					t.Errorf("%s: %s after %d: %d sends in %v, %v", c.header, c.value, status, sends, took, err)
				}
			})
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWaitsGrowAndAreRandom looks at many waits: each is somewhere between
// nothing and its longest, and the longest doubles up to Max.
func TestWaitsGrowAndAreRandom(t *testing.T) {
	longest := []time.Duration{10, 20, 40, 50, 50}
	for i := range longest {
		longest[i] *= time.Millisecond
	}
	most := make([]time.Duration, len(longest))
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			last, n := time.Now(), 0
			client := newClient(t, latchkey.Config{
				BaseURL: "http://latchkey.test",
				Retry: latchkey.RetryPolicy{
					MaxAttempts: 6, Initial: 10 * time.Millisecond, Max: 50 * time.Millisecond, Multiplier: 2,
				},
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if n > 0 {
						wait := time.Since(last)
						if wait > longest[n-1] {
							t.Errorf("wait %d is %v", n, wait)
						}
						most[n-1] = max(most[n-1], wait)
					}
					n++
					last = time.Now()
					return response(r, 500, problem(500)), nil
				})},
			})
			_ = calls["read"](t.Context(), client)
			same(t, "sends", n, 6)
		})
	}
	for i := range most {
		if most[i] < longest[i]*8/10 {
			t.Errorf("of 300 waits before repetition %d the longest is %v, of at most %v", i+1, most[i],
				longest[i])
		}
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{last: busy503}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		begun := time.Now()
		err := calls["read"](ctx, s.client(t))
		var refused *latchkey.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &refused) || refused.Status != 503 {
			t.Errorf("got %v", err)
		}
		same(t, "time", time.Since(begun), 500*time.Millisecond)
		same(t, "sends", s.sends, 1)
	})
}

// TestNoWaitBeyondTheDeadline: a wait that the context would end is not begun.
func TestNoWaitBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{last: busy503}
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if err := calls["read"](ctx, s.client(t)); !errors.Is(err, latchkey.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		same(t, "time", time.Since(begun), 0)
	})
}

func TestPolicyCanBeChanged(t *testing.T) {
	status := func(code int) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			return response(r, code, problem(code)), nil
		}
	}
	lost := func(r *http.Request) (*http.Response, error) {
		return (&service{last: lostAfter}).RoundTrip(r)
	}
	undialled := func(r *http.Request) (*http.Response, error) {
		return (&service{last: undialed}).RoundTrip(r)
	}
	for _, c := range []struct {
		what   string
		policy latchkey.RetryPolicy
		answer func(*http.Request) (*http.Response, error)
		sends  int
	}{
		{"no retry", latchkey.NoRetry, status(500), 1},
		{"more attempts", latchkey.RetryPolicy{MaxAttempts: 5}, status(500), 5},
		{"only these statuses", latchkey.RetryPolicy{Statuses: []int{418}}, status(500), 1},
		{"these statuses", latchkey.RetryPolicy{Statuses: []int{418}}, status(418), 3},
		{"no statuses", latchkey.RetryPolicy{Statuses: []int{}}, status(429), 1},
		{"a refusal of the request", latchkey.RetryPolicy{}, status(404), 1},
		{"a redirect", latchkey.RetryPolicy{}, status(302), 1},
		{"lost connections", latchkey.RetryPolicy{}, lost, 3},
		{"no lost connections", latchkey.RetryPolicy{ConnectionErrors: latchkey.Set(false)}, lost, 1},
		{"no missing connections", latchkey.RetryPolicy{ConnectionErrors: latchkey.Set(false)}, undialled,
			1},
		{"little time", latchkey.RetryPolicy{MaxAttempts: 1000, MaxElapsed: time.Nanosecond}, status(500),
			1},
	} {
		for _, perCall := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				cfg := latchkey.Config{
					BaseURL: "http://latchkey.test",
					HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						sends++
						return c.answer(r)
					})},
				}
				var opts []latchkey.CallOption
				if perCall {
					cfg.Retry, opts = latchkey.RetryPolicy{MaxAttempts: 2}, []latchkey.CallOption{
						latchkey.WithRetry(c.policy),
					}
				} else {
					cfg.Retry = c.policy
				}
				if err := calls["read"](t.Context(), newClient(t, cfg), opts...); err == nil {
					t.Error("no error")
				}
				same(t, fmt.Sprintf("%s, per call %v: sends", c.what, perCall), sends, c.sends)
			})
		}
	}
}
