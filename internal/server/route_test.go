package server

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestShortcutChangesNothing(t *testing.T) {
	s := New(Config{}).(*server)
	statuses := map[int]bool{}
	for _, path := range []string{
		"/v2/keys.verifyKey", "/v2/keys.verifyKey?x=1", "/v2/keys%2EverifyKey", "/v2%2Fkeys.verifyKey", "/v2//keys.verifyKey", "/v2/./keys.verifyKey",
		"/v2/x/../keys.verifyKey", "/v2/keys.verifyKey/", "/v2/Keys.verifyKey", "/v2/liveness", "/v2/", "/", "http://elsewhere/v2/keys.verifyKey",
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

var anID = regexp.MustCompile(`req_[a-zA-Z0-9]{9}`)

// plainly sends a request without a root key, and takes the id from the answer.
func plainly(h http.Handler, method, path string) (a struct {
	status int
	text   string
}) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader("{}")))
	a.status, a.text = rec.Code, rec.Header().Get("Location")+rec.Header().Get("Allow")+anID.ReplaceAllString(rec.Body.String(), "")
	return a
}

func TestLongAnswersHaveALength(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("key", "keys.createKey", `{"apiId":"`+api+`","meta":{"text":"`+strings.Repeat("x", 5000)+`"}}`)
	for _, a := range []answer{
		w.call("keys.verifyKey", `{"key":"`+key+`"}`), w.call("keys.verifyKey", `{"key":"none"}`), w.send("GET", "/openapi.json", nil),
	} {
		if length := a.header.Get("Content-Length"); a.status != http.StatusOK || length == "" {
			t.Errorf("%d with length %q: %.100s", a.status, length, a.text)
		}
	}
}
