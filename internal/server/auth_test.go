package server

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	loopback := newServer(Config{TrustedProxies: loopback})
	cdn := newServer(Config{
		TrustedProxies: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"),
		},
	})
	nobody := newServer(Config{})
	for _, c := range []struct {
		what      string
		s         *server
		peer      string
		forwarded []string
		want      string
	}{
		{"no proxy", loopback, "192.0.2.1:99", nil, "192.0.2.1"},
		{"a stranger's word", loopback, "192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy on this machine", loopback, "127.0.0.1:99", []string{"198.51.100.7"},
			"198.51.100.7"},
		{"over IPv6", loopback, "[::1]:99", []string{"2001:db8::7"}, "2001:db8::7"},
		{"an IPv4 peer on an IPv6 socket", loopback, "[::ffff:127.0.0.1]:99",
			[]string{"198.51.100.7"}, "198.51.100.7"},
		{"nobody is trusted by default", nobody, "127.0.0.1:99", []string{"198.51.100.7"},
			"127.0.0.1"},
		{"loopback is not trusted when others are", cdn, "127.0.0.1:99",
			[]string{"198.51.100.7"}, "127.0.0.1"},
		{"what the client made up comes before", cdn, "10.0.0.1:99",
			[]string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"a chain of proxies", cdn, "10.0.0.1:99",
			[]string{"203.0.113.9, 198.51.100.7 ,10.0.0.3,2001:db8::1"}, "198.51.100.7"},
		{"several headers are one list", cdn, "10.0.0.1:99",
			[]string{"203.0.113.9", "198.51.100.7", "10.0.0.3"}, "198.51.100.7"},
		{"all are trusted", cdn, "10.0.0.1:99", []string{"10.0.0.2, 10.0.0.3"}, "10.0.0.2"},
		{"a trusted proxy without the header", cdn, "10.0.0.1:99", nil, "10.0.0.1"},
		{"what is no address hides the caller", cdn, "10.0.0.1:99",
			[]string{"198.51.100.7, unknown, 10.0.0.3"}, ""},
		{"unknown", cdn, "10.0.0.1:99", []string{"unknown"}, ""},
		{"obfuscated", cdn, "10.0.0.1:99", []string{"_hidden"}, ""},
		{"a name", cdn, "10.0.0.1:99", []string{"localhost"}, ""},
		{"quoted", cdn, "10.0.0.1:99", []string{`"10.0.0.2"`}, ""},
		{"a network", cdn, "10.0.0.1:99", []string{"10.0.0.0/8"}, ""},
		{"empty", cdn, "10.0.0.1:99", []string{""}, ""},
		{"what is no address before a stranger", cdn, "10.0.0.1:99",
			[]string{"unknown, 198.51.100.7"}, "198.51.100.7"},
		{"in brackets", cdn, "10.0.0.1:99", []string{"198.51.100.7, [2001:db8::9]"},
			"198.51.100.7"},
		{"an IPv6 caller in brackets", cdn, "10.0.0.1:99", []string{"[2001:db9::9]"},
			"2001:db9::9"},
		{"half a bracket", cdn, "10.0.0.1:99", []string{"[2001:db9::9"}, ""},
		{"with ports", cdn, "10.0.0.1:99", []string{"198.51.100.7:4711, [2001:db8::1]:443"},
			"198.51.100.7"},
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

// loopback is the networks of this machine.
var loopback = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
}

func TestEngineIsToldWhereARequestCameFrom(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TrustedProxies = loopback })
	w.ok("apiId", "apis.createApi", `{"name":"an api"}`, "X-Forwarded-For", "198.51.100.7",
		"User-Agent", "tester/1")
	a := w.call("auditLogs.listAuditLogs", `{"event":"api.create"}`)
	for _, want := range []string{`"remoteIp":"198.51.100.7"`, `"userAgent":"tester/1"`} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the audit log lacks %s: %s", want, a.text)
		}
	}
}

// TestIgnoredForwardedHeaderIsLoggedOnce, so that whoever sets up a proxy learns of
// --trusted-proxies, and nobody can fill the log.
func TestIgnoredForwardedHeaderIsLoggedOnce(t *testing.T) {
	w := newWorld(t)
	const line = "X-Forwarded-For was ignored"
	w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	same(t, "without the header", strings.Count(w.log.String(), line), 0)
	for range 3 {
		w.ok("apiId", "apis.createApi", `{"name":"an api"}`, "X-Forwarded-For", "198.51.100.7")
	}
	same(t, "with it", strings.Count(w.log.String(), line), 1)
}

// TestHeadersWithSeveralMeaningsAreRefused: a proxy in front must not see another root
// key, content type or idempotency key than the service.
func TestHeadersWithSeveralMeaningsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		header string
		values []string
		status int
	}{
		{"Authorization", []string{"Bearer " + w.root, "Bearer nonsense"}, 400},
		{"Authorization", []string{"Bearer nonsense", "Bearer " + w.root}, 400},
		{"Authorization", []string{"Bearer " + w.root, ""}, 400},
		{"Authorization", []string{"Bearer " + w.root, "Bearer " + w.root}, 200},
		{"Content-Type", []string{"application/json", "text/plain"}, 400},
		{"Content-Type", []string{"application/json", "application/json"}, 200},
		{"Idempotency-Key", []string{"a", "b"}, 400},
		{"Idempotency-Key", []string{"a", "a"}, 200},
	} {
		for _, size := range []int{20, openBody + 1} { // before and after the body is read
			r := httptest.NewRequest("POST", "/v2/apis.createApi", strings.NewReader(padded(size)))
			r.Header.Set("Authorization", "Bearer "+w.root)
			r.Header.Set("Content-Type", "application/json")
			r.Header[c.header] = c.values
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			a := read(t, rec.Result())
			if a.status != c.status || c.status == 400 && a.location() != c.header {
				t.Errorf("%s %q: %d %s", c.header, c.values, a.status, a.text)
			}
		}
	}
	r := httptest.NewRequest("GET", "/v2/liveness", nil)
	r.Header["Authorization"] = []string{"a", "b"}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	same(t, "a public operation", rec.Code, 200)
}
