package conformance

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/storetest"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// TestService runs the scripts against a service in this process, or against the one at BASE_URL,
// whose operator's root key is ROOT_KEY. It also checks every request and response against the
// OpenAPI document.
func TestService(t *testing.T) {
	target := Target{BaseURL: os.Getenv("BASE_URL"), Operator: os.Getenv("ROOT_KEY"),
		Client: http.DefaultClient}
	if target.BaseURL == "" {
		target = open(t)
	}
	target.Client = &http.Client{Transport: validating(t,
		cmp.Or(target.Client.Transport, http.DefaultTransport))}
	Run(t, target)
}

// open starts a service on a port.
func open(t *testing.T) Target {
	t.Helper()
	target, service := serve(t)
	server := httptest.NewServer(service.Handler)
	t.Cleanup(server.Close)
	target.BaseURL, target.Client = server.URL, server.Client()
	return target
}

// loopback is the network of the scripts' requests, which name their addresses themselves.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// serve starts a service on an empty folder or database, and on Redis if the environment requires
// it.
func serve(t *testing.T) (Target, *embedded.Service) {
	t.Helper()
	cfg := embedded.Config{Data: t.TempDir(), Redis: testenv.RedisURL(t),
		Log: slog.New(slog.DiscardHandler), TrustedProxies: loopback,
		PortalURL: "https://portal.test/keys"}
	if where := storetest.Database(t); strings.HasPrefix(where, "postgres") {
		cfg.Database = where
	}
	service, err := embedded.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return Target{BaseURL: "http://in.process", Operator: service.RootKey}, service
}
