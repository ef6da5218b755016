package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// gateWorld is a world with two APIs, and a server with gates for the first of them.
type gateWorld struct {
	*world
	engine     *engine.Engine
	api, other string
	gates      map[string]latchkey.Gate
	gateway    string // the URL of the server with gates
}

// openGates starts the server. Each gate is for the first API unless it names one.
func openGates(t *testing.T, gates map[string]latchkey.Gate) *gateWorld {
	t.Helper()
	w := &gateWorld{gates: gates}
	w.world = newWorld(t, func(c *Config) { w.engine = c.Engine })
	w.api = w.ok("apiId", "apis.createApi", `{"name":"documents"}`)
	w.other = w.ok("apiId", "apis.createApi", `{"name":"payments"}`)
	for name, g := range gates {
		if g.API == "" {
			g.API = w.api
			gates[name] = g
		}
	}
	if err := CheckGates(w.engine, gates); err != nil {
		t.Fatal(err)
	}
	api, _, _ := New(Config{
		Engine: w.engine, Log: slog.New(slog.NewTextHandler(w.log, nil)), Gates: gates,
	})
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	w.gateway = srv.URL
	return w
}

// key makes a key of the first API.
func (w *gateWorld) key(fields string) string {
	w.t.Helper()
	return w.ok("key", "keys.createKey", `{"apiId":"`+w.api+`"`+fields+`}`)
}

// asks sends a question. Headers are names and values in turn; several with one name are sent
// all.
func (w *gateWorld) asks(method, path string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.gateway+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	return read(w.t, res)
}

// ask asks about a key.
func (w *gateWorld) ask(gate, key string, headers ...string) answer {
	w.t.Helper()
	return w.asks("GET", "/auth/"+gate, append(headers, "Authorization", "Bearer "+key)...)
}

// left returns the credits of a key.
func (w *gateWorld) left(key string) float64 {
	w.t.Helper()
	a := w.call("keys.verifyKey", `{"key":"`+key+`","credits":{"cost":0}}`)
	n, _ := a.body.Data["credits"].(float64)
	return n
}

