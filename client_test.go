package latchkey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

func TestConfigurationIsCheckedAtOnce(t *testing.T) {
	ask := func(context.Context) (string, error) { return rootKey, nil }
	transport := latchkey.Transport(fixed(nil))
	for what, cfg := range map[string]latchkey.Config{
		"no URL":                  {RootKey: rootKey},
		"no scheme":               {BaseURL: "localhost:7070", RootKey: rootKey},
		"another scheme":          {BaseURL: "ftp://localhost", RootKey: rootKey},
		"no host":                 {BaseURL: "http:///v2", RootKey: rootKey},
		"a query":                 {BaseURL: "http://localhost?a=b", RootKey: rootKey},
		"an empty query":          {BaseURL: "http://localhost?", RootKey: rootKey},
		"a fragment":              {BaseURL: "http://localhost#a", RootKey: rootKey},
		"a password":              {BaseURL: "http://user:" + rootKey + "@localhost", RootKey: rootKey},
		"mixed up":                {BaseURL: rootKey, RootKey: "http://localhost"},
		"not even a URL":          {BaseURL: "http://" + rootKey + "\x7f", RootKey: rootKey},
		"no key":                  {BaseURL: "http://localhost"},
		"no key for a transport":  {Transport: transport},
		"a key with a line break": {BaseURL: "http://localhost", RootKey: rootKey + "\n"},
		"a key with white space":  {BaseURL: "http://localhost", RootKey: " " + rootKey},
		"a key beyond ASCII":      {BaseURL: "http://localhost", RootKey: rootKey + "é"},
		"two sources of the key":  {BaseURL: "http://localhost", RootKey: rootKey, RootKeyFunc: ask},
		"a URL and a transport":   {BaseURL: "http://localhost", RootKey: rootKey, Transport: transport},
		"a client and a transport": {
			HTTPClient: http.DefaultClient, RootKey: rootKey, Transport: transport,
		},
	} {
		c, err := latchkey.New(cfg)
		if err == nil || c != nil {
			t.Errorf("%s: accepted", what)
		} else if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the error shows the root key: %v", what, err)
		}
	}
	for _, cfg := range []latchkey.Config{
		{BaseURL: latchkey.UnkeyCloud, RootKey: rootKey},
		{BaseURL: "http://[::1]:7070/", RootKeyFunc: ask},
		{Transport: transport, RootKey: rootKey},
	} {
		newClient(t, cfg)
	}
}

// fixed is a transport that answers all calls alike.
type fixed []latchkey.Answer

func (f fixed) Send(
	context.Context, *latchkey.Attempt,
) (latchkey.Answer, error) {
	return f[0], nil
}

func TestPathPrefixIsKept(t *testing.T) {
	for base, want := range map[string]string{
		"http://latchkey.test":        "http://latchkey.test/v2/apis.getApi",
		"http://latchkey.test/":       "http://latchkey.test/v2/apis.getApi",
		"http://latchkey.test/a/b":    "http://latchkey.test/a/b/v2/apis.getApi",
		"http://latchkey.test/a%2Fb/": "http://latchkey.test/a%2Fb/v2/apis.getApi",
	} {
		s := &service{}
		c := s.client(t, func(cfg *latchkey.Config) { cfg.BaseURL = base })
		if err := calls["read"](t.Context(), c); err != nil {
			t.Fatal(err)
		}
		same(t, base, s.requests[0].URL.String(), want)
	}
}

