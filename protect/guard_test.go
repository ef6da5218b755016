package protect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey"
)

var _ Verifier = latchkey.Keys{}

// scripted is a verifier that answers as a test says.
type scripted func(ctx context.Context, r latchkey.VerifyKeyRequest) (latchkey.Verification, error)

func (s scripted) Verify(
	ctx context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	return s(ctx, r)
}

// always is a verifier that gives one answer to everything.
func always(v latchkey.Verification, err error) scripted {
	return func(context.Context, latchkey.VerifyKeyRequest) (latchkey.Verification, error) {
		return v, err
	}
}

// valid is an answer that lets a key pass.
var valid = latchkey.Verification{
	Valid: true, Code: latchkey.Valid, KeyID: "key_1", Permissions: []string{"read", "write"},
}

// quiet is the default policy without its log.
var quiet = FailClosed(slog.New(slog.DiscardHandler))

// request is a request with a key.
func request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer sk_1")
	return r
}

// serve sends r through the guard and reports whether it reached the handler.
func serve(g *Guard, r *http.Request) (answer *http.Response, body string, reached bool) {
	rec := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reached = true
	})).ServeHTTP(rec, r)
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		panic(err) // a buffer can be read
	}
	return rec.Result(), string(text), reached
}

func same(t *testing.T, got, want any) {
	t.Helper()
	everyField := cmp.Exporter(func(reflect.Type) bool { return true })
	if diff := cmp.Diff(want, got, everyField); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestValidKeyReachesTheHandlerWithItsVerification(t *testing.T) {
	var asked latchkey.VerifyKeyRequest
	g := New(Config{Verifier: scripted(func(
		_ context.Context, r latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		asked = r
		return valid, nil
	})})
	var got latchkey.Verification
	var ok bool
	rec := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok = FromContext(r.Context())
		io.WriteString(w, "hello")
	})).ServeHTTP(rec, request())
	same(t, ok, true)
	same(t, got.KeyID, valid.KeyID)
	same(t, asked.Key, "sk_1")
	same(t, rec.Body.String(), "hello")
}

func TestGuardWithoutVerifierIsNotMade(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New made a guard that has nobody to ask")
		}
	}()
	New(Config{})
}

// asks returns what a guard asks about the key sk_1.
func asks(t *testing.T, derive func(*Guard) *Guard) latchkey.VerifyKeyRequest {
	t.Helper()
	var asked latchkey.VerifyKeyRequest
	g := derive(New(Config{Verifier: scripted(func(
		_ context.Context, r latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		asked = r
		return valid, nil
	})}))
	if _, err := g.Check(t.Context(), "sk_1"); err != nil {
		t.Fatal(err)
	}
	return asked
}

func TestRequirementsAreAsked(t *testing.T) {
	got := asks(t, func(g *Guard) *Guard {
		return g.Require("read OR admin").Cost(2).Cost(5).Limits(latchkey.VerifyKeyRatelimit{
			Name: "calls",
		}).
			Tags("a=1").Require("write").Limits(latchkey.VerifyKeyRatelimit{
			Name: "tokens", Cost: latchkey.Set(int64(7)),
		}).Tags("b=2", "c=3")
	})
	want := latchkey.VerifyKeyRequest{
		Key:         "sk_1",
		Tags:        []string{"a=1", "b=2", "c=3"},
		Permissions: "(read OR admin) AND (write)",
		Credits:     &latchkey.VerifyKeyCredits{Cost: latchkey.Int(5)},
		Ratelimits: []latchkey.VerifyKeyRatelimit{
			{Name: "calls"}, {Name: "tokens", Cost: latchkey.Set(int64(7))},
		},
	}
	same(t, got, want)
}

func TestDerivedGuardsLeaveOthersAlone(t *testing.T) {
	change := func(g *Guard, s string) *Guard {
		g = g.Require(latchkey.PermissionQuery(s)).Cost(int64(len(s))).Tags(s)
		return g.Limits(latchkey.VerifyKeyRatelimit{Name: s})
	}
	// The original has had three additions, so its slices may have room for a fourth.
	original := func(g *Guard) *Guard { return change(change(change(g, "a"), "b"), "c") }
	branch := func(g *Guard) *Guard { return change(original(g), "one") }

	same(t, asks(t, func(g *Guard) *Guard {
		o := original(g)
		change(o, "one")
		return o
	}), asks(t, original))
	same(t, asks(t, func(g *Guard) *Guard {
		o := original(g)
		one := change(o, "one")
		change(o, "another")
		return one
	}), asks(t, branch))
}

func TestBlankRequirementIsRefused(t *testing.T) {
	for _, query := range []latchkey.PermissionQuery{"", " \t\n"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Require(%q) requires nothing", query)
				}
			}()
			New(Config{Verifier: always(valid, nil)}).Require(query)
		}()
	}
}

func TestInnerGuardThatFailsOpenHidesTheOuterVerification(t *testing.T) {
	outer := New(Config{Verifier: always(valid, nil)})
	inner := New(Config{
		Verifier: always(latchkey.Verification{}, errors.New("down")),
		OnError:  FailOpen(slog.New(slog.DiscardHandler)),
	})
	reached := false
	outer.Handler(inner.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = true
		if _, ok := FromContext(r.Context()); ok {
			t.Error("the handler got a verification of which its own guard knows nothing")
		}
	}))).ServeHTTP(httptest.NewRecorder(), request())
	same(t, reached, true)
}

func TestPolicyDefaultsToFailingClosedIntoTheDefaultLog(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	answer, _, reached := serve(
		New(Config{Verifier: always(latchkey.Verification{}, errors.New("no route"))}), request(),
	)
	same(t, answer.StatusCode, 503)
	same(t, reached, false)
	if !strings.Contains(log.String(), "no route") {
		t.Errorf("the log doesn't tell why: %q", log.String())
	}
}
