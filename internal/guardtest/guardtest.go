// Package guardtest has the tests that all adapters share: the guard of each
// framework must respond as the guard of net/http does. Only tests import it.
package guardtest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/protect"
)

// Keys is a verifier of a few keys: sk_valid, which has the permission "read",
// sk_disabled, sk_spent, sk_limited, and sk_counted, which has a limit that is not
// exceeded. For sk_down the service is unreachable, and for sk_overloaded it responds
// with 429 and a Retry-After of two seconds. Every other key is NOT_FOUND.
type Keys struct{}

// Verify implements protect.Verifier.
func (Keys) Verify(
	_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	switch r.Key {
	case "sk_valid":
		if r.Permissions != "" && r.Permissions != "read" {
			return latchkey.Verification{
				Code: latchkey.InsufficientPermissions, KeyID: "key_1",
			}, nil
		}
		return latchkey.Verification{Valid: true, Code: latchkey.Valid, KeyID: "key_1"}, nil
	case "sk_disabled":
		return latchkey.Verification{Code: latchkey.Disabled, KeyID: "key_2"}, nil
	case "sk_spent":
		return latchkey.Verification{Code: latchkey.UsageExceeded, KeyID: "key_3"}, nil
	case "sk_limited":
		// The reset is so far away that Retry-After is always the whole window.
		limit := latchkey.RatelimitState{
			Exceeded: true, Limit: 100, Duration: latchkey.Per(time.Minute),
			Reset: latchkey.At(time.Now().Add(time.Hour)),
		}
		return latchkey.Verification{
			Code: latchkey.RateLimited, KeyID: "key_4",
			Ratelimits: []latchkey.RatelimitState{limit},
		}, nil
	case "sk_counted":
		limit := latchkey.RatelimitState{
			Name: "requests", Limit: 100, Remaining: 99, Duration: latchkey.Per(time.Minute),
			Reset: latchkey.At(time.Now().Add(time.Hour)),
		}
		return latchkey.Verification{
			Valid: true, Code: latchkey.Valid, KeyID: "key_5",
			Ratelimits: []latchkey.RatelimitState{limit},
		}, nil
	case "sk_down":
		return latchkey.Verification{}, errors.New("no route to the service")
	case "sk_overloaded":
		return latchkey.Verification{}, &latchkey.Error{
			Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second,
		}
	}
	return latchkey.Verification{Code: latchkey.NotFound}, nil
}

// Log discards the log of guards under test.
var Log = slog.New(slog.DiscardHandler)

// Guard returns a guard over Keys that fails closed.
func Guard() *protect.Guard {
	return protect.New(protect.Config{Verifier: Keys{}, OnError: protect.FailClosed(Log)})
}