func TestRequestsAreWhatServicesExpect(t *testing.T) {
	s := &service{}
	c := s.client(t)
	err := calls["count"](t.Context(), c,
		latchkey.WithHeader("x-tenant", "a"), latchkey.WithHeader("X-Tenant", "b"),
		latchkey.WithHeader("Authorization", "Bearer other"), latchkey.WithHeader("content-type",
			"text/plain"),
		latchkey.WithHeader("Accept", "*/*"), latchkey.WithHeader("idempotency-key", "once"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.requests[0]
	same(t, "method", r.Method, "POST")
	same(t, "body", s.bodies[0], `{"key":"sk_open"}`)
	for name, want := range map[string]string{
		"Authorization": "Bearer " +
			rootKey, "Content-Type": "application/json", "Accept": "application/json",
		"User-Agent": "latchkey-go", "X-Tenant": "a,b", "Idempotency-Key": "once",
	} {
		same(t, name, strings.Join(r.Header[name], ","), want)
	}

	if _, err := c.Liveness(t.Context(), latchkey.WithHeader("User-Agent", "mine/1")); err != nil {
		t.Fatal(err)
	}
	same(t, "method of liveness", s.requests[1].Method, "GET")
	same(t, "user agent", s.requests[1].Header.Get("User-Agent"), "mine/1")

	c.SetRootKey("")
	if _, err := c.Liveness(
		t.Context(), latchkey.WithHeader("Authorization", "Bearer other"),
	); err != nil {
		t.Fatal(err)
	}
	same(t, "credentials of nobody", s.requests[2].Header.Get("Authorization"), "")
}

// TestOnlyWritesNameThemselves: calls that write carry an Idempotency-Key of
// 128 random bits, one a call, until the service is known to ignore it or
// nobody would make use of it. Counting is too hot for a write to disk.
func TestOnlyWritesNameThemselves(t *testing.T) {
	seen := map[string]bool{}
	named := func(s *service, c *latchkey.Client, call string, opts ...latchkey.CallOption) bool {
		t.Helper()
		if err := calls[call](t.Context(), c, opts...); err != nil {
			t.Fatal(err)
		}
		key := s.requests[len(s.requests)-1].Header.Get("Idempotency-Key")
		if key != "" && (seen[key] || len(key) < 26) { // 26 characters of base32
			t.Errorf("the key %q is short or was used before", key)
		}
		seen[key] = true
		return key != ""
	}
	s := &service{honors: true}
	c := s.client(t)
	same(t, "first write", named(s, c, "write"), true)
	same(t, "second write", named(s, c, "write"), true)
	same(t, "read", named(s, c, "read"), false)
	same(t, "count", named(s, c, "count"), false)
	same(t, "write that is never repeated", named(s, c, "write", latchkey.WithRetry(latchkey.NoRetry)),
		false)
	same(t, "count with a key",
		named(s, c, "count", latchkey.WithIdempotencyKey("a key that the caller gives")), true)
	s.honors = false
	same(t, "write before an answer that honors nothing", named(s, c, "write"), true)
	same(t, "write after it", named(s, c, "write"), false)
	s.honors = true
	same(t, "write before an answer that honors it", named(s, c, "write"), false)
	same(t, "write after it", named(s, c, "write"), true)
}

// TestErrorsOnTheWayTeachNothing: a proxy's 502 does not make the client believe
// that the service behind it ignores keys.
func TestErrorsOnTheWayTeachNothing(t *testing.T) {
	s := &service{honors: true, plan: []fault{fine, proxy502}, last: fine}
	c := s.client(t, func(cfg *latchkey.Config) {
		cfg.Retry = latchkey.RetryPolicy{MaxAttempts: 2, Initial: 1}
	})
	for range 2 {
		if err := calls["write"](t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "sends", s.sends, 3)
	same(t, "done", s.done, 2)
}

// TestRedirectsAreNotFollowed: neither root key nor request reach another host,
// or the same one by another name, even if the HTTP client would take them there.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var asked []string
		c := newClient(t, latchkey.Config{
			BaseURL: "http://latchkey.test", RootKey: rootKey, HTTPClient: &http.Client{
				CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if asked = append(asked, r.URL.Host); len(asked) > 1 {
						return response(r, 200, answerTo(r)), nil
					}
					res := response(r, status, "")
					res.Header.Set("Location", "https://sub.latchkey.test/v2/apis.getApi")
					return res, nil
				}),
			},
		})
		for _, call := range calls {
			asked = nil
			err := call(t.Context(), c)
			var refused *latchkey.Error
			if !errors.As(err, &refused) || refused.Status != status ||
				!strings.Contains(refused.Detail, "sub.latchkey.test") {
				t.Errorf("%d: %v", status, err)
			}
			same(t, fmt.Sprint(status, " hosts"), strings.Join(asked, " "), "latchkey.test")
		}
	}
}

func TestHTTPClientOfTheCallerIsLeftAlone(t *testing.T) {
	mine := &http.Client{Transport: &service{}}
	newClient(t, latchkey.Config{BaseURL: "http://latchkey.test", HTTPClient: mine})
	if mine.CheckRedirect != nil {
		t.Error("it was changed")
	}
}

