package protect

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
)

func TestFailOpenLetsPassDuringAnOutageAndSaysSo(t *testing.T) {
	for name, err := range map[string]error{
		"unreachable": errors.New("no route"),
		"broken":      &latchkey.Error{Status: 500},
		"closed":      &latchkey.Error{Status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			g := New(Config{
				Verifier: always(valid, err), OnError: FailOpen(slog.New(slog.NewTextHandler(&log, nil))),
			})
			v, got := g.Check(t.Context(), "sk_1")
			if got != nil || v.Valid {
				t.Errorf("Check returned %+v, %v; want no verification and no error", v, got)
			}
			if _, _, reached := serve(g, request()); !reached {
				t.Error("the request was refused")
			}
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "error=") {
				t.Errorf("the log doesn't tell: %q", log.String())
			}
		})
	}
}

func TestFailOpenKeepsMistakesAndDenialsClosed(t *testing.T) {
	open := FailOpen(slog.New(slog.DiscardHandler))
	for _, status := range []int{400, 401, 403, 404, 412, 413, 422, 429} {
		g := New(Config{Verifier: always(valid, &latchkey.Error{Status: status}), OnError: open})
		answer, _, reached := serve(g, request())
		same(t, answer.StatusCode, 503)
		same(t, reached, false)
	}
	for code := range denials {
		_, _, reached := serve(
			New(Config{Verifier: always(latchkey.Verification{Code: code}, nil), OnError: open}), request(),
		)
		same(t, reached, false)
	}
	_, _, reached := serve(New(Config{Verifier: always(valid, errors.New("down")), OnError: open}),
		httptest.NewRequest("GET", "/", nil))
	same(t, reached, false)
}

// A caller that could fail the verification by its own deadline, or by hanging
// up, would get in with any key.
func TestFailOpenIsNotOpenedByTheCaller(t *testing.T) {
	g := New(Config{
		Verifier: scripted(func(
			ctx context.Context, _ latchkey.VerifyKeyRequest,
		) (latchkey.Verification, error) {
			return latchkey.Verification{Code: latchkey.NotFound}, ctx.Err()
		}),
		OnError: FailOpen(slog.New(slog.DiscardHandler)),
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{gone, late} {
		answer, _, reached := serve(g, request().WithContext(ctx))
		same(t, answer.StatusCode, 401)
		same(t, reached, false)
	}
}

// TestNothingPassesButValidKeys holds every combination of request, answer,
// policy and requirements against the one rule there is.
func TestNothingPassesButValidKeys(t *testing.T) {
	codes := []latchkey.Code{
		"", "OTHER", latchkey.Valid, latchkey.NotFound, latchkey.Forbidden,
		latchkey.InsufficientPermissions,
		latchkey.UsageExceeded, latchkey.RateLimited, latchkey.Disabled, latchkey.Expired,
	}
	credentials := []string{
		"", "Bearer", "Bearer ", "Bearer sk_1", "bearer sk_1", "Basic sk_1", "sk_1", "Bearer a b",
	}
	hasKey := map[string]bool{"Bearer sk_1": true, "bearer sk_1": true}
	rapid.Check(t, func(t *rapid.T) {
		v := latchkey.Verification{
			Valid: rapid.Bool().Draw(t, "valid"), Code: rapid.SampledFrom(codes).Draw(t, "code"),
		}
		err := drawError(t)
		open := rapid.Bool().Draw(t, "open")
		g := New(drawConfig(t, always(v, err), open))
		if rapid.Bool().Draw(t, "requires") {
			g = g.Require("read")
		}
		r := httptest.NewRequest("GET", "/", nil)
		credential := rapid.SampledFrom(credentials).Draw(t, "credentials")
		if credential != "" {
			r.Header.Set("Authorization", credential)
		}

		may := hasKey[credential] && (err == nil && v.Valid || open && outageInWords(err))
		for range 2 { // the second time the cache may answer
			answer, _, reached := serve(g, r)
			if reached != may {
				t.Fatalf("reached the handler: %v, want %v", reached, may)
			}
			if !reached && answer.StatusCode < 400 {
				t.Fatalf("the refusal is answered with %d", answer.StatusCode)
			}
			fn := Protect(g, func(context.Context, bool) (string, bool) {
				return "sk_1", hasKey[credential]
			},
				func(context.Context, bool, latchkey.Verification) (bool, error) { return true, nil })
			if reached, err := fn(t.Context(), true); reached != may || (err == nil) != may {
				t.Fatalf("reached the function: %v, %v; want %v", reached, err, may)
			}
		}
	})
}

func drawError(t *rapid.T) error {
	switch rapid.IntRange(0, 3).Draw(t, "kind of error") {
	case 0:
		return errors.New("unreachable")
	case 1:
		e := &latchkey.Error{
			Status: rapid.SampledFrom([]int{400, 401, 403, 404, 409, 412, 429, 500, 502, 503}).Draw(t,
				"status"),
		}
		if rapid.Bool().Draw(t, "about the key") {
			e.Faults = []latchkey.Fault{{Location: "/properties/key/maxLength"}}
		}
		return e
	}
	return nil
}

func drawConfig(t *rapid.T, v Verifier, open bool) Config {
	cfg := Config{Verifier: v, OnError: quiet}
	if open {
		cfg.OnError = FailOpen(slog.New(slog.DiscardHandler))
	}
	if rapid.Bool().Draw(t, "hook") {
		cfg.OnDenied = func(http.ResponseWriter, *http.Request, *Denied) {}
	}
	if rapid.Bool().Draw(t, "cache") {
		cfg.Cache.TTL = time.Minute
	}
	return cfg
}

// outageInWords lists what counts as an outage.
func outageInWords(err error) bool {
	var e *latchkey.Error
	if errors.As(err, &e) {
		return e.Status == 500 || e.Status == 502 || e.Status == 503
	}
	return err != nil
}
