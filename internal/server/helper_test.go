package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/storetest"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

func TestMain(m *testing.M) {
	if os.Getenv(loadEnv) != "" {
		sendLoad()
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// start is the time at which the tests' clock stands still: a quarter into a minute.
var start = time.Date(2026, 3, 2, 12, 0, 15, 0, time.UTC)

// world is a real engine behind a real HTTP server.
type world struct {
	t    testing.TB
	url  string
	root string // the operator's root key
	log  *syncBuffer
	http *http.Client

	handler http.Handler // serves the API; the server has /metrics besides
}

// newWorld starts a world on fresh data; tweak may change its configuration.
func newWorld(t testing.TB, tweak ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, log: new(syncBuffer)}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := Config{Log: log}
	cfg.Engine, w.root = newEngine(t, log)
	for _, change := range tweak {
		change(&cfg)
	}
	api, _, metrics := New(cfg)
	w.handler = api
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			metrics.ServeHTTP(rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	w.url, w.http = srv.URL, srv.Client()
	return w
}

func newEngine(t testing.TB, log *slog.Logger) (*engine.Engine, string) {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	masters, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), engine.Config{
		DB: db, Vault: masters, Log: log, Now: func() time.Time { return start },
		Redis: testenv.RedisURL(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
	root, err := e.FirstRootKey(t.Context(), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return e, root
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		Meta       struct{ RequestID string }
		Data       map[string]any
		Pagination *struct {
			HasMore bool
			Cursor  string
		}
		Error *struct {
			Title, Detail, Type string
			Status              int
			Errors              []struct{ Location, Message, Fix string }
		}
	}
}

// send sends one request; headers are names and values in turn, and an empty
// value removes a header.
func (w *world) send(method, path string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	return read(w.t, res)
}

func read(t testing.TB, res *http.Response) answer {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // of lists only the rest of the envelope is wanted here
	return a
}

// call calls an operation as the SDKs do, by default as the operator.
func (w *world) call(op, body string, headers ...string) answer {
	w.t.Helper()
	defaults := []string{
		"Content-Type", "application/json", "Accept", "application/json", "Authorization",
		"Bearer " + w.root,
	}
	return w.send(http.MethodPost, "/v2/"+op, strings.NewReader(body),
		append(defaults, headers...)...)
}

// ok calls an operation that must succeed and returns a field of its data.
func (w *world) ok(field, op, body string, headers ...string) string {
	w.t.Helper()
	a := w.call(op, body, headers...)
	if a.status != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", op, body, a.status, a.text)
	}
	value, _ := a.body.Data[field].(string)
	return value
}

// rootKey makes a root key with these permissions in a workspace, "" for the operator's.
func (w *world) rootKey(workspace string, permissions ...string) string {
	w.t.Helper()
	request := map[string]any{"permissions": append([]string{}, permissions...)}
	if workspace != "" {
		request["workspaceId"] = workspace
	}
	return w.ok("key", "rootKeys.createRootKey", asJSON(w.t, request))
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// code returns the last part of the error's type, "" without one.
func (a answer) code() string {
	if a.body.Error == nil {
		return ""
	}
	return a.body.Error.Type[strings.LastIndexByte(a.body.Error.Type, '/')+1:]
}

// has reports whether the answer has a member of that name at the place where
// only its envelope and error object can have it.
func (a answer) has(member string) bool {
	var body struct{ Error map[string]json.RawMessage }
	var top map[string]json.RawMessage
	_, _ = json.Unmarshal([]byte(a.text), &body), json.Unmarshal([]byte(a.text), &top)
	_, inError := body.Error[member]
	_, atTop := top[member]
	return inError || atTop
}

// location returns where the first fault is.
func (a answer) location() string {
	if a.body.Error == nil || len(a.body.Error.Errors) == 0 {
		return ""
	}
	return a.body.Error.Errors[0].Location
}

// media returns the content type.
func (a answer) media() string { return a.header.Get("Content-Type") }

// syncBuffer is a buffer for a log that many goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// same fails the test unless got is want.
func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
