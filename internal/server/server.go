// Package server serves the engine over HTTP: it reads requests, calls the engine and
// writes responses in the envelope of the Unkey v2 API.
//
// The operations of [engine.Ops] are under /v2/, each under its name, and, if they are
// turned on, the routes of version 1 under /v1/ (v1.go), beside /health/live,
// /health/ready, /openapi.json, /openapi.yaml, /llms.txt and /reference. Gates are under
// /auth/ (gate.go). Every other path and method gets an error in the envelope. There is no
// middleware: one [http.ServeMux] leads to one exchange, which does everything in order. A
// second handler has the metrics.
package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// Config configures a server. Only Engine is required.
type Config struct {
	// Engine runs the operations.
	Engine *engine.Engine
	// Log gets one line per request; slog.Default by default.
	Log *slog.Logger
	// TrustedProxies are the senders whose X-Forwarded-For headers count; none by default.
	TrustedProxies []netip.Prefix
	// Ready returns why requests should go to another node, or nil if they are welcome. By
	// default they always are.
	Ready func(ctx context.Context) error
	// LastBackup returns when the newest backup was made, the zero time for none; nil where
	// no backups are made.
	LastBackup func() time.Time
	// V1 also serves version 1 of the API, under /v1/. Keys can then be verified without a
	// root key.
	V1 bool
	// V1APIs are the APIs whose keys can be verified without a root key; all by default.
	V1APIs []string
	// Gates are the gates by name, which CheckGates accepts; none by default.
	Gates map[string]latchkey.Gate
	// Pages are served at the paths that the API doesn't have; none by default.
	Pages Pages
	// PagesApart serves Pages by a handler of their own only.
	PagesApart bool
}

// server is what all exchanges share.
type server struct {
	Config
	mux     *http.ServeMux
	posts   map[string]http.HandlerFunc // by path; mux has them too
	gates   map[string]http.HandlerFunc // by name
	metrics *metrics
	bodies  *bodyBudget
	warned  atomic.Bool // that an X-Forwarded-For header was ignored
	buffers sync.Pool
}

// New returns the handlers of the service: the API with its description and the health
// checks; the pages alone, nil if there are none; and, for monitoring only, the metrics with
// the health checks.
func New(cfg Config) (api, pages, metrics http.Handler) {
	s := newServer(cfg)
	for _, op := range engine.Ops {
		method := http.MethodPost
		if op.GET {
			method = http.MethodGet
		}
		f := s.metrics.of(op.Name)
		s.handle(s.mux, method, "/v2/"+op.Name, func(x *exchange) {
			x.figures = f
			x.operate(op)
		})
	}
	s.openV1(cfg.V1, cfg.V1APIs)
	s.openGates(cfg.Gates)
	s.handle(s.mux, http.MethodGet, "/openapi.json", (*exchange).openAPI)
	s.handle(s.mux, http.MethodGet, "/openapi.yaml", (*exchange).openAPIYAML)
	s.handle(s.mux, http.MethodGet, "/llms.txt", (*exchange).overview)
	s.handle(s.mux, http.MethodGet, "/reference", (*exchange).reference)
	monitoring := http.NewServeMux()
	s.handle(monitoring, http.MethodGet, "/metrics", s.exposeMetrics())
	for _, mux := range []*http.ServeMux{s.mux, monitoring} {
		s.handle(mux, http.MethodGet, "/health/live", (*exchange).live)
		s.handle(mux, http.MethodGet, "/health/ready", (*exchange).ready)
	}
	s.mux.HandleFunc("/", s.handler((*exchange).elsewhere))
	monitoring.HandleFunc("/", s.handler((*exchange).notFound))
	if cfg.Pages != nil {
		pages = s.handler((*exchange).onlyPage)
	}
	return s, pages, monitoring
}

// ServeHTTP serves a request. It finds operations by their exact path itself, in a tenth
// of the mux's time; TestShortcutChangesNothing ensures that the response is the same.
// Any path has one spelling: a proxy in front that compares paths with a list must see the
// same path as the mux.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawPath == "" && r.Method == http.MethodPost {
		if answer, ok := s.posts[r.URL.Path]; ok {
			answer(w, r)
			return
		}
	}
	if answer := s.gateAt(r.URL.EscapedPath()); answer != nil {
		answer(w, r)
		return
	}
	if r.URL.RawPath == "" && path.Clean(r.URL.Path) == r.URL.Path {
		s.mux.ServeHTTP(w, r)
		return
	}
	s.handler((*exchange).notFound)(w, r)
}