// SameAnswers sends every kind of request to net/http and to another framework
// and compares the responses. serve sends r to a handler behind g that responds
// with [Hello].
func SameAnswers(
	t *testing.T, serve func(t *testing.T, g *protect.Guard, r *http.Request) *http.Response,
) {
	closed := Guard()
	open := protect.New(protect.Config{Verifier: Keys{}, OnError: protect.FailOpen(Log)})
	anywhere := protect.New(protect.Config{Verifier: Keys{}, OnError: protect.FailClosed(Log),
		Extract: protect.FirstOf(protect.Bearer, protect.Header("X-API-Key"), protect.Query("key"),
			protect.Cookie("session"))})
	inForm := protect.New(protect.Config{Verifier: Keys{}, OnError: protect.FailClosed(Log),
		Extract: func(r *http.Request) (string, bool) { return r.FormValue("key"), true }})
	whole := protect.New(protect.Config{Verifier: Keys{}, OnError: protect.FailClosed(Log),
		Extract: Whole(t)})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, c := range []struct {
		name   string
		guard  *protect.Guard
		target string
		header http.Header
		status int
		body   string
	}{
		{"valid", closed, "/", bearer("sk_valid"), 200, ""},
		{"no key", closed, "/", nil, 401, ""},
		{"another scheme", closed, "/", http.Header{"Authorization": {"Basic sk_valid"}}, 401, ""},
		{"two keys", closed, "/", http.Header{
			"Authorization": {"Bearer sk_valid", "Bearer sk_valid"},
		},
			401, ""},
		{"unknown", closed, "/", bearer("sk_unknown"), 401, ""},
		{"disabled", closed, "/", bearer("sk_disabled"), 401, ""},
		{"out of credits", closed, "/", bearer("sk_spent"), 402, ""},
		{"with the permission", closed.Require("read"), "/", bearer("sk_valid"), 200, ""},
		{"without the permission", closed.Require("write"), "/", bearer("sk_valid"), 403, ""},
		{"rate limited", closed, "/", bearer("sk_limited"), 429, ""},
		{"within a limit", closed, "/", bearer("sk_counted"), 200, ""},
		{"verifier down", closed, "/", bearer("sk_down"), 503, ""},
		{"verifier overloaded", closed, "/", bearer("sk_overloaded"), 503, ""},
		{"verifier down, failing open", open, "/", bearer("sk_down"), 200, ""},
		{"verifier overloaded, failing open", open, "/", bearer("sk_overloaded"), 503, ""},
		{"denied, failing open", open, "/", bearer("sk_spent"), 402, ""},
		{"key in a header", anywhere, "/", http.Header{"X-Api-Key": {"sk_valid"}}, 200, ""},
		{"key in the query", anywhere, "/?key=sk_v%61lid", nil, 200, ""},
		{"key in a cookie", anywhere, "/", http.Header{"Cookie": {"a=b; session=sk_valid"}}, 200,
			""},
		{"key in a form", inForm, "/", form, 200, "a=b&key=sk_valid"},
		{"no key in a form", inForm, "/", form, 401, "a=b"},
		{"a whole request", whole, "/?a=b", bearer("sk_valid"), 200, "the body"},
		{"a whole request without a body", whole, "/?a=b", bearer("sk_valid"), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := func() *http.Request {
				r := httptest.NewRequest("POST", c.target, strings.NewReader(c.body))
				for name, values := range c.header {
					r.Header[name] = values
				}
				return r
			}
			rec := httptest.NewRecorder()
			c.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, Hello(r.Context()))
			})).ServeHTTP(rec, request())
			want, got := read(t, rec.Result()), read(t, serve(t, c.guard, request()))
			if diff := cmp.Diff(want, got); diff != "" || got.Status != c.status {
				t.Errorf("answered with %d, want %d; net/http -, this +:\n%s", got.Status,
					c.status, diff)
			}
		})
	}
}

// Whole returns an extractor like protect.Bearer that also fails the test if a part of
// the request is missing that net/http always sets.
func Whole(t *testing.T) protect.Extractor {
	return func(r *http.Request) (string, bool) {
		t.Helper()
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "" && string(body) != "the body" {
			t.Errorf("the body is %q, %v", body, err)
		}
		if err := r.Body.Close(); err != nil {
			t.Errorf("closing the body: %v", err)
		}
		if _, _, err := net.SplitHostPort(r.RemoteAddr); err != nil {
			t.Errorf("RemoteAddr is %q: %v", r.RemoteAddr, err)
		}
		uri, err := url.ParseRequestURI(r.RequestURI)
		if err != nil || uri.Path != r.URL.Path || uri.RawQuery != r.URL.RawQuery {
			t.Errorf("RequestURI is %q, the URL %v: %v", r.RequestURI, r.URL, err)
		}
		if r.Host == "" || r.Method != http.MethodPost || r.ProtoMajor == 0 || r.Proto == "" {
			t.Errorf("method, host and protocol are %q, %q and %q", r.Method, r.Host, r.Proto)
		}
		return protect.Bearer(r)
	}
}

// Hello is the response of the handler: the id of the key that was verified.
func Hello(ctx context.Context) string {
	if v, ok := protect.FromContext(ctx); ok {
		return "hello " + v.KeyID
	}
	return "hello stranger"
}

func bearer(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// answer is the part of a response that must be the same in all frameworks.
type answer struct {
	Status int
	Header http.Header // of refusals; else only the fields of rate limits
	Body   string
}

func read(t *testing.T, r *http.Response) answer {
	t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: r.StatusCode, Body: string(body)}
	if a.Status == http.StatusOK {
		a.Header = http.Header{}
		for _, name := range []string{"RateLimit-Policy", "RateLimit", "RateLimit-Remaining"} {
			a.Header.Set(name, r.Header.Get(name))
		}
		return a
	}
	a.Header = r.Header
	a.Header.Del("Date")
	a.Header.Del("Content-Length")
	return a
}
