package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
)

// maxFaults is how many faults are told of one request.
const maxFaults = 20

// checker gathers the faults of one request. The zero value is ready.
type checker struct {
	faults []latchkey.Fault
	trail  []int // the indexes of the list items being checked, outermost first
}

// full reports whether further faults would not be told anyway.
func (c *checker) full() bool { return len(c.faults) == maxFaults }

// add takes a fault: the rule, named by its schema keyword, that n breaks.
func (c *checker) add(n *node, keyword, message, fix string) {
	if !c.full() {
		c.faults = append(c.faults, latchkey.Fault{Location: n.at + "/" + keyword, Message: message, Fix: fix})
	}
}

// text checks a string.
func (c *checker) text(n *node, s string) {
	c.length(n, s)
	if strings.IndexByte(s, 0) >= 0 { // which not every database can hold
		c.zeroCharacter(n)
	}
	if n.match != nil && !n.match.match(s) {
		c.wrongPattern(n)
	}
	if n.rules.Enum != nil && !slices.Contains(n.rules.Enum, s) {
		c.wrongChoice(n)
	}
}

// length holds the characters of a string against the bounds. A character has
// one to four bytes, so they are counted only where the bytes leave a doubt.
func (c *checker) length(n *node, s string) {
	low, high := n.rules.Min, n.rules.Max
	if (low == nil || int64(len(s)+3)/4 >= *low) && (high == nil || int64(len(s)) <= *high) {
		return
	}
	c.size(n, int64(utf8.RuneCountInString(s)))
}

// meta checks metadata, which a program may have made from any string. Absent
// metadata stands for an empty object.
func (c *checker) meta(n *node, m *latchkey.Meta) {
	raw, _ := m.MarshalJSON() // It only copies.
	raw = bytes.TrimLeft(raw, space)
	if !bytes.HasPrefix(raw, []byte("{")) || !json.Valid(raw) {
		c.wrongKind(n, false)
		return
	}
	count := 0
	for range members(raw) {
		count++
	}
	c.size(n, int64(count))
}

// size holds a size or value against the bounds and reports whether it is not
// above the larger one, that is, whether there is a point in looking closer.
func (c *checker) size(n *node, size int64) bool {
	if low := n.rules.Min; low != nil && size < *low {
		c.wrongSize(n, kinds[n.kind].min, "least", *low)
	}
	if high := n.rules.Max; high != nil && size > *high {
		c.wrongSize(n, kinds[n.kind].max, "most", *high)
		return false
	}
	return true
}

// missing tells in one fault of the required fields of an object that are not
// there.
func (c *checker) missing(n *node, isMissing func(i int, f *node) bool) {
	var fields []*node
	for i, f := range n.fields {
		if f.rules.Required && isMissing(i, f) {
			fields = append(fields, f)
		}
	}
	if fields != nil {
		c.lacks(n, fields)
	}
}
