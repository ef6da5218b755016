package protect

import (
	"net/http"
	"strings"
)

// Extractor returns the key of a request, and whether there is one. A request with
// several keys where one is expected has none: otherwise a proxy that reads the
// first and a service that reads the last would see different callers.
type Extractor func(r *http.Request) (key string, ok bool)

// Bearer is the [Extractor] for the header "Authorization: Bearer <key>". The
// scheme is case-insensitive. With another scheme there is no key.
func Bearer(r *http.Request) (key string, ok bool) {
	value, ok := only(r.Header.Values("Authorization"))
	if !ok {
		return "", false
	}
	return bearer(value)
}

// bearer parses credentials of RFC 6750, section 2.1. The token can have any
// visible characters, because imported keys do.
func bearer(credentials string) (string, bool) {
	scheme, token, _ := strings.Cut(credentials, " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, invisible) {
		return "", false
	}
	return token, true
}

func invisible(c rune) bool { return c <= ' ' || c == 0x7f }

// Header returns the [Extractor] for a header whose value is the key, for example
// X-API-Key.
func Header(name string) Extractor {
	return func(r *http.Request) (string, bool) { return only(r.Header.Values(name)) }
}

// Query returns the [Extractor] for a query parameter. Use it only for clients
// that can't set a header, because URLs, and the keys in them, are logged.
func Query(name string) Extractor {
	return func(r *http.Request) (string, bool) { return only(r.URL.Query()[name]) }
}

// Cookie returns the [Extractor] for a cookie. Browsers send cookies by
// themselves, so routes that change something also need protection against
// cross-site request forgery, such as http.CrossOriginProtection.
func Cookie(name string) Extractor {
	return func(r *http.Request) (string, bool) {
		var values []string
		for _, c := range r.CookiesNamed(name) {
			values = append(values, c.Value)
		}
		return only(values)
	}
}

// FirstOf returns an [Extractor] that tries these in order and returns the first
// key found.
func FirstOf(extractors ...Extractor) Extractor {
	return func(r *http.Request) (string, bool) {
		for _, extract := range extractors {
			if key, ok := extract(r); ok {
				return key, true
			}
		}
		return "", false
	}
}

// only returns the value of a list that has exactly one.
func only(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
