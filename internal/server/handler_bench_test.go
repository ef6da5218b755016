package server

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// sink is a response writer that keeps nothing but what it was told last.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkHandler measures the two hot operations without a network: what the
// handler itself costs, in time and allocations.
func BenchmarkHandler(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	for name, c := range hotCalls(w) {
		b.Run(name, func(b *testing.B) {
			serve := c.serve(b, w.handler, w.root)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

// hotCall is a request of an operation that has to be fast.
type hotCall struct{ op, body string }

// hotCalls makes what the requests need and returns them by name.
func hotCalls(w *world) map[string]hotCall {
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("key", "keys.createKey",
		`{"apiId":"`+api+`","name":"a key","meta":{"plan":"pro"},"permissions":["docs.read"]}`)
	return map[string]hotCall{
		"verify": {"keys.verifyKey", `{"key":"` + key + `"}`},
		"query": {"keys.verifyKey",
			`{"key":"` + key + `","permissions":"docs.read AND (docs.read OR docs.write)"}`},
		"limit": {
			"ratelimit.limit",
			`{"namespace":"requests","identifier":"user_1","limit":1000000000000,"duration":60000}`,
		},
	}
}

// serve returns a function that lets the handler answer the call once more.
func (c hotCall) serve(t testing.TB, h http.Handler, root string) func() {
	body := bytes.NewReader(nil)
	r, err := http.NewRequest(http.MethodPost, "/v2/"+c.op, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:50000"
	r.Header = http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"},
		"User-Agent": {"bench"}, "Authorization": {"Bearer " + root},
	}
	text, out := []byte(c.body), &sink{header: http.Header{}}
	return func() {
		body.Reset(text)
		clear(out.header)
		if h.ServeHTTP(out, r); out.status != http.StatusOK {
			t.Fatalf("%s answered %d", c.op, out.status)
		}
	}
}
