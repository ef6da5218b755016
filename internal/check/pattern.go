package check

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Pattern is a class of ASCII characters that a whole string must be made of,
// at least one of them. A table of bytes decides the same as its expression,
// at a fraction of the cost.
type Pattern struct {
	Regexp string    // as the API's description states it
	Says   string    // as a message states it
	allows [256]bool // by byte; no byte of a character beyond ASCII is allowed
}

// Patterns are the classes that a tag can name.
var Patterns = map[string]*Pattern{
	"id":         newPattern(`^[a-zA-Z0-9_]+$`, "_", "letters, digits and _"),
	"externalId": newPattern(`^[a-zA-Z0-9_.-]+$`, "_.-", "letters, digits and _ . -"),
	"slug":       newPattern(`^[a-zA-Z0-9_:\-\.\*]+$`, "_:-.*", "letters, digits and _ : - . *"),
	"resource":   newPattern(`^[a-zA-Z0-9_-]+$`, "_-", "letters, digits and _ -"),
}

// newPattern returns the class of the ASCII letters, the digits and more.
func newPattern(regexp, more, says string) *Pattern {
	p := &Pattern{Regexp: regexp, Says: says}
	for _, b := range []byte(alphanumeric + more) {
		p.allows[b] = true
	}
	return p
}

// Match reports whether the whole of s is in the class. An empty s is not.
func (p *Pattern) Match(s string) bool {
	for i := range len(s) {
		if !p.allows[s[i]] {
			return false
		}
	}
	return s != ""
}
