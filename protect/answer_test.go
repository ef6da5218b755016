package protect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func TestEveryDenialHasItsAnswer(t *testing.T) {
	problem := func(title string, status int, detail, code string) string {
		return fmt.Sprintf(`{"title":%q,"status":%d,"detail":%q,"code":%q}`, title, status,
			detail, code)
	}
	for _, c := range []struct {
		code         latchkey.Code
		status       int
		body         string
		authenticate string
	}{
		{latchkey.NotFound, 401, problem("Unauthorized", 401, "there is no such API key",
			"NOT_FOUND"),
			`Bearer error="invalid_token"`},
		{latchkey.Disabled, 401, problem("Unauthorized", 401, "the API key is disabled",
			"DISABLED"),
			`Bearer error="invalid_token"`},
		{latchkey.Expired, 401, problem("Unauthorized", 401, "the API key has expired", "EXPIRED"),
			`Bearer error="invalid_token"`},
		{
			latchkey.UsageExceeded, 402,
			problem("Payment Required", 402, "the API key has not enough credits left",
				"USAGE_EXCEEDED"),
			"",
		},
		{latchkey.InsufficientPermissions, 403,
			problem("Forbidden", 403, "the API key lacks a permission", "INSUFFICIENT_PERMISSIONS"),
			""},
		{latchkey.Forbidden, 403,
			problem("Forbidden", 403, "the API key may not be used here", "FORBIDDEN"), ""},
		{latchkey.RateLimited, 429,
			problem("Too Many Requests", 429, "the API key is used too often", "RATE_LIMITED"), ""},
		{"FROM_THE_FUTURE", 403,
			problem("Forbidden", 403, "the API key may not be used", "FROM_THE_FUTURE"), ""},
		{latchkey.Valid, 403, problem("Forbidden", 403, "the API key may not be used", "VALID"),
			""},
		{"", 403, `{"title":"Forbidden","status":403,"detail":"the API key may not be used"}`, ""},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			answer, body, reached := serve(
				New(Config{Verifier: always(latchkey.Verification{Code: c.code}, nil)}), request(),
			)
			want := http.Header{"Content-Type": {"application/problem+json"}}
			if c.authenticate != "" {
				want.Set("WWW-Authenticate", c.authenticate)
			}
			same(t, answer.StatusCode, c.status)
			same(t, body, c.body)
			same(t, answer.Header, want)
			same(t, reached, false)
		})
	}
}

func TestRequestWithoutKeyIsAnsweredWithoutAsking(t *testing.T) {
	g := New(Config{Verifier: scripted(func(
		context.Context, latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		t.Error("the verifier was asked about no key")
		return valid, nil
	})})
	r := request()
	r.Header.Set("Authorization", "Basic dXNlcjpwdw==")
	answer, body, reached := serve(g, r)
	same(t, answer.StatusCode, 401)
	same(t, body,
		`{"title":"Unauthorized","status":401,"detail":"the request has no API key","code":"NO_KEY"}`)
	same(t, answer.Header, http.Header{
		"Content-Type": {"application/problem+json"}, "Www-Authenticate": {"Bearer"},
	})
	same(t, reached, false)
}

