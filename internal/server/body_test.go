package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// longestBody is the largest body of apis.createApi.
const longestBody = 1<<20 + 256<<10

// padded is a request for apis.createApi of that many bytes.
func padded(size int) string {
	const request = `{"name":"an api"}`
	return request + strings.Repeat(" ", size-len(request))
}

// TestBodiesAreBoundedByOperation: each operation reads as much as its largest request
// needs, and responds to a byte more with 413, whether the length is known or not.
func TestBodiesAreBoundedByOperation(t *testing.T) {
	for name, want := range map[string]int64{
		"keys.verifyKey": 64 << 10, "ratelimit.limit": 64 << 10, "apis.listKeys": 64 << 10,
		"ratelimit.multiLimit": 512 << 10, "keys.createKey": longestBody,
		"keys.migrateKeys": 10 << 20, "liveness": 0,
	} {
		op, _ := latchkey.LookupOperation(name)
		same(t, name, op.MaxBody(), want)
	}
	w := newWorld(t)
	same(t, "at the limit", w.call("apis.createApi", padded(longestBody)).status, 200)
	for _, b := range []io.Reader{
		strings.NewReader(padded(longestBody + 1)),                 // with a length
		io.MultiReader(strings.NewReader(padded(longestBody + 1))), // in chunks
	} {
		a := w.send("POST", "/v2/apis.createApi", b,
			"Authorization", "Bearer "+w.root, "Content-Type", "application/json")
		same(t, "beyond the limit", a.status, 413)
		same(t, "type", a.body.Error.Type,
			"https://unkey.com/docs/errors/user/bad_request/request_body_too_large")
		same(t, "has errors", a.has("errors"), true)
	}
}

// The rest of a body that is too long is not worth reading, so the connection ends.
func TestBodyThatIsTooLongEndsTheConnection(t *testing.T) {
	w := newWorld(t)
	for size, want := range map[int]bool{64<<10 + 1: true, 64 << 10: false} {
		conn := dial(t, w.url, "POST /v2/apis.listApis HTTP/1.1\r\nHost: x\r\n"+
			"Authorization: Bearer "+w.root+"\r\nContent-Type: application/json\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n")
		_, _ = fmt.Fprintf(conn, "%x\r\n{%*s\r\n0\r\n\r\n", size, size-1, "}")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "too large", read(t, res).status == http.StatusRequestEntityTooLarge, want)
		same(t, "closes", res.Close, want)
	}
}

// counted counts how much of a body was read.
type counted struct {
	io.Reader
	bytes int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += n
	return n, err
}

// TestLongBodiesNeedARootKey: of a request without a valid root key at most openBody and
// a byte are read; of one with a known length nothing. What the server responds is what
// it responds to short requests.
func TestLongBodiesNeedARootKey(t *testing.T) {
	w := newWorld(t)
	disabled := w.call("rootKeys.createRootKey", `{"permissions":[]}`).body.Data
	w.ok("", "rootKeys.updateRootKey", asJSON(t,
		map[string]any{"rootKeyId": disabled["rootKeyId"], "enabled": false}))
	for _, c := range []struct {
		auth, media string
		status      int
		code        string
	}{
		{"", "application/json", 400, "invalid_input"},
		{"Bearer " + w.root, "text/plain", 400, "invalid_input"},
		{"Basic x", "application/json", 400, "malformed"},
		{"Bearer x", "application/json", 401, "key_not_found"},
		{"Bearer " + disabled["key"].(string), "application/json", 403, "key_disabled"},
	} {
		for length, most := range map[int64]int{1 << 20: 0, -1: openBody + 1} {
			body := &counted{Reader: strings.NewReader(padded(1 << 20))}
			r := httptest.NewRequest("POST", "/v2/apis.createApi", body)
			r.ContentLength = length
			r.Header = http.Header{"Authorization": {c.auth}, "Content-Type": {c.media}}
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			a := read(t, rec.Result())
			same(t, c.auth, a.status, c.status)
			same(t, c.auth, a.code(), c.code)
			same(t, c.auth, a.header.Get("Connection"), "close")
			if body.bytes > most {
				t.Errorf("%q: %d bytes were read, want %d", c.auth, body.bytes, most)
			}
		}
	}
}

