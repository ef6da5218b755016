package server

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestDescriptionIsTheSameInYAML as in JSON.
func TestDescriptionIsTheSameInYAML(t *testing.T) {
	w := newWorld(t)
	a := w.send("GET", "/openapi.yaml", nil)
	same(t, "type", a.media(), "application/yaml")
	if strings.HasPrefix(a.text, "{") || !strings.Contains(a.text, "\n  /v2/keys.verifyKey:\n") {
		t.Errorf("not YAML in block style: %.100s", a.text)
	}
	asJSON := func(text string) string {
		doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := doc.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if asJSON(a.text) != asJSON(w.send("GET", "/openapi.json", nil).text) {
		t.Error("openapi.yaml and openapi.json differ")
	}
}

func TestYAMLOfJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":{"200":[],"no":{}},"b":["x: #\"",-1.50,null,true,[1],{"c":"\u2028<é"}]}`: `a:
  "200": []
  "no": {}
b:
  - "x: #\""
  - -1.50
  - null
  - true
  -
    - 1
  -
    c: "\u2028<é"
`,
	} {
		same(t, in, string(toYAML([]byte(in))), want)
	}
}

// TestBrowsersAreToldWhatResponsesAre: they don't guess types, and nobody stores
// responses, which can contain keys. Verifications and limits contain none.
func TestBrowsersAreToldWhatResponsesAre(t *testing.T) {
	w := newWorld(t)
	responses := map[string]answer{
		"createApi": w.call("apis.createApi", `{"name":"an api"}`),
		"400":       w.call("apis.createApi", `{}`),
		"404":       w.send("GET", "/nothing", nil), "405": w.send("GET", "/v2/apis.createApi", nil),
	}
	for _, path := range []string{
		"/openapi.json", "/openapi.yaml", "/llms.txt", "/reference", "/health/live", "/health/ready",
		"/metrics",
	} {
		responses[path] = w.send("GET", path, nil)
	}
	for what, a := range responses {
		same(t, what, a.header.Get("Cache-Control"), "no-store")
		same(t, what, a.header.Get("X-Content-Type-Options"), "nosniff")
	}
	a := w.call("keys.verifyKey", `{"key":"none"}`)
	same(t, "a verification",
		a.header.Get("Cache-Control")+a.header.Get("X-Content-Type-Options"), "")
}

// TestReferenceRunsOnlyItsOwnScript: its policy allows the one script and style by their
// hashes, and the page has nothing that would need more.
func TestReferenceRunsOnlyItsOwnScript(t *testing.T) {
	w := newWorld(t)
	page := w.send("GET", "/reference", nil)
	policy := page.header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'",
		"script-src 'sha256-", "style-src 'sha256-",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	for _, empty := range []string{hashOf(nil, "script"), "unsafe", "*"} {
		if strings.Contains(policy, empty) {
			t.Errorf("the policy has %s: %s", empty, policy)
		}
	}
	for _, element := range []string{"script", "style"} {
		same(t, element, strings.Count(page.text, "<"+element), 1)
		same(t, element, strings.Count(page.text, "<"+element+">"), 1)
	}
	needMore := regexp.MustCompile(
		`(?i)<[^>]* (style|on\w+|src)=|javascript:|eval\(|new Function|\.style\b|innerHTML|` +
			`setAttribute\("style"`,
	)
	if found := needMore.FindString(page.text); found != "" {
		t.Errorf("the page has %q, which its policy refuses", found)
	}
}
