package server

import (
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// newCode creates a portal and a session in it, and returns the URL of the session.
func (w *world) newCode(headers ...string) *url.URL {
	w.t.Helper()
	api := w.ok("apiId", "apis.createApi", `{"name":"test"}`)
	keyspace := w.ok("keyspaceId", "apis.updateApi", asJSON(w.t, map[string]string{"apiId": api}))
	portal := w.ok("portalId", "portal.createPortal", asJSON(w.t, map[string]string{
		"slug": strings.ToLower(api[4:]) + "-portal", "displayName": "A", "keyspaceId": keyspace,
	}))
	text := w.ok("url", "portal.createSession", asJSON(w.t, map[string]any{
		"portal": portal, "externalId": "user", "scopes": []string{"keys:read"},
	}), headers...)
	u, err := url.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// TestTheCookieOfASessionIsProtected: scripts can't read the cookie, other sites can't send
// it, it needs HTTPS, and it ends with the session. It is the access token, and works.
func TestTheCookieOfASessionIsProtected(t *testing.T) {
	w := newWorld(t)
	a := w.call("portal.exchangeCode", asJSON(t, map[string]string{
		"code": w.newCode().Query().Get("code"),
	}), "Authorization", "")
	same(t, "status", a.status, 200)
	same(t, "Cache-Control", a.header.Get("Cache-Control"), "no-store")
	same(t, "Pragma", a.header.Get("Pragma"), "no-cache")
	set := a.header.Values("Set-Cookie")
	same(t, "cookies", len(set), 1)
	cookie, err := http.ParseSetCookie(set[0])
	if err != nil {
		t.Fatal(err)
	}
	token := a.body.Data["accessToken"].(string)
	same(t, "name", cookie.Name, "portal_session")
	same(t, "value", cookie.Value, token)
	same(t, "path", cookie.Path, "/")
	same(t, "domain", cookie.Domain, "")
	same(t, "HttpOnly", cookie.HttpOnly, true)
	same(t, "Secure", cookie.Secure, true)
	same(t, "SameSite", cookie.SameSite, http.SameSiteLaxMode)
	same(t, "expires", cookie.Expires.UTC(), start.Add(24*time.Hour).UTC())
	works := []string{"Authorization", "", "Cookie", "a=1; portal_session=" + token + "; b=2"}
	same(t, "with the cookie", w.call("portal.listKeys", "{}", works...).status, 200)
	log := w.log.String()
	if strings.Contains(log, token) || strings.Contains(log, "pst_") {
		t.Error("the log has a secret")
	}
	for _, other := range []string{
		"", "portal_session=", "portal_session=" + token + "; portal_session=x",
		"Portal_Session=" + token,
	} {
		a := w.call("portal.listKeys", "{}", "Authorization", "", "Cookie", other)
		same(t, "cookie "+other, a.status, 400)
	}
	same(t, "no other operation takes it",
		w.call("apis.listApis", "{}", works...).status, 400)
	failed := w.call("portal.exchangeCode", `{"code":"pst_x"}`, "Authorization", "")
	same(t, "cookies of an error", len(failed.header.Values("Set-Cookie")), 0)
}

// TestOtherSitesCanNotCallPortals: what a form or a simple request of another site can send is
// rejected, and no header permits another site more.
func TestOtherSitesCanNotCallPortals(t *testing.T) {
	w := newWorld(t)
	token := w.ok("accessToken", "portal.exchangeCode", asJSON(t, map[string]string{
		"code": w.newCode().Query().Get("code"),
	}))
	for _, simple := range []string{
		"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
	} {
		for _, op := range []string{"portal.listKeys", "portal.rerollKey", "portal.exchangeCode"} {
			a := w.call(op, `{"code":"pst_x"}`, "Authorization", "", "Content-Type", simple,
				"Cookie", "portal_session="+token, "Origin", "https://evil.example")
			same(t, op+" as "+simple, a.status, 400)
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s has the header %s", op, name)
				}
			}
		}
	}
	a := w.send("OPTIONS", "/v2/portal.listKeys", nil, "Origin", "https://evil.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	same(t, "preflight", a.status, 405)
}

// TestSessionURLsLeadToWhereTheRequestCame: to the host of the request, with HTTPS if it came
// by HTTPS or a trusted proxy says so.
func TestSessionURLsLeadToWhereTheRequestCame(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		w := newWorld(t, func(c *Config) {
			if trusted {
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})
		host := strings.TrimPrefix(w.url, "http://")
		u := w.newCode()
		same(t, "URL", u.Scheme+"://"+u.Host+u.Path, "http://"+host+"/portal")
		scheme := map[bool]string{false: "http", true: "https"}[trusted]
		same(t, "behind a proxy", w.newCode("X-Forwarded-Proto", "https").Scheme, scheme)
	}
}

// TestBodiesWithoutARootKeyAreShort: operations that need no root key read no long body.
func TestBodiesWithoutARootKeyAreShort(t *testing.T) {
	w := newWorld(t)
	body := `{"code":"` + strings.Repeat("x", 16<<10) + `"}`
	for _, op := range engine.Ops {
		if op.GET || !op.Public && op.Scope == "" {
			continue
		}
		same(t, op.Name, op.MaxBody(), 16<<10)
		for _, b := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
			a := w.send("POST", "/v2/"+op.Name, b, "Content-Type", "application/json",
				"Cookie", latchkey.PortalSessionCookie+"=pat_x")
			same(t, op.Name, a.status, 413)
		}
	}
}
