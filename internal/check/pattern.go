package check

const (
	lowerAlphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"
	alphanumeric      = lowerAlphanumeric + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// Pattern is a class of ASCII characters. A string matches if it is not empty and
// all of its characters are in the class. A table of bytes decides the same as
// the regular expression, at a fraction of the cost.
type Pattern struct {
	Regexp string    // the class in the API's description
	Says   string    // the class in error messages
	allows [256]bool // by byte; no byte of a character outside ASCII is allowed
}

// Patterns are the classes by the names that tags use.
var Patterns = map[string]*Pattern{
	"id":         newPattern(`^[a-zA-Z0-9_]+$`, alphanumeric+"_", "letters, digits and _"),
	"externalId": newPattern(`^[a-zA-Z0-9_.-]+$`, alphanumeric+"_.-", "letters, digits and _ . -"),
	"slug": newPattern(`^[a-zA-Z0-9_:\-\.\*]+$`, alphanumeric+"_:-.*",
		"letters, digits and _ : - . *"),
	"resource": newPattern(`^[a-zA-Z0-9_-]+$`, alphanumeric+"_-", "letters, digits and _ -"),
	"label":    newPattern(`^[a-z0-9-]+$`, lowerAlphanumeric+"-", "lower-case letters, digits and -"),
}

// newPattern returns the class of these characters.
func newPattern(regexp, characters, says string) *Pattern {
	p := &Pattern{Regexp: regexp, Says: says}
	for _, b := range []byte(characters) {
		p.allows[b] = true
	}
	return p
}

// Match reports whether s is not empty and all of its characters are in the class.
func (p *Pattern) Match(s string) bool {
	for i := range len(s) {
		if !p.allows[s[i]] {
			return false
		}
	}
	return s != ""
}