// TestRootKeyIsAskedForOncePerCall: all attempts of a call come from the same
// root key, or a service could not tell that they are one.
func TestRootKeyIsAskedForOncePerCall(t *testing.T) {
	asked := 0
	s := &service{plan: []fault{undialed, busy429, fine}}
	c := s.client(t, func(cfg *latchkey.Config) {
		cfg.RootKey = ""
		cfg.RootKeyFunc = func(context.Context) (string, error) {
			asked++
			return fmt.Sprint("unkey_", asked), nil
		}
	})
	inBubble(t, func(t *testing.T) {
		for range 2 {
			if err := calls["write"](t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	})
	same(t, "asked", asked, 2)
	for i, want := range []string{"unkey_1", "unkey_1", "unkey_1", "unkey_2"} {
		same(t, fmt.Sprint("send ", i), s.requests[i].Header.Get("Authorization"), "Bearer "+want)
	}
}

func TestRootKeyCanBeChangedWhileCallsRun(t *testing.T) {
	s := &service{}
	c := s.client(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			c.SetRootKey(fmt.Sprint("unkey_", i))
			if err := calls["read"](t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c.SetRootKey("unkey_last")
	if err := calls["read"](t.Context(), c); err != nil {
		t.Fatal(err)
	}
	same(t, "after it was set", s.requests[8].Header.Get("Authorization"), "Bearer unkey_last")
}

func TestRootKeyThatCannotBeIsNotSent(t *testing.T) {
	s, cause := &service{}, errors.New("the vault is sealed")
	result := func(text string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text, err }
	}
	bad := s.client(t, func(cfg *latchkey.Config) {
		cfg.RootKey, cfg.RootKeyFunc = "", result(rootKey+"\r\nX: y", nil)
	})
	failing := s.client(t, func(cfg *latchkey.Config) {
		cfg.RootKey, cfg.RootKeyFunc = "", result("", cause)
	})
	set := s.client(t)
	set.SetRootKey(rootKey + "\n")
	for what, c := range map[string]*latchkey.Client{"bad": bad, "failing": failing, "set": set} {
		err := calls["read"](t.Context(), c)
		if err == nil || strings.Contains(err.Error(), "sesame") ||
			errors.Is(err, cause) != (what == "failing") {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "sends", s.sends, 0)
}

func TestResponseInfoTellsOfAnyAnswer(t *testing.T) {
	for _, c := range []struct {
		plan     []fault
		id       string
		attempts int
		header   bool
	}{
		{nil, "req_1", 1, true},
		{[]fault{undialed, busy429}, "req_1", 3, true},
		{[]fault{busy429, busy429, busy429}, "req_429", 3, true},
		{[]fault{undialed, undialed, undialed}, "", 3, false},
	} {
		s := &service{plan: c.plan}
		var info latchkey.ResponseInfo
		var err error
		inBubble(t, func(t *testing.T) {
			err = calls["write"](t.Context(), s.client(t), latchkey.WithResponse(&info))
		})
		same(t, fmt.Sprint(c.plan, " id"), info.RequestID, c.id)
		same(t, fmt.Sprint(c.plan, " attempts"), info.Attempts, c.attempts)
		same(t, fmt.Sprint(c.plan, " header"), info.Header != nil, c.header)
		if refused := (*latchkey.Error)(nil); errors.As(err, &refused) {
			same(t, fmt.Sprint(c.plan, " attempts in the error"), refused.Attempts, c.attempts)
		}
	}
}

func TestTimeoutsAreForEachAttempt(t *testing.T) {
	for what, c := range map[string]struct {
		timeout int // of the client, in seconds
		opts    []latchkey.CallOption
		want    string
	}{
		"default":       {0, nil, "10s"},
		"configured":    {3, nil, "3s"},
		"none":          {-1, nil, "none"},
		"per call":      {3, []latchkey.CallOption{latchkey.WithTimeout(5e9)}, "5s"},
		"none per call": {3, []latchkey.CallOption{latchkey.WithTimeout(0)}, "none"},
	} {
		inBubble(t, func(t *testing.T) {
			got := "none"
			client := newClient(t, latchkey.Config{
				BaseURL: "http://latchkey.test", Timeout: seconds(c.timeout),
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if left, ok := remaining(r.Context()); ok {
						got = left.String()
					}
					return response(r, 200, answerTo(r)), nil
				})},
			})
			if err := calls["read"](t.Context(), client, c.opts...); err != nil {
				t.Fatal(err)
			}
			same(t, what, got, c.want)
		})
	}
}

func TestFromEnvNamesTheMissingVariable(t *testing.T) {
	for _, c := range []struct{ url, key, want string }{
		{"", rootKey, "LATCHKEY_URL"},
		{"http://127.0.0.1:7070", "", "LATCHKEY_ROOT_KEY"},
		{rootKey, rootKey, "BaseURL"},
		{"http://127.0.0.1:7070", rootKey, ""},
	} {
		t.Setenv("LATCHKEY_URL", c.url)
		t.Setenv("LATCHKEY_ROOT_KEY", c.key)
		client, err := latchkey.FromEnv()
		if c.want == "" {
			if err != nil || client == nil {
				t.Errorf("with both: %v", err)
			}
			continue
		}
		if client != nil || err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), rootKey) {
			t.Errorf("want an error about %s, got %v", c.want, err)
		}
	}
}

