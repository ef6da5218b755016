package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

func TestErrorTypeIsWhatClientsRecognise(t *testing.T) {
	w := newWorld(t)
	workspace := w.ok("workspaceId", "workspaces.createWorkspace",
		`{"name":"shut","requestsPerMinute":0}`)
	shut, none := "Bearer "+w.rootKey(workspace), "Bearer "+w.rootKey("")
	const plain, problem = "application/json", "application/problem+json"
	cases := []struct {
		what, op, body, auth string
		status               int
		sdk, browser         string // the type for Accept: application/json, and for */*
	}{
		{"success", "apis.createApi", `{"name":"an api"}`, "Bearer " + w.root, 200, plain, plain},
		{"bad fields", "apis.createApi", `{}`, "Bearer " + w.root, 400, plain, plain},
		{"no root key", "apis.createApi", `{}`, "", 400, plain, plain},
		{"malformed header", "apis.createApi", `{"name":"an api"}`, "Basic x", 400, plain, problem},
		{"unknown root key", "apis.createApi", `{"name":"an api"}`, "Bearer x", 401, plain,
			problem},
		{"forbidden", "apis.createApi", `{"name":"an api"}`, none, 403, plain, problem},
		{"not found", "apis.getApi", `{"apiId":"api_unknown1"}`, "Bearer " + w.root, 404, plain,
			problem},
		{"no such route", "apis.nothing", `{}`, "Bearer " + w.root, 404, plain, problem},
		{"quota", "apis.createApi", `{"name":"an api"}`, shut, 429, problem, problem},
		{"updateRole: quota", "permissions.updateRole", `{"role":"x"}`, shut, 429, plain, problem},
		{
			"deleteIdentity: bad fields", "identities.deleteIdentity", `{}`, "Bearer " + w.root,
			400, problem, problem,
		},
		{
			"deleteIdentity: no root key", "identities.deleteIdentity", `{}`, "", 400, problem,
			problem,
		},
		{
			"deleteIdentity: unknown root key", "identities.deleteIdentity", `{"identity":"x"}`,
			"Bearer x", 401, problem, problem,
		},
		{
			"deleteIdentity: forbidden", "identities.deleteIdentity", `{"identity":"x"}`, none, 403,
			problem, problem,
		},
		{
			"deleteIdentity: not found", "identities.deleteIdentity", `{"identity":"x"}`,
			"Bearer " + w.root, 404, problem, problem,
		},
		{
			"deleteIdentity: quota", "identities.deleteIdentity", `{"identity":"x"}`, shut, 429,
			problem, problem,
		},
	}
	for _, c := range cases {
		for accept, want := range map[string]string{
			"application/json": c.sdk, "": c.sdk, "text/html, application/xml;q=0.9": c.sdk,
			"*/*": c.browser, "application/*;q=0.1": c.browser,
			"text/html, application/problem+json": c.browser,
		} {
			a := w.call(c.op, c.body, "Authorization", c.auth, "Accept", accept)
			same(t, c.what+": status", a.status, c.status)
			same(t, c.what+": type for Accept "+accept, a.media(), want)
		}
	}
}

// The official TypeScript SDK refuses a 400 without a list of errors, and other
// errors must not have one.
func TestOnlyErrorsOfTheRequestListFaults(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		a    answer
		want bool
	}{
		{w.call("apis.createApi", `{}`), true},
		{w.call("apis.createApi", `{"name":"an api"}`, "Authorization", "Basic x"), true},
		{
			w.call("apis.createApi", `{"name":"an api"}`, "Idempotency-Key",
				strings.Repeat("k", 256)),
			true,
		},
		{w.call("apis.createApi", `{"name":"an api"}`, "Authorization", "Bearer x"), false},
		{w.call("apis.createApi", `{"name":"an api"}`, "Authorization", "Bearer "+w.rootKey("")),
			false},
		{w.call("apis.getApi", `{"apiId":"api_unknown1"}`), false},
		{w.call("apis.nothing", `{}`), false},
		{w.send("GET", "/v2/apis.getApi", nil), false},
	} {
		if has := c.a.has("errors"); has != c.want || strings.Contains(c.a.text, "null") {
			t.Errorf("errors there: %v, want %v, in %d %s", has, c.want, c.a.status, c.a.text)
		}
		e := c.a.body.Error
		if e == nil || e.Title == "" || e.Detail == "" || e.Status != c.a.status ||
			!strings.HasPrefix(e.Type, "https://unkey.com/docs/errors/") {
			t.Errorf("not the error envelope: %s", c.a.text)
		}
	}
}