func TestRateLimitedCallerLearnsWhenToComeBack(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		limits []latchkey.RatelimitState
		want   http.Header
	}{
		"the longest of those exceeded": {
			[]latchkey.RatelimitState{
				state(true, 10, 30*second), state(true, 500, 90*second),
				state(false, 9, 3000*second),
			},
			http.Header{
				"Retry-After": {"90"}, "Ratelimit-Limit": {"500"}, "Ratelimit-Remaining": {"0"},
				"Ratelimit-Reset":  {"90"},
				"Ratelimit-Policy": {`"";q=500;w=3600, "";q=10;w=3600, "";q=9;w=3600`},
				"Ratelimit":        {`"";r=0;t=90, "";r=0;t=30, "";r=0`},
			},
		},
		"rounded up": {
			[]latchkey.RatelimitState{state(true, 10, 1100*time.Millisecond)},
			http.Header{
				"Retry-After": {"2"}, "Ratelimit-Limit": {"10"}, "Ratelimit-Remaining": {"0"},
				"Ratelimit-Reset":  {"2"},
				"Ratelimit-Policy": {`"";q=10;w=3600`},
				"Ratelimit":        {`"";r=0;t=2`},
			},
		},
		"already over by this clock": {
			[]latchkey.RatelimitState{state(true, 10, -5*second)},
			http.Header{
				"Retry-After": {"1"}, "Ratelimit-Limit": {"10"}, "Ratelimit-Remaining": {"0"},
				"Ratelimit-Reset":  {"0"},
				"Ratelimit-Policy": {`"";q=10;w=3600`},
				"Ratelimit":        {`"";r=0;t=0`},
			},
		},
		"never longer than a window": {
			[]latchkey.RatelimitState{state(true, 10, 24*time.Hour)},
			http.Header{
				"Retry-After": {"3600"}, "Ratelimit-Limit": {"10"}, "Ratelimit-Remaining": {"0"},
				"Ratelimit-Reset":  {"3600"},
				"Ratelimit-Policy": {`"";q=10;w=3600`},
				"Ratelimit":        {`"";r=0;t=3600`},
			},
		},
		"as the service says, which is not when the window ends": {
			[]latchkey.RatelimitState{
				waiting(state(true, 10, 30*second), 1500*time.Millisecond),
				waiting(state(true, 500, 20*second), 45*second),
			},
			http.Header{
				"Retry-After": {"45"}, "Ratelimit-Limit": {"500"}, "Ratelimit-Remaining": {"0"},
				"Ratelimit-Reset":  {"20"},
				"Ratelimit-Policy": {`"";q=500;w=3600, "";q=10;w=3600`},
				"Ratelimit":        {`"";r=0;t=45, "";r=0;t=2`},
			},
		},
		"never, if the request costs more than the limit": {
			[]latchkey.RatelimitState{
				waiting(state(true, 500, 20*second), 45*second), state(true, 0, 30*second),
			},
			http.Header{
				"Ratelimit-Limit": {"0"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"30"},
				"Ratelimit-Policy": {`"";q=0;w=3600, "";q=500;w=3600`},
				"Ratelimit":        {`"";r=0;t=30, "";r=0;t=45`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := append([]latchkey.RatelimitState{}, c.limits...)
				for i := range limits { // tables are made before the clock of the test begins
					limits[i].Reset = latchkey.At(time.Now().Add(
						limits[i].Reset.Sub(time.UnixMilli(0)),
					))
				}
				g := New(Config{
					Verifier: always(
						latchkey.Verification{Code: latchkey.RateLimited, Ratelimits: limits}, nil,
					),
				})
				answer, _, _ := serve(g, request())
				c.want.Set("Content-Type", "application/problem+json")
				same(t, answer.StatusCode, 429)
				same(t, answer.Header, c.want)
			})
		})
	}
}

// state is a limit per hour that resets in so much time, written as time after the epoch.
func state(exceeded bool, limit int64, in time.Duration) latchkey.RatelimitState {
	return latchkey.RatelimitState{
		Exceeded: exceeded, Limit: limit, Duration: latchkey.Per(time.Hour),
		Reset: latchkey.AtMilli(in.Milliseconds()),
	}
}

func waiting(l latchkey.RatelimitState, wait time.Duration) latchkey.RatelimitState {
	l.RetryAfter = latchkey.Per(wait)
	return l
}

func TestOtherDenialsDontTalkAboutLimits(t *testing.T) {
	v := latchkey.Verification{
		Code:       latchkey.UsageExceeded,
		Ratelimits: []latchkey.RatelimitState{state(true, 10, time.Hour)},
	}
	answer, _, _ := serve(New(Config{Verifier: always(v, nil)}), request())
	same(t, answer.Header, http.Header{"Content-Type": {"application/problem+json"}})
}

