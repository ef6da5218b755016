package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// Each request is wrong in everything from one stage on; the answer must be
// about that stage. Clients see the first of several mistakes.
func TestChecksStandInOrder(t *testing.T) {
	w := newWorld(t)
	workspace := w.ok("workspaceId", "workspaces.createWorkspace",
		`{"name":"full","requestsPerMinute":1}`)
	full := "Bearer " + w.rootKey(workspace)
	w.call("apis.createApi", `{"name":"uses up the minute"}`, "Authorization", full)
	none := "Bearer " + w.rootKey("")
	const good = `{"name":"an api"}`
	for _, c := range []struct {
		stage, body, auth, media string
		status                   int
		code, location           string
	}{
		{"length", strings.Repeat("x", longestBody+1), "", "text/plain", 413,
			"request_body_too_large", ""},
		{"presence of a root key", `{`, "", "text/plain", 400, "invalid_input", "security"},
		{"a blank header is none", `{`, "  ", "text/plain", 400, "invalid_input", "security"},
		{"content type", `{`, "bearer x", "text/plain", 400, "invalid_input", "requestBody"},
		{"no content type", `{`, "bearer x", "", 400, "invalid_input", "requestBody"},
		{"JSON", `{`, "bearer x", "application/json", 400, "invalid_input", "requestBody"},
		{"fields", `{"name":"x"}`, "bearer x", "application/json", 400, "invalid_input",
			"/properties/name/minLength"},
		{"form of the header", good, "bearer x", "application/json", 400, "malformed", ""},
		{"root key", good, "Bearer x", "application/json", 401, "key_not_found", ""},
		{"quota", good, full, "application/json", 429, "workspace_rate_limited", ""},
		{"permission", good, none, "application/json", 403, "insufficient_permissions", ""},
		{"nothing", good, "Bearer " + w.root, "application/json", 200, "", ""},
	} {
		t.Run(c.stage, func(t *testing.T) {
			a := w.call("apis.createApi", c.body, "Authorization", c.auth, "Content-Type", c.media)
			same(t, "status", a.status, c.status)
			same(t, "code", a.code(), c.code)
			same(t, "location", a.location(), c.location)
		})
	}
}

func TestOneFaultForOneMistakeOfTheHeaders(t *testing.T) {
	w := newWorld(t)
	for _, header := range []string{"Authorization", "Content-Type"} {
		a := w.call("apis.createApi", `{}`, header, "")
		if a.body.Error == nil || len(a.body.Error.Errors) != 1 ||
			a.body.Error.Errors[0].Fix == "" {
			t.Errorf("without %s: want one fault with a fix, got %s", header, a.text)
		}
	}
}

func TestContentTypeMayHaveParameters(t *testing.T) {
	w := newWorld(t)
	for media, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200,
		"Application/JSON;charset=\"utf-8\"": 200, "application/json;": 200,
		"application/vnd.api+json": 400, "text/json": 400, "application/jsonx": 400,
		"application/x-www-form-urlencoded": 400,
	} {
		same(t, media,
			w.call("apis.createApi", `{"name":"an api"}`, "Content-Type", media).status, want)
	}
}

func TestBearerSchemeIsExact(t *testing.T) {
	w := newWorld(t)
	for header, want := range map[string]string{
		"Bearer " + w.root: "", "Bearer   " + w.root + "  ": "", // extra spaces
		"bearer " + w.root: "malformed", "BEARER " + w.root: "malformed",
		"Bearer\t" + w.root:  "malformed",
		"Basic dXNlcjpwdw==": "malformed", w.root: "malformed", "Bearer": "malformed",
		"Bearer  ":     "malformed",
		"Bearer a.b.c": "key_not_found", "Bearer " + w.root + " x": "key_not_found",
		"Bearer ключ": "key_not_found",
	} {
		a := w.call("apis.createApi", `{"name":"an api"}`, "Authorization", header)
		same(t, header, a.code(), want)
	}
}

// dial sends the beginning of a request and returns the connection.
func dial(t *testing.T, url, text string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

const halfRequest = "POST /v2/apis.createApi HTTP/1.1\r\nHost: x\r\nContent-Length: " +
	"100\r\n\r\n{\"name\":"

func TestBodyThatEndsEarlyIsUnreadable(t *testing.T) {
	w := newWorld(t)
	conn := dial(t, w.url, halfRequest)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, res)
	same(t, "status", a.status, 400)
	same(t, "code", a.code(), "request_body_unreadable")
	same(t, "has errors", a.has("errors"), true)
}

func TestBodyThatTakesTooLongIsATimeout(t *testing.T) {
	e, _ := newEngine(t, nil)
	srv := httptest.NewUnstartedServer(api(Config{Engine: e}))
	srv.Config.ReadTimeout = 50 * time.Millisecond
	srv.Start()
	defer srv.Close()
	res, err := http.ReadResponse(bufio.NewReader(dial(t, srv.URL, halfRequest)), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, res)
	same(t, "status", a.status, 408)
	same(t, "code", a.code(), "request_timeout")
	same(t, "has errors", a.has("errors"), true)
}

