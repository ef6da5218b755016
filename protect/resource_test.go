package protect

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

var mcp = latchkey.ProtectedResource{
	Resource:      "https://mcp.example.com/mcp",
	Name:          "Documents",
	Documentation: "https://example.com/keys",
}

func TestResourceIsAnnounced(t *testing.T) {
	g := New(Config{
		Verifier: always(latchkey.Verification{Code: latchkey.NotFound}, nil), Resource: &mcp,
	})
	const metadata = `resource_metadata="https://mcp.example.com` +
		`/.well-known/oauth-protected-resource/mcp"`
	answer, _, _ := serve(g.Cost(2), request())
	same(t, answer.Header.Get("WWW-Authenticate"), `Bearer error="invalid_token", `+metadata)
	answer, _, _ = serve(g, httptest.NewRequest("POST", "/mcp", nil))
	same(t, answer.Header.Get("WWW-Authenticate"), "Bearer "+metadata)
}

func TestMetadataIsThatOfTheResource(t *testing.T) {
	rec := httptest.NewRecorder()
	Metadata(mcp).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	var got map[string]string
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	same(t, got, map[string]string{
		"resource": "https://mcp.example.com/mcp", "resource_name": "Documents",
		"resource_documentation": "https://example.com/keys",
	})
	same(t, rec.Header(), http.Header{
		"Content-Type": {"application/json"}, "Access-Control-Allow-Origin": {"*"},
	})
}

func TestInvalidResourcesPanic(t *testing.T) {
	for _, url := range []string{"", "mcp", "http://mcp.example.com", "https://a\"", "https://u@a"} {
		bad := latchkey.ProtectedResource{Resource: url}
		for name, start := range map[string]func(){
			"New":      func() { New(Config{Verifier: always(valid, nil), Resource: &bad}) },
			"Metadata": func() { Metadata(bad) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s accepts %q", name, url)
					}
				}()
				start()
			}()
		}
	}
}
