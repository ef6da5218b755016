package latchkey_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// logger logs everything as text into a buffer.
func logger() (*slog.Logger, *bytes.Buffer) {
	b := new(bytes.Buffer)
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

func TestEveryAttemptIsLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log, b := logger()
		s := &service{plan: []fault{undialed, busy503, fine, lostAfter, slow, garbled}}
		c := s.client(t, func(cfg *latchkey.Config) {
			cfg.BaseURL, cfg.Log, cfg.Timeout = "https://latchkey.test", log, seconds(1)
		})
		for _, call := range []string{"read", "count", "count", "write"} {
			_ = calls[call](t.Context(), c)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_ = calls["read"](canceled, c)
		got := strings.Split(strings.TrimSpace(b.String()), "\n")
		want := []string{
			`operation=apis.getApi attempt=1 failure="no connection" took=0s`,
			`operation=apis.getApi attempt=2 status=503 request=req_503 took=0s`,
			`operation=apis.getApi attempt=3 status=200 request=req_1 took=0s`,
			`operation=keys.verifyKey attempt=1 failure="connection lost" took=0s`,
			`operation=keys.verifyKey attempt=1 failure=timeout took=1s`,
			`operation=apis.createApi attempt=1 failure=unreadable took=0s`,
			`operation=apis.getApi attempt=1 failure=canceled took=0s`,
		}
		same(t, "lines", len(got), len(want))
		for i := range min(len(got), len(want)) {
			if !strings.HasSuffix(got[i], "level=DEBUG msg=latchkey "+want[i]) {
				t.Errorf("line %d: got %s, want %s", i, got[i], want[i])
			}
		}
	})
}

func TestNothingIsLoggedAboveItsLevel(t *testing.T) {
	b := new(bytes.Buffer)
	c := (&service{last: late500}).client(t, func(cfg *latchkey.Config) {
		cfg.BaseURL = "https://latchkey.test"
		cfg.Log, cfg.Retry = slog.New(slog.NewTextHandler(b, nil)), latchkey.NoRetry
	})
	_ = calls["read"](t.Context(), c)
	same(t, "log", b.String(), "")
}

// TestNoSecretIsEverLogged takes real secrets through all that can happen to
// them, over HTTP and in process, and looks for each in everything logged.
func TestNoSecretIsEverLogged(t *testing.T) {
	log, b := logger()
	s := latchkeytest.New(t)
	secrets := []string{s.RootKey}
	key := s.NewKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{Remaining: latchkey.Int(1)}})
	secrets = append(secrets, key.Key)

	inProcess := newClient(t, latchkey.Config{Transport: s.Transport, RootKey: s.RootKey, Log: log})
	overHTTP := newClient(t, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey, Log: log})
	// What stands before a service may answer with all that it was sent, and
	// what stands before a connection may say so in its errors.
	echo := newClient(t, latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: s.RootKey, Log: log,
		HTTPClient: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				return response(r, 400, fmt.Sprintf("%v %s", r.Header, body)), nil
			}),
		},
	})
	leaky := newClient(t, latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: s.RootKey, Log: log,
		HTTPClient: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				return nil, fmt.Errorf("can't send %v %s", r.Header, body)
			}),
		}, Retry: latchkey.RetryPolicy{Initial: time.Nanosecond},
	})

	for _, c := range []*latchkey.Client{inProcess, overHTTP, echo, leaky} {
		for range 2 {
			_, _ = c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key},
				latchkey.WithHeader("X-Forwarded-For", "192.0.2.1"))
		}
		_, _ = c.Keys.Whoami(t.Context(), latchkey.WhoamiRequest{Key: key.Key})
		made, _ := c.RootKeys.Create(t.Context(), latchkey.CreateRootKeyRequest{Name: "another"})
		rolled, _ := c.Keys.Reroll(t.Context(), latchkey.RerollKeyRequest{
			KeyID: key.KeyID, Expiration: latchkey.Set(latchkey.Duration{}),
		})
		secrets = append(secrets, made.Key, rolled.Key)
		c.SetRootKey("unkey_wrong")
		_, _ = c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
	}
	secrets = append(secrets, "unkey_wrong")
	logged := b.String()
	if n := strings.Count(logged, "\n"); n < 20 {
		t.Errorf("only %d lines were logged", n)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(logged, secret) {
			t.Errorf("%s was logged:\n%s", secret, logged)
		}
	}
}
