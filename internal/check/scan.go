package check

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// The functions of this file split JSON that json.Valid has accepted. That alone
// makes them correct: none looks for the end of its input, because a valid value
// never reaches it early, and only strings can hide brackets and commas.

// members yields the names and values of a JSON object in their order, names with
// their quotes, repeated ones each time.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := skipSpace(object, 1); object[i] != '}'; {
			nameEnd := skipString(object, i)
			colon := skipSpace(object, nameEnd)
			start := skipSpace(object, colon+1)
			end := skipValue(object, start)
			if !yield(object[i:nameEnd], object[start:end]) {
				return
			}
			i = skipComma(object, end)
		}
	}
}

// elements yields the values of a JSON array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		for i := skipSpace(array, 1); array[i] != ']'; {
			end := skipValue(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = skipComma(array, end)
		}
	}
}

const space = " \t\r\n"

func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n' {
		i++
	}
	return i
}

// skipComma skips a comma and the space around it, where there is one.
func skipComma(data []byte, i int) int {
	i = skipSpace(data, i)
	if data[i] == ',' {
		i = skipSpace(data, i+1)
	}
	return i
}

// skipValue returns the end of the value that begins at i. A number or a word
// ends where the object or array around it goes on.
func skipValue(data []byte, i int) int {
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		return skipNested(data, i)
	}
	return i + bytes.IndexAny(data[i:], ",]}"+space)
}

func skipString(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipNested(data []byte, i int) int {
	for depth := 0; ; i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// unquote returns the text of a JSON string, with U+FFFD for what is not valid
// UTF-8 and for half a surrogate pair.
func unquote(quoted []byte) string {
	inside := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return string(inside)
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // A valid JSON string always fits a Go string.
	return s
}