func TestWrongPathsAndMethodsAnswerInTheEnvelope(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"POST", "/v2/keys.nothing", 404, "route_not_found", ""},
		{"POST", "/v2/apis.createApi/", 404, "route_not_found", ""},
		{"POST", "/v2/Apis.createApi", 404, "route_not_found", ""},
		{"POST", "/v3/keys.verifyKey", 404, "route_not_found", ""},
		{"GET", "/", 404, "route_not_found", ""},
		{"GET", "/v2/apis.createApi", 405, "method_not_allowed", "POST"},
		{"OPTIONS", "/v2/apis.createApi", 405, "method_not_allowed", "POST"},
		{"POST", "/v2/liveness", 405, "method_not_allowed", "GET, HEAD"},
		{"DELETE", "/health/live", 405, "method_not_allowed", "GET, HEAD"},
	} {
		a := w.send(c.method, c.path, nil)
		same(t, c.method+" "+c.path, a.status, c.status)
		same(t, "code", a.code(), c.code)
		same(t, "Allow", a.header.Get("Allow"), c.allow)
		same(t, "type", a.media(), "application/json")
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engine = nil })
	a := w.call("apis.createApi", `{"name":"sesame"}`, "Authorization", "Bearer sesame")
	same(t, "status", a.status, http.StatusInternalServerError)
	same(t, "code", a.code(), "unexpected_error")
	same(t, "has errors", a.has("errors"), false)
	log := w.log.String()
	for _, want := range []string{
		"level=ERROR", "request=" + a.body.Meta.RequestID, "nil pointer", "v2.go",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
	if strings.Contains(log, "sesame") || strings.Contains(a.text, "nil pointer") {
		t.Errorf("header or body in the log, or the cause in the answer: %s %s", log, a.text)
	}
	same(t, "the next request", w.send("GET", "/health/live", nil).status, http.StatusOK)
}

// record runs one exchange without an engine.
func record(t *testing.T, log *syncBuffer, do func(*exchange)) answer {
	t.Helper()
	s := newServer(Config{Log: slog.New(slog.NewTextHandler(log, nil))})
	rec := httptest.NewRecorder()
	s.handler(do)(rec, httptest.NewRequest("GET", "/", nil))
	return read(t, rec.Result())
}

func TestAnswerThatCannotBeWrittenIsAFailure(t *testing.T) {
	log := new(syncBuffer)
	a := record(t, log, func(x *exchange) { x.succeed(engine.Response{Data: func() {}}) })
	same(t, "status", a.status, http.StatusInternalServerError)
	same(t, "code", a.code(), "unexpected_error")
	if !strings.Contains(log.String(), "unsupported type") {
		t.Errorf("the log lacks the cause: %s", log)
	}
}

func TestUnknownErrorsStayInTheLog(t *testing.T) {
	log := new(syncBuffer)
	a := record(t, log, func(x *exchange) { x.fail(errors.New("sesame")) })
	if a.status != http.StatusInternalServerError || strings.Contains(a.text, "sesame") ||
		!strings.Contains(log.String(), "sesame") {
		t.Errorf("answered %d %s, logged %s", a.status, a.text, log)
	}
}

func TestLogHoldsNoSecrets(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"open sesame"}`)
	key := w.ok("key", "keys.createKey", `{"apiId":"`+api+`","prefix":"sesame"}`)
	w.ok("code", "keys.verifyKey", `{"key":"`+key+`"}`)
	w.call("keys.verifyKey", `{"key":"sesame","nokey":"sesame"}`, "X-Sesame", "sesame",
		"User-Agent", "sesame")
	w.call("keys.verifyKey", `{"key":"sesame"}`, "Authorization", "Bearer sesame")
	log := w.log.String()
	if lines := strings.Count(log, "msg=answered"); lines != 5 {
		t.Errorf("%d lines for 5 requests: %s", lines, log)
	}
	for _, secret := range []string{"sesame", key, w.root} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q: %s", secret, log)
		}
	}
}

func TestNamesOfAllKindsAreAnswered(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	for _, name := range []string{
		"plain", `"quoted"`, "Schlüssel", "a\nb", strings.Repeat("long ", 50),
	} {
		key := w.ok("key", "keys.createKey",
			asJSON(t, map[string]string{"apiId": api, "name": name}))
		same(t, "name", w.ok("name", "keys.verifyKey", `{"key":"`+key+`"}`), name)
	}
}