func TestGateAdmitsOnlyValidKeys(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{
		"docs": {Permissions: "docs.read"}, "folded": {Permissions: "docs.read", Fold: true},
	})
	const may = `,"permissions":["docs.read"]`
	good := w.key(may + `,"externalId":"user_1","credits":{"remaining":9}`)
	disabled := w.key(may + `,"enabled":false`)
	expired := w.key(may + `,"expires":1`)
	spent := w.key(may + `,"credits":{"remaining":0}`)
	powerless := w.key("")
	limited := w.key(may +
		`,"ratelimits":[{"name":"requests","limit":1,"duration":60000,"autoApply":true}]`)
	foreign := w.ok("key", "keys.createKey", `{"apiId":"`+w.other+`"`+may+`}`)

	a := w.ask("docs", good)
	want := map[string]string{
		"Latchkey-Status": "204", "Latchkey-External-Id": "user_1",
		"Latchkey-Permissions": "docs.read", "Latchkey-Credits": "8", "Cache-Control": "no-store",
		"Content-Type": "",
	}
	for name, value := range want {
		if got := a.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if id := a.header.Get("Latchkey-Key-Id"); a.status != 204 || !strings.HasPrefix(id, "key_") {
		t.Fatalf("%d, key %q", a.status, id)
	}
	a = w.ask("docs", limited)
	if a.status != 204 || a.header.Get("RateLimit-Remaining") != "0" ||
		a.header.Get("RateLimit-Limit") != "1" {
		t.Errorf("a key with a limit: %d, headers %v", a.status, a.header)
	}
	same(t, "policy", a.header.Get("RateLimit-Policy"), `"requests";q=1;w=60`)
	a = w.ask("docs", limited)
	wait := a.header.Get("Retry-After")
	if a.status != 429 || wait == "" {
		t.Errorf("an exceeded limit: %d, headers %v", a.status, a.header)
	}
	same(t, "state", a.header.Get("RateLimit"), `"requests";r=0;t=`+wait)
	a = w.ask("docs", w.key(may+
		`,"credits":{"remaining":0,"refill":{"interval":"daily","amount":1}}`))
	if a.status != 402 || a.header.Get("Retry-After") == "" || a.header.Get("RateLimit") != "" {
		t.Errorf("before a refill: %d, headers %v", a.status, a.header)
	}

	invalid := make(map[string]bool)
	for _, c := range []struct {
		name, key      string
		status, folded int
	}{
		{"unknown", "sk_unknown", 401, 401}, {"of another API", foreign, 401, 401},
		{"disabled", disabled, 401, 401}, {"expired", expired, 401, 401},
		{"too long", strings.Repeat("x", 513), 401, 401},
		{"spent", spent, 402, 403}, {"powerless", powerless, 403, 403},
		{"limited", limited, 429, 403},
	} {
		a, folded := w.ask("docs", c.key), w.ask("folded", c.key)
		if a.status != c.status || folded.status != c.folded {
			t.Errorf("%s: %d and %d folded, want %d and %d", c.name, a.status, folded.status,
				c.status, c.folded)
		}
		for _, a := range []answer{a, folded} {
			w.saysNothing(c.name, a)
			if got := a.header.Get("Latchkey-Status"); got != fmt.Sprint(c.status) {
				t.Errorf("%s: Latchkey-Status is %s", c.name, got)
			}
			if waits := a.header.Get("Retry-After") != ""; waits != (c.status == 429) {
				t.Errorf("%s: Retry-After %q", c.name, a.header.Get("Retry-After"))
			}
		}
		if c.status == 401 {
			invalid[a.text+a.header.Get("WWW-Authenticate")] = true
		}
	}
	if len(invalid) != 1 {
		t.Errorf("the responses tell what is wrong with a key: %v", invalid)
	}
	for _, h := range [][]string{
		{}, {"Authorization", "Basic dXNlcjpwdw=="}, {"Authorization", "Bearer"},
		{"Authorization", good}, {"X-API-Key", good},
		{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good},
		{"Authorization", "Bearer " + good + ", Bearer " + good},
	} {
		a := w.asks("GET", "/auth/docs", h...)
		if a.status != 401 || a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("without a key, %d and %v", a.status, a.header)
		}
		w.saysNothing("no key", a)
	}
}

// saysNothing checks that a refusal sets all headers about the key to nothing.
func (w *gateWorld) saysNothing(name string, a answer) {
	w.t.Helper()
	for _, header := range identityHeaders[1:] {
		if values := a.header.Values(header); len(values) != 1 || values[0] != "" {
			w.t.Errorf("%s: %s is %q", name, header, values)
		}
	}
	if strings.Contains(a.text, "key_") || a.header.Get("Cache-Control") != "no-store" ||
		a.media() != "application/problem+json" {
		w.t.Errorf("%s: %v %s", name, a.header, a.text)
	}
}

func TestGateIsAtOnePath(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"docs": {}})
	key := "Bearer " + w.key("")
	for _, path := range []string{
		"/auth/docs", "/auth/docs/", "/auth/docs/a//b/../c", "/auth/docs/%2e%2e/other?a=b",
		"/auth/docs?x=/../..",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"} {
			if a := w.asks(method, path, "Authorization", key); a.status != 204 {
				t.Errorf("%s %s: %d", method, path, a.status)
			}
			if a := w.asks(method, path); a.status != 401 {
				t.Errorf("%s %s without a key: %d", method, path, a.status)
			}
		}
	}
	for _, path := range []string{
		"/auth", "/auth/", "/auth/doc", "/auth/docs2", "/auth/%64ocs", "/%61uth/docs", "//auth/docs",
		"/auth//docs", "/auth/Docs", "/v2/../auth/docs", "/auth/x/../docs",
	} {
		if a := w.asks("GET", path, "Authorization", key); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if strings.Contains(w.log.String(), "other") {
		t.Error("the log has paths of the protected service")
	}
}

