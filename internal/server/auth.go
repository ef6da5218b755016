package server

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// bearer returns the token of an Authorization header, or "" if it has none. Unlike
// RFC 6750, the scheme must be in exactly these letters, as in Unkey's server.
func bearer(header string) string {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(token)
}

// showQuota sets the headers with the state of the workspace's request limit.
func (x *exchange) showQuota(quota *engine.Quota) {
	if quota == nil {
		return
	}
	h := x.w.Header()
	h.Set("RateLimit-Limit", strconv.FormatInt(quota.Limit, 10))
	h.Set("RateLimit-Remaining", strconv.FormatInt(quota.Remaining, 10))
	h.Set("RateLimit-Reset", seconds(quota.Reset))
}

// seconds formats a duration in whole seconds, rounded up, so that waiting for that long
// is enough.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// request returns what the engine needs to know of the request besides its body.
func (x *exchange) request() engine.Request {
	return engine.Request{
		RequestID:      x.id,
		RemoteIP:       x.remoteIP(),
		UserAgent:      x.header("User-Agent"),
		IdempotencyKey: x.single("Idempotency-Key"),
		Trace:          &x.trace,
		Unrecorded:     x.header("X-Unkey-Metrics") == "disabled",
		Lane:           rand.Uint32(),
	}
}

// header returns the first value of a header. The name must be in canonical form; unlike
// Header.Get, header does not convert it each time.
func (x *exchange) header(canonical string) string {
	if values := x.r.Header[canonical]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// single returns the value of a header that a request has once. If it comes with several
// values, x.ambiguous names it: a proxy that reads another one than this server must not
// see another caller.
func (x *exchange) single(canonical string) string {
	values := x.r.Header[canonical]
	if len(values) == 0 {
		return ""
	}
	for _, other := range values[1:] {
		if other != values[0] {
			x.ambiguous = canonical
		}
	}
	return values[0]
}

// remoteIP returns the address of the caller. A trusted proxy decides which address the
// request had before it, and so on, by the header X-Forwarded-For; from others the header
// means nothing. If a trusted proxy names no readable address, there is none: the caller
// must not get the address of the proxy.
func (x *exchange) remoteIP() string {
	peer, err := netip.ParseAddrPort(x.r.RemoteAddr)
	if err != nil {
		return "" // not a network connection
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !x.trusts(addr) {
		x.warnIgnored(addr)
		return addr.String()
	}
	hops := forwarded(x.r.Header)
	for i := len(hops) - 1; i >= 0 && x.trusts(addr); i-- {
		before, ok := parseHop(hops[i])
		if !ok {
			return ""
		}
		addr = before
	}
	return addr.String()
}

// warnIgnored logs, once per process, that a header X-Forwarded-For has no effect.
func (x *exchange) warnIgnored(peer netip.Addr) {
	if x.r.Header["X-Forwarded-For"] == nil || x.warned.Swap(true) {
		return
	}
	x.Log.Warn("a header X-Forwarded-For was ignored, because its sender is not a trusted proxy; "+
		"see --trusted-proxies (this is logged once)", "sender", peer)
}

// ForwardedAddress returns the nearest address of X-Forwarded-For headers in the form that
// the engine compares, or "" if it can't be read.
func ForwardedAddress(h http.Header) string {
	hops := forwarded(h)
	if len(hops) == 0 {
		return ""
	}
	addr, ok := parseHop(hops[len(hops)-1])
	if !ok {
		return ""
	}
	return addr.String()
}

// forwarded returns the entries of X-Forwarded-For, the nearest last.
func forwarded(h http.Header) []string {
	if h["X-Forwarded-For"] == nil {
		return nil
	}
	return strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
}

// parseHop parses an address, which some proxies send with a port or in brackets.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && err != nil && strings.HasSuffix(inner, "]") {
		addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	}
	return addr.Unmap().WithZone(""), err == nil
}

func (x *exchange) trusts(addr netip.Addr) bool {
	for _, prefix := range x.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
