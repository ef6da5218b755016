package latchkey_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// TestPortalSessionsReplaceTheRootKey: with a portal session the root key isn't sent, and an
// end user manages his keys over HTTP and in process alike.
func TestPortalSessionsReplaceTheRootKey(t *testing.T) {
	service, err := embedded.Open(t.Context(), embedded.Config{
		Data: t.TempDir(), Log: slog.New(slog.DiscardHandler), PortalURL: "https://example.com/keys",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close(context.Background())
	var sent []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header)
		service.Handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	overHTTP := newClient(t, latchkey.Config{BaseURL: server.URL, RootKey: service.RootKey})
	api, err := overHTTP.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := overHTTP.APIs.Update(t.Context(), latchkey.UpdateAPIRequest{APIID: api.APIID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := overHTTP.Portals.Create(t.Context(), latchkey.CreatePortalRequest{
		Slug: "shop", DisplayName: "Shop", KeyspaceID: settings.KeyspaceID,
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*latchkey.Client{"HTTP": overHTTP, "in process": service.Client} {
		key, err := c.Keys.Create(t.Context(), latchkey.CreateKeyRequest{
			APIID: api.APIID, ExternalID: "user",
		})
		if err != nil {
			t.Fatal(name, err)
		}
		made, err := c.Portals.CreateSession(t.Context(), latchkey.CreatePortalSessionRequest{
			Portal: "shop", ExternalID: "user",
			Scopes: []string{latchkey.ScopeKeysRead, latchkey.ScopeKeysReroll},
		})
		if err != nil {
			t.Fatal(name, err)
		}
		_, code, found := strings.Cut(made.URL, "https://example.com/keys?code=")
		if !found {
			t.Fatalf("%s: %s", name, made.URL)
		}
		access, err := c.Portals.ExchangeCode(t.Context(),
			latchkey.ExchangePortalCodeRequest{Code: code})
		if err != nil {
			t.Fatal(name, err)
		}
		as := latchkey.WithPortalSession(access.AccessToken)
		var listed []string
		for k, err := range c.Portals.AllKeys(t.Context(), latchkey.ListPortalKeysRequest{}, as) {
			if err != nil {
				t.Fatal(name, err)
			}
			listed = append(listed, k.KeyID)
		}
		if !slices.Contains(listed, key.KeyID) {
			t.Errorf("%s: %v lacks %s", name, listed, key.KeyID)
		}
		if _, err := c.Portals.RerollKey(t.Context(), latchkey.RerollKeyRequest{
			KeyID: key.KeyID, Expiration: latchkey.Set(latchkey.Per(0)),
		}, as); err != nil {
			t.Error(name, err)
		}
		if _, err := c.Portals.ListKeys(t.Context(), latchkey.ListPortalKeysRequest{}); !errors.Is(
			err, latchkey.ErrBadRequest) {
			t.Errorf("%s: without a session: %v", name, err)
		}
	}
	withSession := 0
	for _, h := range sent {
		if h.Get("Cookie") != "" {
			withSession++
			same(t, "Authorization beside a session", h.Get("Authorization"), "")
		}
	}
	same(t, "requests with a session", withSession, 2)
}

// TestBareResponsesAreDecoded: the members of the data can be beside meta.
func TestBareResponsesAreDecoded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"meta":{"requestId":"req_1"},"bucketMillis":60000,"keys":[
			{"keyId":"key_1","data":[{"time":1,"total":2,"valid":2}]}]}`)
	}))
	defer server.Close()
	c := newClient(t, latchkey.Config{BaseURL: server.URL, RootKey: rootKey})
	got, err := c.Portals.GetVerifications(t.Context(), latchkey.PortalVerificationsRequest{},
		latchkey.WithPortalSession("pat_1"))
	if err != nil || got.BucketMillis != 60000 || len(got.Keys) != 1 ||
		got.Keys[0].Data[0].Valid != 2 {
		t.Errorf("%+v %v", got, err)
	}
}
