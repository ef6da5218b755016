package latchkey

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Gate configures a gate of the service: the path /auth/NAME, at which a proxy asks of each
// request whether it can pass. Only API is required. See docs/gate.md.
type Gate struct {
	// API is the id of the API whose keys pass. For the gate, no other keys exist.
	API string `json:"api"`
	// Header is the name of the header whose value is the key, such as X-API-Key. By default
	// it is Authorization, with the scheme Bearer.
	Header string `json:"header,omitempty"`
	// Permissions is a query that the key must satisfy; none by default.
	Permissions PermissionQuery `json:"permissions,omitempty"`
	// Cost is what a request spends of the credits of a key that has a balance; 1 by default.
	Cost Opt[int64] `json:"cost,omitzero"`
	// Ratelimits are limits to check in addition to those that apply to the key automatically.
	Ratelimits []VerifyKeyRatelimit `json:"ratelimits,omitempty"`
	// OKStatus is the status of a request that can pass: 204, the default, or 200, the only one
	// that Envoy knows.
	OKStatus int `json:"okStatus,omitempty"`
	// Fold responds with 403 in place of 402 and 429, for proxies that know only 401 and 403.
	// The header Latchkey-Status has the status in any case.
	Fold bool `json:"fold,omitempty"`
	// RequestID is the name of a header in which the proxy sends a random id for each of its
	// requests. A request is charged once, even if the proxy asks about it several times. The
	// proxy must replace a header that the client sent. By default every question is charged.
	RequestID string `json:"requestId,omitempty"`
	// Resource is announced in responses with status 401, and served below
	// /.well-known/oauth-protected-resource/. By default there is none.
	Resource *ProtectedResource `json:"resource,omitempty"`
}

// ProtectedResource is the metadata of RFC 9728: where clients of a service get access. MCP
// clients look for it. Only Resource is required.
type ProtectedResource struct {
	// Resource is the URL of the protected service, such as https://mcp.example.com/mcp.
	Resource string `json:"resource"`
	// AuthorizationServers are the issuers of OAuth tokens that the service accepts; none by
	// default. API keys need none.
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	// Scopes are the OAuth scopes of the service.
	Scopes []string `json:"scopes_supported,omitempty"`
	// Name is the name of the service, for people.
	Name string `json:"resource_name,omitempty"`
	// Documentation is the URL of a page that says how to get a key.
	Documentation string `json:"resource_documentation,omitempty"`
}

// wellKnown is the path at which RFC 9728 puts the metadata.
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataURL returns the URL at which clients expect the metadata: that of the resource with
// /.well-known/oauth-protected-resource before its path. It returns an error if a URL of the
// metadata is not absolute, or is not https, except on this machine.
func (r *ProtectedResource) MetadataURL() (string, error) {
	at, err := webURL(r.Resource)
	if err != nil {
		return "", fmt.Errorf("resource: %w", err)
	}
	for _, server := range r.AuthorizationServers {
		if _, err := webURL(server); err != nil {
			return "", fmt.Errorf("authorization_servers: %w", err)
		}
	}
	if r.Documentation != "" {
		if _, err := webURL(r.Documentation); err != nil {
			return "", fmt.Errorf("resource_documentation: %w", err)
		}
	}
	text := at.Scheme + "://" + at.Host + wellKnown + strings.TrimSuffix(at.EscapedPath(), "/")
	if at.RawQuery != "" {
		text += "?" + at.RawQuery
	}
	return text, nil
}

// webURL parses a URL that can be in a header and in a document.
func webURL(text string) (*url.URL, error) {
	const longest = 2048
	if len(text) > longest {
		return nil, errors.New("the URL is longer than 2048 bytes")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(text, "\"\\ #"):
		return nil, fmt.Errorf("%q must be a URL such as https://mcp.example.com/mcp", text)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLocal(u.Hostname())):
		return nil, fmt.Errorf("%q must begin with https://", text)
	}
	return u, nil
}

// isLocal reports whether a host name is that of the machine itself.
func isLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
