package check

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// pattern is a class of ASCII characters that a whole string must be made of,
// at least one of them. A table of bytes decides the same as its expression,
// at a fraction of the cost.
type pattern struct {
	regexp string    // as the API's description states it
	says   string    // as a message states it
	allows [256]bool // by byte; no byte of a character beyond ASCII is allowed
}

// patterns are the classes that a tag can name.
var patterns = map[string]*pattern{
	"id":         newPattern(`^[a-zA-Z0-9_]+$`, "_", "letters, digits and _"),
	"externalId": newPattern(`^[a-zA-Z0-9_.-]+$`, "_.-", "letters, digits and _ . -"),
	"slug":       newPattern(`^[a-zA-Z0-9_:\-\.\*]+$`, "_:-.*", "letters, digits and _ : - . *"),
	"resource":   newPattern(`^[a-zA-Z0-9_-]+$`, "_-", "letters, digits and _ -"),
}

// newPattern returns the class of the ASCII letters, the digits and more.
func newPattern(regexp, more, says string) *pattern {
	p := &pattern{regexp: regexp, says: says}
	for _, b := range []byte(alphanumeric + more) {
		p.allows[b] = true
	}
	return p
}

// match reports whether the whole of s is in the class. An empty s is not.
func (p *pattern) match(s string) bool {
	for i := range len(s) {
		if !p.allows[s[i]] {
			return false
		}
	}
	return s != ""
}
