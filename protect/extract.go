package protect

import (
	"net/http"
	"strings"
)

// Extractor finds the key in a request, and says whether there is one. A request
// that brings several where one belongs brings none: who reads the first and who
// reads the last must not see different callers.
type Extractor func(r *http.Request) (key string, ok bool)

// Bearer is the [Extractor] of the header "Authorization: Bearer <key>". The case
// of the scheme doesn't matter; with another scheme there is no key.
func Bearer(r *http.Request) (key string, ok bool) {
	value, ok := only(r.Header.Values("Authorization"))
	if !ok {
		return "", false
	}
	return bearer(value)
}

// bearer reads credentials of RFC 6750, section 2.1, with any visible characters
// in the token, since keys may come from elsewhere.
func bearer(credentials string) (string, bool) {
	scheme, token, _ := strings.Cut(credentials, " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, invisible) {
		return "", false
	}
	return token, true
}

func invisible(c rune) bool { return c <= ' ' || c == 0x7f }

// Header returns the [Extractor] of a header that holds nothing but the key, for
// example X-API-Key.
func Header(name string) Extractor {
	return func(r *http.Request) (string, bool) { return only(r.Header.Values(name)) }
}

// Query returns the [Extractor] of a query parameter. It is for clients that
// can't set a header: addresses, and keys in them, end up in logs.
func Query(name string) Extractor {
	return func(r *http.Request) (string, bool) { return only(r.URL.Query()[name]) }
}

// Cookie returns the [Extractor] of a cookie. Browsers send cookies on their own,
// so routes that change something need a protection against forged requests too.
func Cookie(name string) Extractor {
	return func(r *http.Request) (string, bool) {
		var values []string
		for _, c := range r.CookiesNamed(name) {
			values = append(values, c.Value)
		}
		return only(values)
	}
}

// FirstOf returns an [Extractor] that takes the key that the first of these finds.
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

// only returns the one value that there must be.
func only(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
