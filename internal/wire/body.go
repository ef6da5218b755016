package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
)

// beginsBody moves to the one JSON value that a request must be and reports whether
// that begins with the byte first. If not, that is a fault.
func (c *checker) beginsBody(f *field, first byte) bool {
	if !utf8.Valid(c.data) {
		c.wrongBody(f, "requestBody", "is not UTF-8 text"+whereInvalid(c.data))
		return false
	}
	c.space()
	next := c.peek()
	if next == first {
		return true
	}
	location := "requestBody"
	if next == '{' || next == '[' {
		location = "/type"
	}
	switch {
	case c.at == len(c.data):
		c.wrongBody(f, location, "is empty")
	case bytes.HasPrefix(c.data[c.at:], []byte("\ufeff")):
		c.wrongBody(f, location, "begins with a byte order mark")
	default:
		if c.skip(); c.endsBody(f) {
			c.wrongBody(f, location, "must be "+kinds[f.kind].called)
		}
	}
	return false
}

// endsBody reports whether the body is one JSON value, whose end has been reached.
// If not, that is a fault.
func (c *checker) endsBody(f *field) bool {
	c.space()
	if !c.broken && c.at == len(c.data) {
		return true
	}
	if c.flaw != "" && json.Valid(c.data) {
		c.wrongBody(f, "requestBody", c.flaw)
	} else {
		c.wrongBody(f, "requestBody", "is not one JSON value"+whereBroken(c.data))
	}
	return false
}

// wrongBody reports what is wrong with the request as a whole.
func (c *checker) wrongBody(f *field, location, is string) {
	c.faults = append(c.faults, latchkey.Fault{
		Location: location, Message: "the request body " + is,
		Fix: "send one JSON value in UTF-8: " + kinds[f.kind].called,
	})
}

// whereInvalid says where data stops being UTF-8.
func whereInvalid(data []byte) string {
	for at := 0; ; {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			return fmt.Sprintf(" (see byte %d)", at)
		}
		at += size
	}
}

// whereBroken says where data stops being one JSON value. It does not use the words
// of encoding/json, which repeat what is there.
func whereBroken(data []byte) string {
	var broken *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &broken) {
		return fmt.Sprintf(" (see byte %d)", broken.Offset)
	}
	return ""
}