func TestTroubleIsNeverTheUsersFault(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		retry string
	}{
		{"unreachable", errors.New("dial: secret detail"), ""},
		{"wrong root key", &latchkey.Error{Status: 401, Detail: "secret detail"}, ""},
		{"root key may not verify", &latchkey.Error{Status: 403, Detail: "secret detail"}, ""},
		{"malformed query", &latchkey.Error{Status: 400, Detail: "secret detail"}, ""},
		{"unknown limit", &latchkey.Error{Status: 412, Detail: "secret detail"}, ""},
		{"several faults", &latchkey.Error{Status: 400, Detail: "secret detail", Faults: []latchkey.Fault{
			{Location: "/properties/key/maxLength"}, {Location: "/properties/tags/maxItems"}}}, ""},
		{"a field that only begins like the key", &latchkey.Error{
			Status: 400, Detail: "secret detail", Faults: []latchkey.Fault{
				{Location: "/properties/keyspace/maxLength"}},
		}, ""},
		{"overloaded",
			&latchkey.Error{
				Status: 429, Detail: "secret detail", RetryAfter: 1500 * time.Millisecond,
			},
			"2"},
		{"gone for centuries",
			&latchkey.Error{Status: 503, Detail: "secret detail", RetryAfter: math.MaxInt64},
			"9223372037"},
		{"broken",
			fmt.Errorf("wrapped: %w", &latchkey.Error{Status: 500, Detail: "secret detail"}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			g := New(Config{
				Verifier: always(latchkey.Verification{}, c.err),
				OnError:  FailClosed(slog.New(slog.NewTextHandler(&log, nil))),
				OnDenied: func(http.ResponseWriter, *http.Request, *Denied) {
					t.Error("called a denial")
				},
			})
			answer, body, reached := serve(g, request())
			same(t, answer.StatusCode, 503)
			same(t, body, `{"title":"Service Unavailable","status":503,`+
				`"detail":"the API key can't be verified at the moment"}`)
			same(t, answer.Header.Get("Retry-After"), c.retry)
			same(t, reached, false)
			if !strings.Contains(log.String(), "secret detail") ||
				!strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("the log doesn't tell why: %q", log.String())
			}
			if strings.Contains(log.String(), "sk_1") {
				t.Errorf("the log tells the key: %q", log.String())
			}
		})
	}
}

func TestKeyThatCannotExistIsDenied(t *testing.T) {
	long := &latchkey.Error{
		Status: 400, Faults: []latchkey.Fault{{Location: "/properties/key/maxLength"}},
	}
	for _, policy := range []ErrorPolicy{quiet, FailOpen(slog.New(slog.DiscardHandler))} {
		_, err := New(Config{
			Verifier: always(latchkey.Verification{}, long), OnError: policy,
		}).Check(t.Context(), strings.Repeat("k", 513))
		var d *Denied
		if !errors.As(err, &d) {
			t.Fatalf("the error is %v, not a denial", err)
		}
		same(t, d.Verification.Code, latchkey.NotFound)
		same(t, d.Status(), 401)
	}
}

func TestCallerThatHungUpIsNoNews(t *testing.T) {
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	g := New(Config{
		Verifier: scripted(func(
			ctx context.Context, _ latchkey.VerifyKeyRequest,
		) (latchkey.Verification, error) {
			cancel()
			return latchkey.Verification{}, ctx.Err()
		}),
		OnError: FailClosed(slog.New(slog.NewTextHandler(&log, nil))),
	})
	answer, _, reached := serve(g, request().WithContext(ctx))
	same(t, answer.StatusCode, 503)
	same(t, reached, false)
	same(t, log.String(), "")
}

func TestHookAnswersInPlaceOfTheGuard(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
		OnDenied: func(w http.ResponseWriter, r *http.Request, d *Denied) {
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, string(d.Verification.Code)+" at "+r.URL.Path)
		},
	})
	answer, body, reached := serve(g, request())
	same(t, answer.StatusCode, http.StatusTeapot)
	same(t, body, "EXPIRED at /")
	same(t, answer.Header.Get("WWW-Authenticate"), "")
	same(t, reached, false)
}