func TestGateAdmitsWithTheStatusThatEnvoyKnows(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"docs": {OKStatus: 200}})
	a := w.ask("docs", w.key(""))
	if a.status != 200 || a.text != "" || a.header.Get("Latchkey-Key-Id") == "" ||
		a.header.Get("Latchkey-Status") != "204" {
		t.Errorf("%d %q %v", a.status, a.text, a.header)
	}
	if a := w.ask("docs", "sk_unknown"); a.status != 401 {
		t.Errorf("%d", a.status)
	}
}

func TestGateFindsTheKeyInAHeader(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"docs": {Header: "x-api-key"}})
	key := w.key("")
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{204, []string{"X-API-Key", key}},
		{401, []string{"Authorization", "Bearer " + key}},
		{401, []string{"X-API-Key", key, "X-API-Key", key}},
		{401, []string{"X-API-Key", ""}},
		{401, []string{"X_API_Key", key}},
		{401, []string{"X-API-Key", "Bearer " + key}},
	} {
		if a := w.asks("GET", "/auth/docs", c.headers...); a.status != c.status {
			t.Errorf("%v: %d", c.headers, a.status)
		}
	}
}

func TestGateChargesItsCostAndLimits(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{
		"costly": {Cost: latchkey.Int(5)}, "free": {Cost: latchkey.Int(0)},
		"limited": {Cost: latchkey.Int(0), Ratelimits: []latchkey.VerifyKeyRatelimit{{
			Name: "exports", Limit: latchkey.Int(2), Duration: latchkey.Set(latchkey.Per(time.Minute)),
		}}},
	})
	key := w.key(`,"credits":{"remaining":9}`)
	for _, c := range []struct {
		gate   string
		status int
		left   float64
	}{
		{"costly", 204, 4}, {"free", 204, 4}, {"costly", 402, 4},
		{"limited", 204, 4}, {"limited", 204, 4}, {"limited", 429, 4}, {"free", 204, 4},
	} {
		if a := w.ask(c.gate, key); a.status != c.status || w.left(key) != c.left {
			t.Errorf("%s: %d, %v left", c.gate, a.status, w.left(key))
		}
	}
}

func TestRequestIsChargedOnceForEachID(t *testing.T) {
	const header = "Latchkey-Request-Id"
	w := openGates(t, map[string]latchkey.Gate{"once": {RequestID: header}, "each": {}})
	key, other := w.key(`,"credits":{"remaining":100}`), w.key(`,"credits":{"remaining":100}`)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if a := w.ask("once", key, header, "r1"); a.status != 204 ||
				a.header.Get("Latchkey-Credits") != "99" {
				t.Errorf("%d, %s left", a.status, a.header.Get("Latchkey-Credits"))
			}
		})
	}
	group.Wait()
	for _, c := range []struct {
		what       string
		ask        func()
		left, rest float64
	}{
		{"20 at a time", func() {}, 99, 100},
		{"again", func() { w.ask("once", key, header, "r1") }, 99, 100},
		{"another id", func() { w.ask("once", key, header, "r2") }, 98, 100},
		{"another key", func() { w.ask("once", other, header, "r1") }, 98, 99},
		{"no id", func() { w.ask("once", key); w.ask("once", key) }, 96, 99},
		{"two ids", func() { w.ask("once", key, header, "r1", header, "r1") }, 95, 99},
		{"a long id", func() { w.ask("once", key, header, strings.Repeat("r", 129)) }, 94, 99},
		{"a gate that knows no ids", func() { w.ask("each", key, header, "r1") }, 93, 99},
		{"the header of the service", func() {
			w.ask("each", key, "Idempotency-Key", "i")
			w.ask("each", key, "Idempotency-Key", "i")
		}, 91, 99},
	} {
		c.ask()
		if left, rest := w.left(key), w.left(other); left != c.left || rest != c.rest {
			t.Errorf("%s: %v and %v left", c.what, left, rest)
		}
	}
	spent := w.key(`,"credits":{"remaining":0}`)
	if a := w.ask("once", spent, header, "r9"); a.status != 402 {
		t.Errorf("%d", a.status)
	}
	id := w.call("keys.whoami", `{"key":"`+spent+`"}`).body.Data["keyId"].(string)
	w.ok("", "keys.updateCredits", `{"keyId":"`+id+`","operation":"set","value":5}`)
	if a := w.ask("once", spent, header, "r9"); a.status != 204 {
		t.Errorf("a refusal is remembered: %d", a.status)
	}
}

