// Package wildcard matches text against patterns in which a star stands for
// any run of characters.
package wildcard

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether the whole text fits the pattern. A * in the pattern
// stands for any run of characters, empty and with newlines too; every other
// character stands for itself, and case counts.
//
// Each literal between two stars is taken where it first occurs. That is never
// worse than a later place, because it leaves more text to what follows, so no
// choice is ever taken back and the text is read once. Comparing bytes is
// enough: in UTF-8 no character begins inside another.
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

// Literals returns how many characters (code points) of the pattern are not
// stars. Of two patterns that match a text, the one with more is more specific.
func Literals(pattern string) int {
	return utf8.RuneCountInString(pattern) - strings.Count(pattern, "*")
}
