//go:build !noui

package embedded

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// TestTheServiceKeepsNoRootKeyOfTheDashboard: only the client of the program has its root key in
// memory.
func TestTheServiceKeepsNoRootKeyOfTheDashboard(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	t.Cleanup(func() { closed(t, s) })
	form := url.Values{"rootKey": {s.RootKey}}.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://localhost/sign-in", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	rec := httptest.NewRecorder()
	s.Handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("signing in: %d", rec.Code)
	}
	if !reflect.DeepEqual(&s.callers, new(engine.CallerCache)) {
		t.Error("the root key is kept")
	}
}
