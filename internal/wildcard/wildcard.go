// Package wildcard matches text against patterns in which a * matches any run of
// characters.
package wildcard

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether the pattern matches the whole text. A * in the pattern
// matches any run of characters, including newlines and the empty run; every
// other character matches itself. Matching is case-sensitive.
//
// Each literal between two stars is matched at its first occurrence. A later one
// would leave less text for the rest of the pattern, so there is no backtracking
// and the text is read once. Comparing bytes is enough: in UTF-8 no character
// begins inside another.
func Match(pattern, text string) bool {
	literal, pattern, star := strings.Cut(pattern, "*")
	if !star {
		return literal == text
	}
	text, found := strings.CutPrefix(text, literal)
	for found {
		literal, pattern, star = strings.Cut(pattern, "*")
		if !star {
			return strings.HasSuffix(text, literal)
		}
		_, text, found = strings.Cut(text, literal)
	}
	return false
}

// Literals returns the number of characters (code points) of the pattern that are
// not stars. Of two patterns that match a text, the one with more is more specific.
func Literals(pattern string) int {
	return utf8.RuneCountInString(pattern) - strings.Count(pattern, "*")
}
