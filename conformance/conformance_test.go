package conformance

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/latchkeyhq/latchkey/embedded"
)

// TestService runs the scripts against a service in this process, or against
// the one at BASE_URL, whose operator's root key is ROOT_KEY. Every exchange is
// held against the OpenAPI document besides.
func TestService(t *testing.T) {
	target := Target{BaseURL: os.Getenv("BASE_URL"), Operator: os.Getenv("ROOT_KEY"), Client: http.DefaultClient}
	if target.BaseURL == "" {
		target = open(t)
	}
	target.Client = &http.Client{Transport: described(t, cmp.Or(target.Client.Transport, http.DefaultTransport))}
	Run(t, target)
}

// open starts a service on an empty folder.
func open(t *testing.T) Target {
	t.Helper()
	service, err := embedded.Open(t.Context(), embedded.Config{Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service.Handler)
	t.Cleanup(func() {
		server.Close()
		if err := service.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return Target{BaseURL: server.URL, Operator: service.RootKey, Client: server.Client()}
}
