package cli

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// socketScheme begins the URL of a service at a Unix socket: unix:///run/latchkey.sock.
const socketScheme = "unix://"

// reach returns the base URL of a service, and the HTTP client that reaches it; nil is the
// default one.
func reach(service string) (string, *http.Client) {
	file, is := strings.CutPrefix(service, socketScheme)
	if !is {
		return service, nil
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", file)
	}
	return "http://localhost", &http.Client{Transport: &http.Transport{DialContext: dial}}
}

// config returns how the service to call is reached.
func (a *app) config() latchkey.Config {
	base, client := reach(a.target.URL)
	return latchkey.Config{BaseURL: base, HTTPClient: client}
}
