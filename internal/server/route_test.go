package server

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestShortcutChangesNothing(t *testing.T) {
	s := api(Config{}).(*server)
	statuses := map[int]bool{}
	for _, path := range []string{
		"/v2/keys.verifyKey", "/v2/keys.verifyKey?x=1", "/v2/keys.verifyKey/",
		"/v2/Keys.verifyKey", "/v2/liveness", "/v2/", "/", "http://elsewhere/v2/keys.verifyKey",
	} {
		for _, method := range []string{"POST", "GET", "HEAD", "PUT", "OPTIONS"} {
			short, long := plainly(s, method, path), plainly(s.mux, method, path)
			same(t, method+" "+path, short.text, long.text)
			same(t, method+" "+path, short.status, long.status)
			statuses[short.status] = true
		}
	}
	for _, status := range []int{400, 404, 405} {
		if !statuses[status] {
			t.Errorf("nothing was answered with %d", status)
		}
	}
}

// TestPathsHaveOneSpelling: what a proxy compares with its list is what the service
// serves, and the metrics are at no path of the API.
func TestPathsHaveOneSpelling(t *testing.T) {
	s := api(Config{})
	for _, path := range []string{
		"/metrics", "/%6detrics", "//metrics", "/./metrics", "/v2/../metrics", "/v2/%2e%2e/metrics",
		"/metrics/", "/v2/keys%2EverifyKey", "/v2%2Fkeys.verifyKey", "/v2//keys.verifyKey",
		"/v2/./keys.verifyKey", "/v2/x/../keys.verifyKey", "//v2/keys.verifyKey", "/%72eference",
		"/health//ready", "/health/%6cive",
	} {
		for _, method := range []string{"GET", "POST"} {
			if a := plainly(s, method, path); a.status != 404 ||
				!strings.Contains(a.text, "route_not_found") {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
			}
		}
	}
}

// api returns the handler of the API alone.
func api(cfg Config) http.Handler {
	h, _, _ := New(cfg)
	return h
}

var anID = regexp.MustCompile(`req_[a-zA-Z0-9]{9}`)

// plainly sends a request without a root key, and takes the id from the answer.
func plainly(h http.Handler, method, path string) (a struct {
	status int
	text   string
}) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader("{}")))
	body := anID.ReplaceAllString(rec.Body.String(), "")
	a.status = rec.Code
	a.text = rec.Header().Get("Location") + rec.Header().Get("Allow") + body
	return a
}

func TestLongAnswersHaveALength(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("key", "keys.createKey",
		`{"apiId":"`+api+`","meta":{"text":"`+strings.Repeat("x", 5000)+`"}}`)
	for _, a := range []answer{
		w.call("keys.verifyKey", `{"key":"`+key+`"}`),
		w.call("keys.verifyKey", `{"key":"none"}`), w.send("GET", "/openapi.json", nil),
	} {
		if length := a.header.Get("Content-Length"); a.status != http.StatusOK || length == "" {
			t.Errorf("%d with length %q: %.100s", a.status, length, a.text)
		}
	}
}