// TestPlainHTTPToOthersIsWarnedOf: once, where the client is created.
func TestPlainHTTPToOthersIsWarnedOf(t *testing.T) {
	for url, want := range map[string]bool{
		"http://latchkey.example":      true,
		"http://10.0.0.1:7070/prefix":  true,
		"http://[2001:db8::1]:7070":    true,
		"http://127.0.0.1.example":     true,
		"http://127.0.0.1:7070":        false,
		"http://127.8.0.1":             false,
		"http://[::1]:7070":            false,
		"http://[::ffff:127.0.0.1]:80": false,
		"http://localhost:7070":        false,
		"https://latchkey.example":     false,
	} {
		var log bytes.Buffer
		newClient(t, latchkey.Config{BaseURL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if got := strings.Contains(log.String(), "level=WARN"); got != want {
			t.Errorf("%s: warned %v, want %v: %s", url, got, want, log.String())
		}
		if strings.Contains(log.String(), rootKey) {
			t.Errorf("%s: the log has the root key", url)
		}
	}
}

// endless is a response that never ends, and counts how much of it was read.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += int64(len(p))
	return len(p), nil
}

func (e *endless) Close() error { return nil }

// TestAnswersAreBounded: what answers at BaseURL can't take all memory.
func TestAnswersAreBounded(t *testing.T) {
	for _, status := range []int{200, 500} {
		body := &endless{}
		client := newClient(t, latchkey.Config{
			BaseURL: "http://latchkey.test",
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				res := response(r, status, "")
				res.Body = body
				return res, nil
			})},
		})
		err := calls["read"](t.Context(), client)
		if err == nil || !strings.Contains(err.Error(), "longer than 64 MiB") {
			t.Errorf("%d: got %v", status, err)
		}
		if body.read > 65<<20 {
			t.Errorf("%d: %d MiB were read, want 64 and once only", status, body.read>>20)
		}
	}
}

// TestForgottenFieldsAreErrors: where the zero value would free a key or block everybody,
// the call fails and changes nothing.
func TestForgottenFieldsAreErrors(t *testing.T) {
	s, ctx := latchkeytest.New(t), t.Context()
	api, err := s.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	key := s.NewKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{Remaining: latchkey.Int(5)}})
	_, reroll := s.Client.Keys.Reroll(ctx, latchkey.RerollKeyRequest{KeyID: key.KeyID})
	_, set := s.Client.Keys.UpdateCredits(ctx, latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.SetCredits,
	})
	update := s.Client.Keys.Update(ctx, latchkey.UpdateKeyRequest{
		KeyID: key.KeyID, Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{{
			Name: "burst", Limit: 1, Duration: latchkey.Per(time.Minute),
		}}),
	})
	_, verify := s.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{
		Key: key.Key, Credits: &latchkey.VerifyKeyCredits{},
	})
	_, override := s.Client.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
		Namespace: "space", Identifier: "*", Duration: latchkey.Per(time.Minute),
	})
	_, create := s.Client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: api.APIID, Credits: &latchkey.Credits{},
	})
	for call, err := range map[string]error{
		"expiration": reroll, "Value": set, "autoApply": update, "cost": verify, "limit": override,
		"remaining": create,
	} {
		if err == nil || !strings.Contains(err.Error(), call) {
			t.Errorf("without %s: %v", call, err)
		}
	}
	v, err := s.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
	if err != nil || v.Credits != latchkey.Int(4) {
		t.Errorf("%v credits are left, %v", v.Credits, err)
	}
}
