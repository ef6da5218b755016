package protect

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// Metadata returns a handler that serves the metadata of a protected resource, of RFC 9728.
// Route the path of [latchkey.ProtectedResource.MetadataURL] to it, without a guard. Scripts
// of other origins can read it. It panics if a URL of the metadata is not valid.
//
//	mux.Handle("GET /.well-known/oauth-protected-resource/mcp", protect.Metadata(resource))
func Metadata(resource latchkey.ProtectedResource) http.Handler {
	mustMetadataURL(resource)
	document, err := json.Marshal(resource)
	if err != nil {
		panic(err) // strings always encode
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Write(document) // an error means that the caller has disconnected
	})
}

func mustMetadataURL(resource latchkey.ProtectedResource) string {
	url, err := resource.MetadataURL()
	if err != nil {
		panic("protect: " + err.Error())
	}
	return url
}

// announcement returns the parameter of WWW-Authenticate that names the metadata, or "".
func announcement(resource *latchkey.ProtectedResource) string {
	if resource == nil {
		return ""
	}
	return `resource_metadata="` + mustMetadataURL(*resource) + `"`
}

// challenge returns the value of WWW-Authenticate, of RFC 6750, section 3, and RFC 9728,
// section 5.1.
func (g *Guard) challenge(code latchkey.Code) string {
	var parameters []string
	if code != NoKey {
		parameters = append(parameters, `error="invalid_token"`)
	}
	if g.metadata != "" {
		parameters = append(parameters, g.metadata)
	}
	return strings.TrimSpace("Bearer " + strings.Join(parameters, ", "))
}
