package ui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/ui"
)

const sessionCookie = "latchkey_session"

// getRoutes are the patterns of all pages.
func getRoutes() (all []string) {
	for _, pattern := range ui.Routes() {
		if strings.HasPrefix(pattern, "GET ") {
			all = append(all, pattern)
		}
	}
	return all
}

// paths are the paths of all routes of a method, with ids of nothing in place of the
// parameters.
func paths(method string) (all []string) {
	for _, pattern := range ui.Routes() {
		of, path, _ := strings.Cut(pattern, " ")
		if of != method {
			continue
		}
		path = strings.TrimSuffix(path, "{$}")
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + "id_12345678" + after
		}
		all = append(all, path)
	}
	return all
}

// TestPagesAreForWhoIsSignedIn, whatever their paths, also with a made-up cookie.
func TestPagesAreForWhoIsSignedIn(t *testing.T) {
	w := open(t)
	for _, cookie := range []string{"", "nonsense", strings.Repeat("A", 43)} {
		b := w.browser()
		header := []string{"Cookie", sessionCookie + "=" + cookie}
		for _, path := range paths("GET") {
			if a := b.send("GET", path, nil, header...); a.leads() != "/sign-in" {
				t.Errorf("GET %s leads to %q with %d", path, a.leads(), a.status)
			}
		}
		for _, path := range paths("POST") {
			if a := b.send("POST", path, nil, header...); a.leads() != "/sign-in" {
				t.Errorf("POST %s leads to %q with %d", path, a.leads(), a.status)
			}
		}
	}
}

// TestSignInLeadsBack to the page that was asked for, and to no other site.
func TestSignInLeadsBack(t *testing.T) {
	w := open(t)
	for then, want := range map[string]string{
		"/apis?q=x": "/apis?q=x", "//evil.example": "/", "https://evil.example/": "/",
		"/\\evil.example": "/", "": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/",
	} {
		a := w.browser().post("/sign-in", "rootKey", w.RootKey, "then", then)
		if got := a.header.Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", then, got, want)
		}
	}
}

// TestCookiesHaveNoRootKey, scripts can't read them, and other sites can't send them in
// forms.
func TestCookiesHaveNoRootKey(t *testing.T) {
	w := open(t)
	b := w.browser()
	a := b.post("/sign-in", "rootKey", w.RootKey)
	set := a.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie lacks %s: %s", want, set)
		}
	}
	for _, path := range paths("GET") {
		if a := b.get(path); strings.Contains(a.text+fmt.Sprint(a.header), w.RootKey) {
			t.Errorf("GET %s has the root key", path)
		}
	}
}

// TestHTTPSHasACookieOfItsOwn, which only this host can set.
func TestHTTPSHasACookieOfItsOwn(t *testing.T) {
	w := open(t, trustLoopback(t))
	a := w.browser().send("POST", "/sign-in", url.Values{"rootKey": {w.RootKey}},
		"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https")
	set := a.header.Get("Set-Cookie")
	if !strings.HasPrefix(set, "__Host-latchkey_session=") || !strings.Contains(set, "; Secure") {
		t.Errorf("the cookie is %s", set)
	}
}

// TestRevokedRootKeysEndTheirSessions at once, and enabling the root key again brings none
// back.
func TestRevokedRootKeysEndTheirSessions(t *testing.T) {
	w := open(t)
	for name, revoke := range map[string]func(id string) error{
		"deleted": func(id string) error {
			return w.Client.RootKeys.Delete(t.Context(), latchkey.DeleteRootKeyRequest{RootKeyID: id})
		},
		"disabled, then enabled": func(id string) error {
			_, err := w.Client.RootKeys.Update(t.Context(), latchkey.UpdateRootKeyRequest{
				RootKeyID: id, Enabled: latchkey.Set(false),
			})
			return err
		},
	} {
		made := w.rootKey("api.*.read_api")
		b := w.signedIn(made.Key)
		stolen := b.cookie(sessionCookie).String()
		if a := b.get("/apis"); a.status != http.StatusOK {
			t.Fatalf("%s: before: %d", name, a.status)
		}
		if err := revoke(made.RootKeyID); err != nil {
			t.Fatal(err)
		}
		if a := b.get("/apis"); a.leads() != "/sign-in" {
			t.Errorf("%s: after: %d %s", name, a.status, a.leads())
		}
		_, err := w.Client.RootKeys.Update(t.Context(), latchkey.UpdateRootKeyRequest{
			RootKeyID: made.RootKeyID, Enabled: latchkey.Set(true),
		})
		if enabled := err == nil; enabled != (name != "deleted") {
			t.Errorf("%s: %v", name, err)
		}
		if a := w.browser().send("GET", "/apis", nil, "Cookie", stolen); a.leads() != "/sign-in" {
			t.Errorf("%s: the stolen cookie: %d %s", name, a.status, a.leads())
		}
	}
}