func TestOnceTableIsBoundedAndForgetsTheOldest(t *testing.T) {
	table, calls := newOnceTable(), 0
	judge := func() *verdict { calls++; return &verdict{status: 204, charged: true} }
	for i := range onceMost + 10 {
		table.do(fmt.Sprint(i), "k", judge)
	}
	table.do(fmt.Sprint(onceMost+9), "k", judge)
	table.do("10", "k", judge)
	if len(table.known) != onceMost || calls != onceMost+10 {
		t.Errorf("%d remembered, %d judged", len(table.known), calls)
	}
	table.do("9", "k", judge)
	if calls != onceMost+11 {
		t.Error("the oldest are not forgotten")
	}
	refuse := func() *verdict { return &verdict{status: 401} }
	for range 3 { // takes three places; only the last one counts
		table.do("refused", "k", refuse)
	}
	table.do("refused", "k", judge)
	for i := range onceMost - 2 {
		table.do("new"+fmt.Sprint(i), "k", judge)
	}
	before := calls
	if table.do("refused", "k", judge); calls != before {
		t.Error("the place of an earlier refusal was used for the newer entry")
	}
}

func TestGateRefusesWithoutItsAPIOrWorkspace(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{
		"docs": {}, "gone": {API: "api_gone"}, "payments": {API: "api_later"},
	})
	key := w.key("")
	if a := w.ask("gone", key); a.status != 503 {
		t.Errorf("an unknown API: %d", a.status)
	}
	if a := w.ask("docs", key); a.status != 204 {
		t.Fatalf("%d", a.status)
	}
	w.ok("", "apis.deleteApi", `{"apiId":"`+w.api+`"}`)
	a := w.ask("docs", key)
	if a.status != 503 || a.header.Get("Latchkey-Status") != "503" {
		t.Errorf("a deleted API: %d", a.status)
	}
	w.saysNothing("a deleted API", a)
	if !strings.Contains(w.log.String(), "The API of this gate does not exist") {
		t.Error("the log has no reason")
	}
}

func TestGateIsBoundToTheRequestLimitOfItsWorkspace(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"docs": {}})
	key := w.key("")
	workspace := w.ok("workspaceId", "rootKeys.whoami", `{}`)
	w.ok("", "workspaces.updateWorkspace",
		`{"workspaceId":"`+workspace+`","requestsPerMinute":0}`)
	if a := w.ask("docs", key); a.status != 503 {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestGateAnnouncesItsResource(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"mcp": {Resource: &latchkey.ProtectedResource{
		Resource: "https://mcp.example.com/mcp", Name: "Documents",
	}}})
	const metadata = `resource_metadata="https://mcp.example.com` +
		`/.well-known/oauth-protected-resource/mcp"`
	for key, want := range map[string]string{
		"": "Bearer " + metadata, "x": `Bearer error="invalid_token", ` + metadata,
	} {
		var headers []string
		if key != "" {
			headers = []string{"Authorization", "Bearer " + key}
		}
		a := w.asks("POST", "/auth/mcp", headers...)
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%q: %s", key, got)
		}
	}
	a := w.asks("GET", "/.well-known/oauth-protected-resource/mcp")
	var got latchkey.ProtectedResource
	if err := json.Unmarshal([]byte(a.text), &got); err != nil || a.status != 200 ||
		got.Resource != "https://mcp.example.com/mcp" || got.Name != "Documents" ||
		a.header.Get("Access-Control-Allow-Origin") != "*" || a.media() != "application/json" {
		t.Errorf("%d %v %s %v", a.status, a.header, a.text, err)
	}
	if a := w.asks("GET", "/.well-known/oauth-protected-resource/other"); a.status != 404 {
		t.Errorf("another: %d", a.status)
	}
}

