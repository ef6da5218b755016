package wire

import (
	"strconv"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
)

// The functions of this file are what generated code appends an answer with. Each
// appends one value.

// closeObject ends the object that began at start in b. Each member was appended
// with a comma before it; that of the first one gives way to the bracket.
func closeObject(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{'
	return append(b, '}')
}

func appendList[T any](b []byte, list []T, appendItem func([]byte, *T) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, &list[i])
	}
	return append(b, ']')
}

func appendTexts[S ~string](b []byte, list []S) []byte {
	return appendList(b, list, func(b []byte, s *S) []byte { return appendText(b, *s) })
}

func appendWholes[N int | int64](b []byte, list []N) []byte {
	return appendList(b, list, func(b []byte, n *N) []byte { return appendWhole(b, *n) })
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

func appendWhole[N int | int64](b []byte, n N) []byte { return strconv.AppendInt(b, int64(n), 10) }

func appendTime(b []byte, t latchkey.Time) []byte { return appendWhole(b, t.UnixMilli()) }

func appendSpan(b []byte, d latchkey.Duration) []byte { return appendWhole(b, d.Milliseconds()) }

func appendMeta(b []byte, m latchkey.Meta) []byte {
	if m == "" {
		return append(b, "{}"...)
	}
	return append(b, m...)
}

// appendText appends a string, with escapes for what cannot be in JSON as it is, or
// not in JavaScript: U+2028 and U+2029. What is not valid UTF-8 becomes U+FFFD.
func appendText[S ~string](b []byte, s S) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		if c := s[i]; ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:]))
		if r < utf8.RuneSelf || r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			b = appendEscape(append(b, s[done:i]...), r)
			done = i + size
		}
		i += size
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

// appendEscape appends a character as an escape.
func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