func TestHookThatOnlyWritesABodyAnswersToo(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) {
			io.WriteString(w, "log in first")
		},
	})
	_, body, reached := serve(g, request())
	same(t, body, "log in first")
	same(t, reached, false)
}

func TestHookThatSaysNothingDoesNotLetThrough(t *testing.T) {
	for name, hook := range map[string]func(w http.ResponseWriter){
		"nothing":       func(http.ResponseWriter) {},
		"only a header": func(w http.ResponseWriter) { w.Header().Set("X-Seen", "yes") },
		"an empty body": func(w http.ResponseWriter) { _, _ = w.Write(nil) },
		"only a flush":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"an old flush":  func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Config{
				Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
				OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) { hook(w) },
			})
			answer, body, reached := serve(g, request())
			same(t, answer.StatusCode, 401)
			same(t, body,
				`{"title":"Unauthorized","status":401,"detail":"the API key has expired","code":"EXPIRED"}`)
			same(t, reached, false)
			if name == "only a header" {
				same(t, answer.Header.Get("X-Seen"), "yes")
			}
		})
	}
}

// TestHeadersOfAHookStand: what only the application knows, such as the realm. Headers
// that were there before the hook are not its own.
func TestHeadersOfAHookStand(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{
			Code:       latchkey.RateLimited,
			Ratelimits: []latchkey.RatelimitState{waiting(state(true, 9, 0), time.Hour)},
		}, nil),
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) {
			w.Header().Set("Content-Type", "application/vnd.acme+json")
			w.Header().Set("Retry-After", "7")
			w.Header()["Ratelimit-Reset"] = nil // not wanted
			w.Header().Add("X-Own", "1")
		},
	})
	rec := httptest.NewRecorder()
	rec.Header().Set("RateLimit-Limit", "of an outer limiter")
	g.Handler(nil).ServeHTTP(rec, request())
	same(t, rec.Code, 429)
	same(t, rec.Header(), http.Header{
		"Content-Type": {"application/vnd.acme+json"}, "Retry-After": {"7"}, "X-Own": {"1"},
		"Ratelimit-Limit": {"9"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": nil,
		"Ratelimit-Policy": {`"";q=9;w=3600`},
		"Ratelimit":        {`"";r=0;t=3600`},
	})

	rec = httptest.NewRecorder()
	New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) {
			w.Header().Set("WWW-Authenticate", `ApiKey realm="acme"`)
		},
	}).Handler(nil).ServeHTTP(rec, request())
	same(t, rec.Header(), http.Header{
		"Content-Type": {"application/problem+json"}, "Www-Authenticate": {`ApiKey realm="acme"`},
	})
}

// TestHookReachesTheConnection: a hook can do what a handler can.
func TestHookReachesTheConnection(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) {
			control := http.NewResponseController(w)
			if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			conn, _, err := control.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\n\r\nown")
		},
	})
	var log bytes.Buffer
	server := httptest.NewUnstartedServer(g.Handler(http.NotFoundHandler()))
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&log, nil), slog.LevelError)
	server.Start()
	r, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_1")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	same(t, answer.StatusCode, http.StatusTeapot)
	same(t, string(body), "own")
	server.Close()
	same(t, log.String(), "") // nobody wrote to a connection that was taken over
}

// A recorder knows no informational statuses, so this needs a server.
func TestEarlyNewsIsNotYetAnAnswer(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil),
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *Denied) {
			w.WriteHeader(http.StatusEarlyHints)
		},
	})
	server := httptest.NewServer(g.Handler(http.NotFoundHandler()))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_1")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	same(t, answer.StatusCode, 401)
	same(t, answer.Header.Get("Content-Type"), "application/problem+json")
}

func TestDenialsTellNoKey(t *testing.T) {
	_, err := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.NotFound}, nil),
	}).Check(t.Context(), "sk_secret")
	same(t, err.Error(), "protect: NOT_FOUND: there is no such API key")
}