func TestGatesAreChecked(t *testing.T) {
	var e *engine.Engine
	newWorld(t, func(c *Config) { e = c.Engine })
	many := map[string]latchkey.Gate{}
	for i := range 101 {
		many[fmt.Sprint("g", i)] = latchkey.Gate{API: "api_1"}
	}
	limit := func(l latchkey.VerifyKeyRatelimit) latchkey.Gate {
		return latchkey.Gate{API: "api_1", Ratelimits: []latchkey.VerifyKeyRatelimit{l}}
	}
	resource := func(r latchkey.ProtectedResource) latchkey.Gate {
		return latchkey.Gate{API: "api_1", Resource: &r}
	}
	for want, g := range map[string]latchkey.Gate{
		"api must be":                    {},
		"api must be the id":             {API: "*"},
		"header must be":                 {API: "api_1", Header: "X: Y"},
		"okStatus must be":               {API: "api_1", OKStatus: 201},
		"requestId must be":              {API: "api_1", RequestID: "a\r\nb"},
		"permission query can't be read": {API: "api_1", Permissions: "AND"},
		"cost":                           {API: "api_1", Cost: latchkey.Int(-1)},
		"name":                           limit(latchkey.VerifyKeyRatelimit{}),
		"at least 1000 milliseconds": limit(latchkey.VerifyKeyRatelimit{
			Name: "mail", Limit: latchkey.Int(1), Duration: latchkey.Set(latchkey.PerMilli(9)),
		}),
		"must be a URL such as": resource(latchkey.ProtectedResource{}),
		"begin with https":      resource(latchkey.ProtectedResource{Resource: "http://a.com/"}),
		"must be a URL":         resource(latchkey.ProtectedResource{Resource: "https://a/\"b"}),
		"resource_documentation:": resource(latchkey.ProtectedResource{
			Resource: "https://a", Documentation: "x",
		}),
		"authorization_servers:": resource(latchkey.ProtectedResource{
			Resource: "https://a", AuthorizationServers: []string{"https://b", "c"},
		}),
	} {
		err := CheckGates(e, map[string]latchkey.Gate{"docs": g})
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), `gate "docs": `) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	for name := range map[string]bool{"": true, "a/b": true, "A": true, "-": true, "a.b": true} {
		if err := CheckGates(e, map[string]latchkey.Gate{name: {API: "api_1"}}); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
	if err := CheckGates(e, many); err == nil {
		t.Error("101 gates are accepted")
	}
	if err := CheckGates(e, map[string]latchkey.Gate{"a": {
		API: "api_1", Header: "X-API-Key", Permissions: "a AND b", RequestID: "X-Id",
		Ratelimits: []latchkey.VerifyKeyRatelimit{{Name: "stored"}},
		Resource:   &latchkey.ProtectedResource{Resource: "http://127.0.0.1:80/mcp"},
	}}); err != nil {
		t.Error(err)
	}
}

func FuzzHeaderTextIsReversible(f *testing.F) {
	for _, seed := range []string{"", "user_1", "a,b%", "ü", "a\r\nLatchkey-Key-Id: x", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := headerText(s)
		if back, err := url.PathUnescape(text); err != nil || back != s {
			t.Errorf("%q becomes %q, and that %q, %v", s, text, back, err)
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ',' }) {
			t.Errorf("%q becomes %q", s, text)
		}
	})
}

func TestLongListsAreLeftOut(t *testing.T) {
	if got := headerList([]string{"a", "b c"}); got != "a,b%20c" {
		t.Error(got)
	}
	for _, long := range []string{strings.Repeat("x", 4097), strings.Repeat("ü", 1000)} {
		if got := headerList([]string{long}); got != "" {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// TestGateReadsNoBody: a proxy that passes the body of the request on can't take memory.
func TestGateReadsNoBody(t *testing.T) {
	w := openGates(t, map[string]latchkey.Gate{"docs": {}})
	reader, writer := io.Pipe()
	defer writer.Close()
	req := httptest.NewRequest("POST", "/auth/docs", reader)
	rec := httptest.NewRecorder()
	handler, _, _ := New(Config{Engine: w.engine, Gates: w.gates})
	handler.ServeHTTP(rec, req) // would block if it read
	if rec.Code != 401 {
		t.Errorf("%d", rec.Code)
	}
}
