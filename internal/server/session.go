package server

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// session returns the access token of the request's portal session, or "" if it has none. A
// request with several different ones is ambiguous: another site below the same domain could
// have set one of them.
func (x *exchange) session() string {
	cookies := x.r.CookiesNamed(latchkey.PortalSessionCookie)
	if len(cookies) == 0 {
		return ""
	}
	for _, other := range cookies[1:] {
		if other.Value != cookies[0].Value {
			x.ambiguous = "Cookie"
		}
	}
	return cookies[0].Value
}

// setSession sets the cookie of a new portal session. Scripts can't read it, other sites
// can't send it with their requests, and it never crosses the network unencrypted.
func (x *exchange) setSession(access latchkey.PortalAccess) {
	http.SetCookie(x.w, &http.Cookie{
		Name: latchkey.PortalSessionCookie, Value: access.AccessToken, Path: "/",
		Expires: time.UnixMilli(access.ExpiresAt.UnixMilli()),
		Secure:  true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// origin returns the scheme and the host by which the caller reached the service. A trusted
// proxy in front can say that it was HTTPS.
func (x *exchange) origin() string {
	if x.isHTTPS() {
		return "https://" + x.r.Host
	}
	return "http://" + x.r.Host
}

// isHTTPS reports whether the caller uses https, by this connection or by what a trusted
// proxy says.
func (x *exchange) isHTTPS() bool {
	if x.r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(x.r.RemoteAddr)
	return x.header("X-Forwarded-Proto") == "https" && err == nil &&
		x.trusts(peer.Addr().Unmap().WithZone(""))
}
