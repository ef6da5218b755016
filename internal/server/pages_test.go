package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// takers are pages that read long bodies for a workspace.
type takers struct{ hold func() }

func (takers) Knows(*http.Request) bool { return true }

func (p takers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !r.Body.(interface{ Take(string, int64) bool }).Take("ws_1", 1<<20) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if p.hold != nil {
		p.hold()
	}
	_, _ = io.Copy(w, r.Body)
}

// TestPagesShareTheMemoryOfBodies with the API, and give it back.
func TestPagesShareTheMemoryOfBodies(t *testing.T) {
	e, _ := newEngine(t, slog.New(slog.DiscardHandler))
	s := newServer(Config{Engine: e})
	s.bodies = newBodyBudget(4 << 20) // half of it for a workspace
	send := func(length int64) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/x", strings.NewReader("text"))
		r.ContentLength = length
		rec := httptest.NewRecorder()
		s.handler((*exchange).onlyPage)(rec, r)
		return rec
	}
	var inside []int
	s.Pages = takers{hold: func() {
		s.Pages = takers{}
		inside = append(inside, send(1<<20).Code, send(1<<20+1).Code, send(-1).Code)
	}}
	a := send(1 << 20)
	if a.Code != http.StatusOK || a.Body.String() != "text" {
		t.Errorf("the answer is %d %q", a.Code, a.Body)
	}
	if len(inside) != 3 || inside[0] != 200 || inside[1] != 503 || inside[2] != 200 {
		t.Errorf("beside a body of 1 MiB, 1 MiB, more and an unknown length get %v", inside)
	}
	if s.bodies.used != 0 || len(s.bodies.by) != 0 {
		t.Errorf("%d bytes were not given back", s.bodies.used)
	}
}

// TestTheLogHasNoCodeOfALinkThatSignsIn, whatever became of the request.
func TestTheLogHasNoCodeOfALinkThatSignsIn(t *testing.T) {
	w := newWorld(t, func(cfg *Config) { cfg.Pages = takers{} })
	for method, path := range map[string]string{
		"HEAD": "/welcome/SECRETCODE", "GET": "//welcome/SECRETCODE",
	} {
		r := httptest.NewRequest(method, "http://localhost"+path, nil)
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if log := w.log.String(); !strings.Contains(log, "/welcome/…") ||
		strings.Contains(log, "SECRETCODE") {
		t.Errorf("the log is %s", log)
	}
}
