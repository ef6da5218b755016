package server

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	loopback := newServer(Config{})
	cdn := newServer(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}})
	nobody := newServer(Config{TrustedProxies: []netip.Prefix{}})
	for _, c := range []struct {
		what      string
		s         *server
		peer      string
		forwarded []string
		want      string
	}{
		{"no proxy", loopback, "192.0.2.1:99", nil, "192.0.2.1"},
		{"a stranger's word", loopback, "192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy on this machine", loopback, "127.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"over IPv6", loopback, "[::1]:99", []string{"2001:db8::7"}, "2001:db8::7"},
		{"an IPv4 peer on an IPv6 socket", loopback, "[::ffff:127.0.0.1]:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"nobody is trusted", nobody, "127.0.0.1:99", []string{"198.51.100.7"}, "127.0.0.1"},
		{"loopback is not trusted when others are", cdn, "127.0.0.1:99", []string{"198.51.100.7"}, "127.0.0.1"},
		{"what the client made up comes before", cdn, "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"a chain of proxies", cdn, "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7 ,10.0.0.3,2001:db8::1"}, "198.51.100.7"},
		{"several headers are one list", cdn, "10.0.0.1:99", []string{"203.0.113.9", "198.51.100.7", "10.0.0.3"}, "198.51.100.7"},
		{"all are trusted", cdn, "10.0.0.1:99", []string{"10.0.0.2, 10.0.0.3"}, "10.0.0.2"},
		{"a trusted proxy without the header", cdn, "10.0.0.1:99", nil, "10.0.0.1"},
		{"what is no address ends the chain", cdn, "10.0.0.1:99", []string{"198.51.100.7, unknown, 10.0.0.3"}, "10.0.0.3"},
		{"empty", cdn, "10.0.0.1:99", []string{""}, "10.0.0.1"},
		{"with ports", cdn, "10.0.0.1:99", []string{"198.51.100.7:4711, [2001:db8::1]:443"}, "198.51.100.7"},
		{"mapped", cdn, "10.0.0.1:99", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"with a zone", cdn, "10.0.0.1:99", []string{"fe80::1%eth0"}, "fe80::1"},
		{"not a network connection", cdn, "@", []string{"198.51.100.7"}, ""},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		x := &exchange{server: c.s, r: r}
		same(t, c.what, x.remoteIP(), c.want)
	}
}

func TestEngineIsToldWhereARequestCameFrom(t *testing.T) {
	w := newWorld(t)
	w.ok("apiId", "apis.createApi", `{"name":"an api"}`, "X-Forwarded-For", "198.51.100.7", "User-Agent", "tester/1")
	a := w.call("auditLogs.listAuditLogs", `{"event":"api.create"}`)
	for _, want := range []string{`"remoteIp":"198.51.100.7"`, `"userAgent":"tester/1"`} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the audit log lacks %s: %s", want, a.text)
		}
	}
}
