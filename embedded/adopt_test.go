package embedded_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// TestKeysAreAdoptedFromAnotherService: a key of one service works at another one that adopts
// from it, also after the first is gone; and only its own word makes a key unknown.
func TestKeysAreAdoptedFromAnotherService(t *testing.T) {
	open := func(cfg embedded.Config) *embedded.Service {
		s, err := embedded.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
		return s
	}
	old := open(embedded.Config{Data: t.TempDir()})
	api, err := old.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := old.Client.Keys.Create(t.Context(), latchkey.CreateKeyRequest{
		APIID: api.APIID, ExternalID: "user", Permissions: []string{"docs.read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken {
			http.NotFound(w, r)
			return
		}
		old.Handler.ServeHTTP(w, r)
	}))
	defer server.Close()

	dir := t.TempDir()
	first, err := embedded.Open(t.Context(), embedded.Config{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	made, err := first.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "new"})
	if err := errors.Join(err, first.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	adopt := &embedded.Adopt{URL: server.URL, RootKey: old.RootKey, API: made.APIID}
	service := open(embedded.Config{Data: dir, Adopt: adopt})
	verify := func(key string) (latchkey.Verification, error) {
		return service.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
	}
	broken = true
	if v, err := verify(key.Key); !errors.Is(err, latchkey.ErrUnavailable) {
		t.Errorf("while another program answers: %s, %v", v.Code, err)
	}
	broken = false
	for range 2 {
		v, err := verify(key.Key)
		if err != nil || !v.Valid || v.ExternalID() != "user" || len(v.Permissions) != 1 {
			t.Errorf("%+v, %v", v, err)
		}
		server.Close()
	}
	if _, err := embedded.Open(t.Context(), embedded.Config{
		Data: t.TempDir(), Adopt: &embedded.Adopt{URL: "http://x", RootKey: "k", API: "api_none"},
	}); err == nil {
		t.Error("an API that doesn't exist adopts")
	}
}
