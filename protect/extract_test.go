package protect

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

func TestExtractorsFindTheOneKey(t *testing.T) {
	either := FirstOf(Bearer, Header("X-API-Key"), Query("key"), Cookie("session"))
	for _, c := range []struct {
		name    string
		extract Extractor
		target  string
		header  http.Header
		want    string // empty for no key
	}{
		{"bearer", Bearer, "/", http.Header{"Authorization": {"Bearer k1"}}, "k1"},
		{"bearer in another case", Bearer, "/", http.Header{"Authorization": {"bEARER k1"}}, "k1"},
		{"bearer with more blanks", Bearer, "/", http.Header{"Authorization": {"Bearer   k1 "}}, "k1"},
		{"bearer of any visible characters", Bearer, "/",
			http.Header{"Authorization": {"Bearer ключ-\"=/+~"}}, "ключ-\"=/+~"},
		{"no header", Bearer, "/", nil, ""},
		{"empty header", Bearer, "/", http.Header{"Authorization": {""}}, ""},
		{"scheme only", Bearer, "/", http.Header{"Authorization": {"Bearer"}}, ""},
		{"blank token", Bearer, "/", http.Header{"Authorization": {"Bearer  "}}, ""},
		{"no scheme", Bearer, "/", http.Header{"Authorization": {"k1"}}, ""},
		{"other scheme", Bearer, "/", http.Header{"Authorization": {"Basic k1"}}, ""},
		{"longer scheme", Bearer, "/", http.Header{"Authorization": {"Bearers k1"}}, ""},
		{"scheme after a blank", Bearer, "/", http.Header{"Authorization": {" Bearer k1"}}, ""},
		{"two tokens", Bearer, "/", http.Header{"Authorization": {"Bearer k1 k2"}}, ""},
		{"two headers", Bearer, "/", http.Header{"Authorization": {"Bearer k1", "Bearer k2"}}, ""},
		{"a control character", Bearer, "/", http.Header{"Authorization": {"Bearer k\x001"}}, ""},
		{"named header", Header("x-api-key"), "/", http.Header{"X-Api-Key": {"k1"}}, "k1"},
		{"named header, empty", Header("X-API-Key"), "/", http.Header{"X-Api-Key": {""}}, ""},
		{"named header, twice", Header("X-API-Key"), "/", http.Header{"X-Api-Key": {"k1", "k2"}}, ""},
		{"query", Query("key"), "/?a=b&key=k%2B1", nil, "k+1"},
		{"query, twice", Query("key"), "/?key=k1&key=k2", nil, ""},
		{"query, empty", Query("key"), "/?key=", nil, ""},
		{"query, absent", Query("key"), "/?Key=k1", nil, ""},
		{"cookie", Cookie("session"), "/", http.Header{"Cookie": {"a=b; session=k1"}}, "k1"},
		{"cookie, twice", Cookie("session"), "/", http.Header{"Cookie": {"session=k1; session=k2"}}, ""},
		{"cookie, absent", Cookie("session"), "/", http.Header{"Cookie": {"a=b"}}, ""},
		{"first", either, "/?key=k3", http.Header{"Authorization": {"Bearer k1"}, "X-Api-Key": {"k2"}},
			"k1"},
		{"second, for the first has none", either, "/?key=k3",
			http.Header{"Authorization": {"Basic k1"}, "X-Api-Key": {"k2"}}, "k2"},
		{"last", either, "/", http.Header{"Cookie": {"session=k4"}}, "k4"},
		{"none of them", either, "/", nil, ""},
		{"none to ask", FirstOf(), "/", http.Header{"Authorization": {"Bearer k1"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.target, nil)
			if c.header != nil {
				r.Header = c.header
			}
			key, ok := c.extract(r)
			same(t, key, c.want)
			same(t, ok, c.want != "")
		})
	}
}

func TestExtractorThatFindsNothingIsBelieved(t *testing.T) {
	g := New(Config{
		Verifier: always(valid, nil),
		Extract:  func(*http.Request) (string, bool) { return "left over", false },
	})
	answer, _, reached := serve(g, request())
	same(t, answer.StatusCode, 401)
	same(t, reached, false)
}

// credentials is RFC 6750, section 2.1, with any visible characters as the token.
var credentials = regexp.MustCompile(`^(?i:bearer) +([^\x00-\x20\x7f]+) *$`)

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer x", "bearer  x ", "Basic x", "Bearer", "Bearer ", "Bearer x y", "Bearer\tx",
		"Bearer \xff", "Bearer x\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		want := ""
		if m := credentials.FindStringSubmatch(header); m != nil {
			want = m[1]
		}
		key, ok := bearer(header)
		if key != want || ok != (want != "") {
			t.Errorf("bearer(%q) = %q, %v; want %q", header, key, ok, want)
		}
	})
}