// TestShortBodiesNeedNoRootKeyToBeChecked: clients see the faults of a request first.
func TestShortBodiesNeedNoRootKeyToBeChecked(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]int{padded(openBody): 401, `{"name":"x"}`: 400} {
		a := w.call("apis.createApi", body, "Authorization", "Bearer x")
		same(t, "status", a.status, want)
		same(t, "Connection", a.header.Get("Connection"), "")
	}
}

// TestMemoryOfBodiesIsBounded: long bodies of all requests together, and those of each
// workspace, have a bound. What is refused is not read, and the memory comes back.
func TestMemoryOfBodiesIsBounded(t *testing.T) {
	w := newWorld(t)
	bodies := w.handler.(*server).bodies
	half := newBodyBudget(100)
	same(t, "half", half.take("a", 50), true)
	same(t, "more than half for one", half.take("a", 1), false)
	same(t, "the other half", half.take("b", 50), true)
	same(t, "more than all", half.take("c", 1), false)
	half.give(taken{"a", 50})
	same(t, "given back", half.take("c", 50), true)

	same(t, "room", bodies.take("others", bodyMemory/2), true)
	same(t, "room", bodies.take("more others", bodyMemory/2-100_000), true)
	a := w.call("apis.createApi", padded(100_001))
	same(t, "status", a.status, 503)
	same(t, "code", a.code(), "service_unavailable")
	same(t, "retry", a.header.Get("Retry-After"), "1")
	same(t, "short bodies", w.call("apis.createApi", padded(openBody)).status, 200)
	for range 3 {
		same(t, "what fits", w.call("apis.createApi", padded(100_000)).status, 200)
	}
	same(t, "in the end", bodies.used, bodyMemory-100_000)
}

// trickle sends some bytes a second.
type trickle struct {
	perSecond, left int
	deadline        time.Time
}

func (r *trickle) SetReadDeadline(t time.Time) error { r.deadline = t; return nil }

func (r *trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	if time.Now().After(r.deadline) {
		return 0, errTrickleDeadline
	}
	n := min(len(p), r.perSecond, r.left)
	if r.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

var errTrickleDeadline = fmt.Errorf("the deadline has passed")

// deadlines is a response writer whose connection has the deadlines of a trickle.
type deadlines struct {
	http.ResponseWriter
	*trickle
}

// TestLongBodiesMustKeepArriving at 16 KiB a second, with ten seconds to begin and a
// minute in all.
func TestLongBodiesMustKeepArriving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			perSecond, size int
			fails           bool
			after           time.Duration // at least; a second more at most
		}{
			{0, 1, true, 11 * time.Second},
			{1 << 10, 1 << 20, true, 11 * time.Second},
			{20 << 10, 1 << 20, false, 53 * time.Second},
			{20 << 10, 2 << 20, true, 61 * time.Second},
			{1 << 20, 10 << 20, false, 11 * time.Second},
		} {
			body := &trickle{perSecond: c.perSecond, left: c.size}
			if c.perSecond == 0 {
				body.left = 1 // that never comes
			}
			begun := time.Now()
			paced := &pacedReader{
				body: silent{body, c.perSecond == 0}, begun: begun,
				connection: http.NewResponseController(deadlines{nil, body}),
			}
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, paced, make([]byte, 2<<20))
			took := time.Since(begun)
			if (err != nil) != c.fails || took < c.after || took > c.after+time.Second {
				t.Errorf("%d bytes at %d/s: %v after %v", c.size, c.perSecond, err, took)
			}
		}
	})
}

// silent never sends anything, if it is so.
type silent struct {
	*trickle
	so bool
}

func (s silent) Read(p []byte) (int, error) {
	if !s.so {
		return s.trickle.Read(p)
	}
	time.Sleep(time.Until(s.deadline) + time.Second)
	return 0, errTrickleDeadline
}

// TestLongBodiesOfManyClients arrive whole.
func TestLongBodiesOfManyClients(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			same(t, "status", w.call("apis.createApi", padded(openBody+i*50_000)).status, 200)
		})
	}
	group.Wait()
	same(t, "in use", w.handler.(*server).bodies.used, 0)
	same(t, "workspaces", len(w.handler.(*server).bodies.by), 0)
}
