package protect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/latchkeytest"
	"github.com/latchkeyhq/latchkey/protect"
)

// TestGuardAgreesWithARealService asks a whole service over HTTP, for what a
// scripted verifier says is only what a test believes.
func TestGuardAgreesWithARealService(t *testing.T) {
	client, url := newService(t)
	ctx := t.Context()
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "documents"})
	if err != nil {
		t.Fatal(err)
	}
	key := func(r latchkey.CreateKeyRequest) latchkey.CreatedKey {
		r.APIID = api.APIID
		k, err := client.Keys.Create(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	reader := key(latchkey.CreateKeyRequest{Permissions: []string{"read"}})
	poor := key(latchkey.CreateKeyRequest{
		Credits: &latchkey.Credits{Remaining: latchkey.Set(int64(2))},
	})
	limited := key(latchkey.CreateKeyRequest{Ratelimits: []latchkey.RatelimitRequest{{
		Name: "calls", Limit: 1, Duration: latchkey.Per(24 * time.Hour),
		AutoApply: latchkey.Set(true)}}})
	deleted := key(latchkey.CreateKeyRequest{})
	if err := client.Keys.Delete(ctx, latchkey.DeleteKeyRequest{KeyID: deleted.KeyID}); err != nil {
		t.Fatal(err)
	}
	stranger, err := latchkey.New(latchkey.Config{BaseURL: url, RootKey: "lk_wrong"})
	if err != nil {
		t.Fatal(err)
	}

	log := slog.New(slog.DiscardHandler)
	guard := protect.New(protect.Config{Verifier: client.Keys, OnError: protect.FailClosed(log)})
	for _, c := range []struct {
		name  string
		guard *protect.Guard
		key   string
		want  int
	}{
		{"valid", guard, reader.Key, 200},
		{"with the permissions", guard.Require("read OR admin").Require("read"), reader.Key, 200},
		{"without the permission", guard.Require("read").Require("write"), reader.Key, 403},
		{"unknown", guard, "sk_unknown", 401},
		{"deleted", guard, deleted.Key, 401},
		{"too long for a key", guard, strings.Repeat("k", 513), 401},
		{"one credit of two", guard, poor.Key, 200},
		{"two credits of one", guard.Cost(2), poor.Key, 402},
		{"first in the window", guard, limited.Key, 200},
		{"second in the window", guard, limited.Key, 429},
		{"malformed permission query", guard.Require("read AND"), reader.Key, 503},
		{"unknown limit", guard.Limits(latchkey.VerifyKeyRatelimit{Name: "nothing"}), reader.Key,
			503},
		{"too many tags", guard.Tags(make([]string, 21)...), reader.Key, 503},
		{
			"wrong root key",
			protect.New(protect.Config{Verifier: stranger.Keys, OnError: protect.FailOpen(log)}),
			reader.Key,
			503,
		},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+c.key)
		rec := httptest.NewRecorder()
		c.guard.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {

		})).ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s: answered with %d %s, want %d", c.name, rec.Code, rec.Body, c.want)
		}
	}
}

// newService starts a service and returns a client with its first root key, and its address.
func newService(t *testing.T) (*latchkey.Client, string) {
	t.Helper()
	s, err := embedded.Open(t.Context(), embedded.Config{
		Data: t.TempDir(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(s.Handler)
	t.Cleanup(server.Close)
	client, err := latchkey.New(latchkey.Config{BaseURL: server.URL, RootKey: s.RootKey})
	if err != nil {
		t.Fatal(err)
	}
	return client, server.URL
}

// TestWhoWaitsForRetryAfterGetsIn: a caller that waits as long as it is told is not denied
// again, whatever its request costs.
func TestWhoWaitsForRetryAfterGetsIn(t *testing.T) {
	s := latchkeytest.New(t)
	for _, algorithm := range []latchkey.Algorithm{latchkey.SlidingWindow, latchkey.TokenBucket} {
		for _, cost := range []int64{1, 4, 10} {
			key := s.NewKey(latchkey.CreateKeyRequest{}).Key
			guard := protect.New(protect.Config{
				Verifier: s.Client.Keys,
			}).Limits(latchkey.VerifyKeyRatelimit{
				Name: "burst", Limit: latchkey.Int(10), Cost: latchkey.Int(cost),
				Duration: latchkey.Set(latchkey.Per(3 * time.Second)), Algorithm: algorithm,
			})
			s.Clock.Advance(500 * time.Millisecond)
			var denied *protect.Denied
			for range 11 {
				if _, err := guard.Check(t.Context(), key); err != nil && !errors.As(err, &denied) {
					t.Fatal(err)
				}
			}
			if denied == nil {
				t.Fatalf("%s, cost %d: nothing was denied", algorithm, cost)
			}
			s.Clock.Advance(denied.RetryAfter - time.Millisecond)
			if _, err := guard.Check(t.Context(), key); err == nil {
				t.Errorf("%s, cost %d: passed before %v", algorithm, cost, denied.RetryAfter)
			}
			s.Clock.Advance(time.Millisecond)
			if _, err := guard.Check(t.Context(), key); err != nil {
				t.Errorf("%s, cost %d: denied after waiting %v", algorithm, cost, denied.RetryAfter)
			}
		}
	}
}

// TestUsedUpQuotaOpensNothing: any stranger can use up the requests of a workspace.
func TestUsedUpQuotaOpensNothing(t *testing.T) {
	s, ctx := latchkeytest.New(t), t.Context()
	workspace, err := s.Client.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{
		Name: "small", RequestsPerMinute: latchkey.Int(5),
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.Client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace.WorkspaceID, Permissions: []string{"api.*.verify_key"},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := latchkey.New(latchkey.Config{
		BaseURL: s.URL, RootKey: root.Key, Retry: latchkey.NoRetry,
	})
	if err != nil {
		t.Fatal(err)
	}
	guard := protect.New(protect.Config{
		Verifier: client.Keys, OnError: protect.FailOpen(slog.New(slog.DiscardHandler)),
	})
	for i := range 8 {
		if _, err := guard.Check(ctx, fmt.Sprint("made up ", i)); err == nil {
			t.Errorf("made-up key %d passes", i)
		}
	}
}
