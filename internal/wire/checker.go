package wire

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
)

// object is what is known of a struct of a request.
type object struct {
	fields []field
	loose  bool // names that no field has are ignored
	needs  bool // a Go value must have one of the fields
}

// field is what is known of a place for a value: a field, the items of a list, or
// the request as a whole. The last two have no name.
type field struct {
	name     string // in JSON
	kind     kind
	required bool
	null     bool           // JSON null is allowed
	needed   bool           // a Go value must have it too
	size     *bounds        // nil for any size
	pattern  *check.Pattern // nil for any characters
	enum     []string       // nil for any string
	item     *field         // of a list
}

// bounds are the smallest and the largest size or value.
type bounds struct{ min, max int64 }

// What bounds have on a side that is open.
const (
	noMin = math.MinInt64
	noMax = math.MaxInt64
)

// anObject is the request as a whole, unless that is a list.
var anObject = field{kind: aStruct}

// maxFaults is how many faults of one request are reported.
const maxFaults = 20

// checker visits one request: it reads it, if it comes as JSON, and gathers its
// faults. The zero value checks a Go value.
type checker struct {
	reading bool
	scanner // of the body; the next byte is the one of the value being visited
	faults  []latchkey.Fault
	path    [maxSteps]step // the objects and lists being visited, outermost first
	depth   int            // how many there are
}

// step is an object or list being visited.
type step struct {
	field *field
	begin int  // of a list: where in the body its next item begins, or the last one did
	index int  // of a list: which item is being visited; of an object, -1
	extra bool // of an object: there are names that no field has
}

// top returns the innermost step.
func (c *checker) top() *step { return &c.path[c.depth-1] }

func (c *checker) enter(s step) {
	c.path[c.depth] = s
	c.depth++
}

func (c *checker) leave() { c.depth-- }

// full reports whether further faults would not be reported anyway.
func (c *checker) full() bool { return len(c.faults) == maxFaults }

// checkText checks a string.
func (c *checker) checkText(f *field, s string) {
	c.checkLength(f, s)
	if strings.IndexByte(s, 0) >= 0 { // Not every database can hold it.
		c.hasZero(f)
	}
	if !c.reading && !utf8.ValidString(s) { // A body is UTF-8.
		c.add(f, "pattern", c.subject(f)+" must be UTF-8 text", "")
	}
	if f.pattern != nil && !f.pattern.Match(s) {
		c.wrongPattern(f)
	}
	if f.enum != nil && !slices.Contains(f.enum, s) {
		c.wrongChoice(f)
	}
}

// checkLength checks how many characters a string has. A character has one to four
// bytes, so it counts them only if the number of bytes doesn't decide.
func (c *checker) checkLength(f *field, s string) {
	if f.size == nil || int64(len(s)+3)/4 >= f.size.min && int64(len(s)) <= f.size.max {
		return
	}
	c.checkSize(f, int64(utf8.RuneCountInString(s)))
}

// checkMeta checks metadata, which a program can make from any string. Absent
// metadata means an empty object.
func (c *checker) checkMeta(f *field, m latchkey.Meta) {
	text := bytes.TrimLeft([]byte(m), spaces)
	if m == "" {
		text = []byte("{}")
	}
	s := scanner{data: text}
	if s.peek() != '{' || !utf8.Valid(text) || !s.valid() {
		if s.flaw == "" {
			c.wrongKind(f, false)
		} else {
			c.add(f, "type", c.subject(f)+" "+s.flaw, "")
		}
		return
	}
	s.at = 0
	c.checkSize(f, int64(s.countMembers()))
}

// checkSize checks a size or value and reports whether it is not too large.
func (c *checker) checkSize(f *field, size int64) bool {
	if f.size == nil {
		return true
	}
	if size < f.size.min {
		c.tooSmall(f)
	}
	if size > f.size.max {
		c.tooLarge(f)
		return false
	}
	return true
}
