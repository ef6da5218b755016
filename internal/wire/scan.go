package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner moves through JSON. It accepts what encoding/json accepts, except values
// that nest too deep and halves of surrogate pairs; FuzzSkip compares the two.
type scanner struct {
	data   []byte
	at     int    // the index in data of the next byte
	broken bool   // what was skipped was not valid
	flaw   string // what is wrong with it, if encoding/json would accept it
}

// maxDepth is how deep arrays and objects can nest. Every published client can read
// back what nests so deep: Rust's reader stops at 128 levels, and a response has a
// few levels around the metadata of a request.
const maxDepth = 100

// Flaws of JSON that encoding/json accepts.
const (
	tooDeep       = "nests deeper than 100 levels"
	halfCharacter = "has half of a surrogate pair, which is no character"
)

// skip moves past one value and reports whether there was a valid one.
func (s *scanner) skip() bool {
	if c := s.peek(); c == '{' || c == '[' {
		s.broken = !s.skipNested() || s.broken
	} else {
		s.broken = !s.skipScalar(c) || s.broken
	}
	return !s.broken
}

// skipNested moves past an object or array. It does not recurse, so deep nesting
// takes a byte a level.
func (s *scanner) skipNested() bool {
	var room [16]byte
	open := room[:0] // the brackets that are not closed yet
	for {
		// Here a value begins.
		switch c := s.peek(); {
		case c != '{' && c != '[':
			if !s.skipScalar(c) {
				return false
			}
		case len(open) == maxDepth:
			s.flaw = tooDeep
			return false
		default:
			s.at++
			s.space()
			open = append(open, c)
			if s.peek() != closing(c) {
				if c == '{' && s.skipName() == nil {
					return false
				}
				continue
			}
		}
		// Here one ended. What it was in goes on, or ends too.
		for s.space(); !s.take(','); s.space() {
			if !s.take(closing(open[len(open)-1])) {
				return false
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return true
			}
		}
		s.space()
		if open[len(open)-1] == '{' && s.skipName() == nil {
			return false
		}
	}
}

// valid reports whether all of the data is one value, with space around it.
func (s *scanner) valid() bool {
	s.space()
	if !s.skip() {
		return false
	}
	s.space()
	return s.at == len(s.data)
}

// closing returns the bracket that ends what the bracket open begins.
func closing(open byte) byte { return open + 2 } // in ASCII, for [ and { alike

// skipScalar moves past the string, number or word that begins with c.
func (s *scanner) skipScalar(c byte) bool {
	switch c {
	case '"':
		return s.skipString()
	case 't':
		return s.accept("true")
	case 'f':
		return s.accept("false")
	case 'n':
		return s.accept("null")
	}
	return s.skipNumber()
}

// skipName moves past the name of a member, the colon, and the space around it. It
// returns the name with its quotes, nil if there is none.
func (s *scanner) skipName() []byte {
	begin := s.at
	if s.peek() != '"' || !s.skipString() {
		return nil
	}
	name := s.data[begin:s.at]
	s.space()
	if !s.take(':') {
		return nil
	}
	s.space()
	return name
}

func (s *scanner) skipString() bool {
	for i := s.at + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.at = i + 1
			return true
		case c == '\\':
			s.at = i
			if !s.skipEscape() {
				return false
			}
			i = s.at
		case c < ' ':
			return false
		}
	}
	return false
}

// skipEscape moves from the backslash to the last byte of an escape, or of two that
// are a surrogate pair.
func (s *scanner) skipEscape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		unit := s.skipCodeUnit()
		if !utf16.IsSurrogate(unit) {
			return unit >= 0
		}
		if s.at++; s.accept(`\u`) {
			s.at--
			if utf16.DecodeRune(unit, s.skipCodeUnit()) != utf8.RuneError {
				return true
			}
		}
		s.flaw = halfCharacter
	}
	return false
}

// skipCodeUnit moves from the u of an escape to the last of its four digits. It
// returns the UTF-16 code unit that they are, -1 if they aren't hexadecimal.
func (s *scanner) skipCodeUnit() rune {
	for range 4 {
		s.at++
		if !isHex(s.peek()) {
			return -1
		}
	}
	unit, _ := strconv.ParseUint(string(s.data[s.at-3:s.at+1]), 16, 16)
	return rune(unit)
}

func (s *scanner) skipNumber() bool {
	s.take('-')
	if !s.take('0') && !s.skipDigits() {
		return false
	}
	if s.take('.') && !s.skipDigits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.skipDigits()
	}
	return true
}

// skipDigits moves past digits and reports whether there was one.
func (s *scanner) skipDigits() bool {
	begin := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > begin
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|' ' && c|' ' <= 'f' }

// nextElement moves to the next value of an array, from the bracket or the value
// before it, or past the end of the array. It reports whether there is a next one.
func (s *scanner) nextElement() bool { return s.next('[', ']') }

// nextMember moves to the value of the next member of an object and returns the
// quoted name, nil at the end.
func (s *scanner) nextMember() []byte {
	if !s.next('{', '}') {
		return nil
	}
	name := s.skipName()
	s.broken = name == nil
	return name
}

// next moves past the comma, if one is due, or past the end.
func (s *scanner) next(open, end byte) bool {
	if s.broken {
		return false
	}
	isFirst := s.data[s.at-1] == open // No value ends with an open bracket.
	s.space()
	if s.take(end) {
		return false
	}
	if !isFirst {
		s.broken = !s.take(',')
		s.space()
	}
	return !s.broken
}

// countElements returns how many values the array here has, and moves past it.
func (s *scanner) countElements() (n int) {
	for s.at++; s.nextElement(); n++ {
		s.skip()
	}
	return n
}

// countMembers returns how many members the object here has, and moves past it.
func (s *scanner) countMembers() (n int) {
	for s.at++; s.nextMember() != nil; n++ {
		s.skip()
	}
	return n
}

// token returns the value here.
func (s *scanner) token() []byte {
	begin := s.at
	s.skip()
	return s.data[begin:s.at]
}

// space moves past white space.
func (s *scanner) space() {
	for s.at < len(s.data) && isSpace(s.data[s.at]) {
		s.at++
	}
}

const spaces = " \n\r\t"

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// take moves past the byte c if it is here.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// accept moves past word if it is here.
func (s *scanner) accept(word string) bool {
	if end := s.at + len(word); end <= len(s.data) && string(s.data[s.at:end]) == word {
		s.at = end
		return true
	}
	return false
}

// peek returns the next byte, 0 at the end of the data.
func (s *scanner) peek() byte {
	if s.at >= len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// text returns the text of the string here, with U+FFFD for what is not valid UTF-8
// and for half a surrogate pair.
func (s *scanner) text() (text string) {
	rest := s.data[s.at+1:]
	inside := rest[:bytes.IndexByte(rest, '"')]
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	var unquoted string
	_ = json.Unmarshal(s.token(), &unquoted) // A valid JSON string always fits a Go string.
	return unquoted
}