// TestSessionsEnd by signing out, by signing in again, and with time.
func TestSessionsEnd(t *testing.T) {
	w := open(t)
	for name, end := range map[string]func(*browser){
		"sign-out":      func(b *browser) { b.post("/sign-out") },
		"another":       func(b *browser) { b.post("/sign-in", "rootKey", w.RootKey) },
		"12 idle hours": func(*browser) { w.advance(12 * time.Hour) },
		"30 days of use": func(b *browser) {
			for range 30 * 4 {
				w.advance(6 * time.Hour)
				b.get("/more")
			}
		},
		"others": func(*browser) {
			for range ui.MaxSessions {
				w.advance(time.Second)
				w.signedIn(w.RootKey)
			}
		},
	} {
		b := w.signedIn(w.RootKey)
		cookie := b.cookie(sessionCookie).String()
		w.advance(11 * time.Hour)
		if a := b.get("/more"); a.status != http.StatusOK {
			t.Errorf("%s: before: %d", name, a.status)
		}
		end(b)
		if a := w.browser().send("GET", "/more", nil, "Cookie", cookie); a.leads() != "/sign-in" {
			t.Errorf("%s: after: %d", name, a.status)
		}
	}
}

// TestOtherSitesChangeNothing: every POST of another site is refused before anything else.
func TestOtherSitesChangeNothing(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	for _, path := range append(paths("POST"), "/sign-in", "/look") {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
			{"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		} {
			if a := b.send("POST", path, nil, header...); a.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d", path, header, a.status)
			}
		}
	}
	if a := b.get("/more"); a.status != http.StatusOK {
		t.Errorf("after that: %d", a.status)
	}
}

// TestSessionsHaveNoAuthorityOnTheAPI: a cookie is no root key.
func TestSessionsHaveNoAuthorityOnTheAPI(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	for op := range latchkey.Operations() {
		if op.Public || op.GET {
			continue
		}
		a := b.send("POST", "/v2/"+op.Name, nil, "Content-Type", "application/json")
		if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", op.Name, a.status, a.text)
		}
	}
	a := b.send("POST", "/v2/apis.listApis", nil)
	if a.status/100 != 4 || strings.Contains(a.text, "geocoding") {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// TestTriesAreLimited: after ten wrong root keys even the right one has to wait.
func TestTriesAreLimited(t *testing.T) {
	w := open(t)
	for range ui.TriesOfAddress {
		if a := w.browser().post("/sign-in", "rootKey", "latchkey_wrong"); a.status != 401 {
			t.Fatalf("a wrong root key: %d", a.status)
		}
	}
	if a := w.browser().post("/sign-in", "rootKey", w.RootKey); a.status != 429 {
		t.Errorf("after that: %d", a.status)
	}
	w.advance(time.Minute)
	w.signedIn(w.RootKey)
}

// TestLongFormsAreForWhoIsSignedIn: of others the dashboard reads little.
func TestLongFormsAreForWhoIsSignedIn(t *testing.T) {
	w := open(t)
	long := strings.Repeat("x", 100<<10)
	for _, path := range []string{"/sign-in", "/look"} {
		a := w.browser().post(path, "rootKey", long)
		if a.status != http.StatusBadRequest || !strings.Contains(a.text, "16 KB") {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	b := w.signedIn(w.RootKey)
	a := b.post("/apis/new", "name", long)
	if !strings.Contains(a.text, "Name") || strings.Contains(a.text, "could not be read") {
		t.Errorf("/apis/new: %d %s", a.status, a.text)
	}
	a = b.post("/apis/new", "name", strings.Repeat(long, 13))
	if a.status != http.StatusBadRequest || !strings.Contains(a.text, "could not be read") {
		t.Errorf("/apis/new: %d", a.status)
	}
}

// TestTheWelcomeLinkWorksOnce, and only at the first start.
func TestTheWelcomeLinkWorksOnce(t *testing.T) {
	w := open(t)
	b := w.browser()
	b.send("HEAD", w.Welcome, nil)
	if a := b.get("/welcome/ABCDEFGH"); a.status != http.StatusGone {
		t.Errorf("a made-up link: %d", a.status)
	}
	if a := b.get(w.Welcome); a.status != http.StatusSeeOther || b.get("/more").status != 200 {
		t.Errorf("the link: %d", a.status)
	}
	other := w.browser()
	if a := other.get(w.Welcome); a.status != http.StatusGone || other.get("/more").status == 200 {
		t.Errorf("again: %d", a.status)
	}
}

// TestReadOnlyChangesNothing: no operation that isn't a read comes through, even with the
// operator's root key.
func TestReadOnlyChangesNothing(t *testing.T) {
	w := open(t, func(cfg *embedded.Config) { cfg.UI = embedded.UIReadOnly })
	before, err := w.Client.AuditLogs.List(t.Context(), latchkey.ListAuditLogsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b := w.signedIn(w.RootKey)
	for _, path := range paths("POST") {
		b.post(path, "name", "changed", "q", "x")
	}
	after, err := w.Client.AuditLogs.List(t.Context(), latchkey.ListAuditLogsRequest{})
	if err != nil || len(after.Data) != len(before.Data) {
		t.Errorf("%d records, %v; before %d", len(after.Data), err, len(before.Data))
	}
}