// newServer returns a server without routes, with the defaults of cfg filled in.
func newServer(cfg Config) *server {
	s := &server{Config: cfg, mux: http.NewServeMux(), posts: map[string]http.HandlerFunc{}}
	s.metrics = newMetrics(cfg.Engine, cfg.LastBackup)
	s.buffers.New = func() any { return newBuffers() }
	if s.Log == nil {
		s.Log = slog.Default()
	}
	s.bodies = newBodyBudget(bodyMemory)
	if s.Ready == nil {
		s.Ready = func(context.Context) error { return nil }
	}
	return s
}

// handle serves one method on a path. The others get 405 there.
func (s *server) handle(
	mux *http.ServeMux, method, path string, answer func(*exchange),
) {
	allowed := method
	if method == http.MethodGet {
		allowed = "GET, HEAD" // the mux gives HEAD to whoever answers GET
	}
	handler := s.handler(answer)
	if method == http.MethodPost {
		s.posts[path] = handler
	}
	mux.HandleFunc(method+" "+path, handler)
	mux.HandleFunc(path, s.handler(func(x *exchange) { x.methodNotAllowed(allowed) }))
}

// exchange is one request and its response.
type exchange struct {
	*server
	*buffers
	w         http.ResponseWriter
	r         *http.Request
	op        *engine.Op // nil outside of /v2/
	id        string     // of the request, in the response and in the log
	begun     time.Time
	trace     engine.Trace // how the engine served it
	taken     taken        // of the memory for long bodies
	figures   *figures     // of the operation
	ambiguous string       // a header that has several values, but must have one
	status    int          // of the response, 0 before there is one
	cause     error        // what failed in the service, for the log only
}

// handler makes a handler of a function that answers one request.
func (s *server) handler(answer func(*exchange)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{server: s, w: w, r: r, id: engine.NewRequestID(), begun: time.Now()}
		x.trace.Begun = x.begun
		x.buffers = s.buffers.Get().(*buffers)
		w.Header()["X-Request-Id"] = []string{x.id}
		defer x.end()
		answer(x)
	}
}

// end logs and counts the exchange. A panic ends only the exchange in which it happened.
func (x *exchange) end() {
	if p := recover(); p != nil {
		x.breakDown(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
	x.figures.note(x.status, time.Since(x.begun))
	x.log()
	x.bodies.give(x.taken)
	if x.keepable() {
		x.server.buffers.Put(x.buffers)
	}
}

// log writes the line of the exchange. It contains no header and no body, because these
// contain secrets.
func (x *exchange) log() {
	ctx, level := x.r.Context(), slog.LevelDebug
	if x.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !x.Log.Enabled(ctx, level) {
		return
	}
	line := []slog.Attr{
		slog.String("request", x.id), slog.String("method", x.r.Method),
		slog.String("path", pathOf(x.r)), slog.Int("status", x.status),
		slog.Duration("took", time.Since(x.begun)),
	}
	if x.trace.Stale > 0 {
		line = append(line, slog.Duration("stale", x.trace.Stale))
	}
	if x.cause != nil {
		line = append(line, slog.Any("error", x.cause))
	}
	x.Log.LogAttrs(ctx, level, "answered", line...)
}

// pathOf returns the path of a request for the log, without the code of a link that signs in.
func pathOf(r *http.Request) string {
	const welcome = "/welcome/"
	if before, _, found := strings.Cut(r.URL.Path, welcome); found {
		return before + welcome + "…"
	}
	return r.URL.Path
}

// buffers are reused by one exchange after another.
type buffers struct {
	limited io.LimitedReader // reads the body of the request
	body    bytes.Buffer
	out     bytes.Buffer
	enc     *json.Encoder // writes to out
}

func newBuffers() *buffers {
	b := new(buffers)
	b.enc = json.NewEncoder(&b.out)
	b.enc.SetEscapeHTML(false)
	return b
}

// keepable empties the buffers, and reports whether they are small enough to be kept for
// the next exchange.
func (b *buffers) keepable() bool {
	const most = 64 << 10
	b.limited.R = nil
	b.body.Reset()
	b.out.Reset()
	return b.body.Cap() <= most && b.out.Cap() <= most
}