func TestRequestThatIsGivenUpIsClosed(t *testing.T) {
	e, root := newEngine(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/v2/apis.createApi",
		strings.NewReader(`{"name":"an api"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+root)
	rec := httptest.NewRecorder()
	api(Config{Engine: e}).ServeHTTP(rec, r)
	a := read(t, rec.Result())
	same(t, "status", a.status, 499)
	same(t, "code", a.code(), "client_closed_request")
	same(t, "has errors", a.has("errors"), true)
}

func TestRequestIDIsInBodyAndHeader(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for _, a := range []answer{
		w.call("apis.createApi", `{"name":"an api"}`), w.call("apis.createApi", `{}`),
		w.call("nothing", `{}`),
		w.send("GET", "/v2/liveness", nil), w.send("GET", "/v2/apis.createApi", nil),
	} {
		id := a.body.Meta.RequestID
		if len(id) != len("req_")+9 || !strings.HasPrefix(id, "req_") || seen[id] {
			t.Errorf("request id %q, in %s", id, a.text)
		}
		same(t, "header", a.header.Get("X-Request-Id"), id)
		seen[id] = true
	}
}

func TestIdempotencyKeyRepeatsTheAnswer(t *testing.T) {
	w := newWorld(t)
	first := w.ok("apiId", "apis.createApi", `{"name":"an api"}`, "Idempotency-Key", "k1")
	same(t, "same request",
		w.ok("apiId", "apis.createApi", `{"name":"an api"}`, "Idempotency-Key", "k1"), first)
	same(t, "other request",
		w.call("apis.createApi", `{"name":"another"}`, "Idempotency-Key", "k1").status, 409)
	if w.ok("apiId", "apis.createApi", `{"name":"an api"}`) == first {
		t.Error("without the header the answer is repeated")
	}
}

func TestQuotaIsToldAndKept(t *testing.T) {
	w := newWorld(t)
	workspace := w.ok("workspaceId", "workspaces.createWorkspace",
		`{"name":"small","requestsPerMinute":3}`)
	auth := []string{"Authorization", "Bearer " + w.rootKey(workspace, "api.*.create_api")}
	call := func(op, body string) answer { return w.call(op, body, auth...) }

	same(t, "a bad request", call("apis.createApi", `{}`).header.Get("RateLimit-Limit"), "")
	for i, want := range []int{200, 403, 404} { // refusals count too
		a := []func() answer{
			func() answer { return call("apis.createApi", `{"name":"an api"}`) },
			func() answer { return call("permissions.listRoles", `{}`) },
			func() answer { return call("keys.deleteKey", `{"keyId":"key_unknown1"}`) },
		}[i]()
		same(t, "status", a.status, want)
		same(t, "limit", a.header.Get("RateLimit-Limit"), "3")
		same(t, "remaining", a.header.Get("RateLimit-Remaining"), fmt.Sprint(2-i))
		same(t, "reset", a.header.Get("RateLimit-Reset"), "45")
		same(t, "retry", a.header.Get("Retry-After"), "")
	}
	a := call("apis.createApi", `{"name":"an api"}`)
	same(t, "status", a.status, 429)
	same(t, "code", a.code(), "workspace_rate_limited")
	same(t, "remaining", a.header.Get("RateLimit-Remaining"), "0")
	same(t, "retry", a.header.Get("Retry-After"), "46") // the next window begins full
	same(t, "unlimited",
		w.call("apis.createApi", `{"name":"an api"}`).header.Get("RateLimit-Limit"), "")
}

func TestClosedWorkspaceTellsNoTimeToComeBack(t *testing.T) {
	w := newWorld(t)
	workspace := w.ok("workspaceId", "workspaces.createWorkspace",
		`{"name":"shut","requestsPerMinute":0}`)
	a := w.call("apis.createApi", `{"name":"an api"}`, "Authorization",
		"Bearer "+w.rootKey(workspace))
	same(t, "status", a.status, 429)
	same(t, "retry", a.header.Get("Retry-After"), "")
	same(t, "limit", a.header.Get("RateLimit-Limit"), "")
}

func TestExchangesShareNothing(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 25 {
				name := strings.Repeat(fmt.Sprintf("api %d %d ", worker, i), 1+i*10)[:3+i*10]
				id := w.ok("apiId", "apis.createApi", asJSON(t, map[string]string{"name": name}))
				if got := w.ok("name", "apis.getApi", `{"apiId":"`+id+`"}`); got != name {
					t.Errorf("got the name %q, want %q", got, name)
				}
			}
		})
	}
	group.Wait()
}

func TestEveryOperationHasItsRoute(t *testing.T) {
	w := newWorld(t)
	for _, op := range engine.Ops {
		want, a := 400, answer{}
		if op.GET {
			want, a = 200, w.send("GET", "/v2/"+op.Name, nil, "Authorization", "nonsense")
		} else {
			a = w.send("POST", "/v2/"+op.Name, nil)
		}
		same(t, op.Name, a.status, want)
	}
}
