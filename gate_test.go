package latchkey

import "testing"

func TestMetadataURLHasTheWellKnownPathBeforeThatOfTheResource(t *testing.T) {
	for resource, want := range map[string]string{
		"https://a.com":              "https://a.com/.well-known/oauth-protected-resource",
		"https://a.com/":             "https://a.com/.well-known/oauth-protected-resource",
		"https://a.com/mcp":          "https://a.com/.well-known/oauth-protected-resource/mcp",
		"https://a.com:8443/x/mcp/":  "https://a.com:8443/.well-known/oauth-protected-resource/x/mcp",
		"https://a.com/a%2fb?c=d":    "https://a.com/.well-known/oauth-protected-resource/a%2fb?c=d",
		"http://localhost:8080/mcp":  "http://localhost:8080/.well-known/oauth-protected-resource/mcp",
		"http://[::1]/mcp":           "http://[::1]/.well-known/oauth-protected-resource/mcp",
		"http://a.com/mcp":           "",
		"http://localhost.a.com/mcp": "",
		"//a.com/mcp":                "",
		"https://a.com/mcp#x":        "",
		"https://a.com/\r\nx":        "",
	} {
		r := ProtectedResource{Resource: resource}
		if got, err := r.MetadataURL(); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", resource, got, err)
		}
	}
}
