package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestReadinessIsTheServicesOwn(t *testing.T) {
	var reason error
	w := newWorld(t, func(c *Config) { c.Ready = func(context.Context) error { return reason } })
	a := w.send("GET", "/health/ready", nil)
	same(t, "ready", a.status, 200)
	same(t, "ready", a.text, `{"status":"ok"}`)
	reason = errors.New("disk sesame is gone")
	a = w.send("GET", "/health/ready", nil)
	same(t, "not ready", a.status, 503)
	same(t, "not ready", a.text, `{"status":"unavailable"}`)
	same(t, "live all the same", w.send("GET", "/health/live", nil).status, 200)
	if !strings.Contains(w.log.String(), "disk sesame is gone") {
		t.Error("the log lacks the reason")
	}
}

func TestLivenessNeedsNoRootKey(t *testing.T) {
	w := newWorld(t)
	for _, auth := range []string{"", "nonsense", "Bearer x"} {
		a := w.send("GET", "/v2/liveness", nil, "Authorization", auth)
		if a.status != 200 || a.body.Data["message"] == "" {
			t.Errorf("with %q: %d %s", auth, a.status, a.text)
		}
	}
	same(t, "HEAD", w.send("HEAD", "/v2/liveness", nil).status, 200)
}

func TestTheAPIDescribesItself(t *testing.T) {
	w := newWorld(t)
	a := w.send("GET", "/openapi.json", nil)
	same(t, "type", a.media(), "application/json")
	if !json.Valid([]byte(a.text)) || !strings.Contains(a.text, `"openapi"`) {
		t.Error("openapi.json is not an OpenAPI document")
	}
	page := w.send("GET", "/reference", nil)
	same(t, "type", page.media(), "text/html; charset=utf-8")
	if !strings.Contains(page.text, "openapi.json") {
		t.Error("the reference does not show openapi.json")
	}
}
