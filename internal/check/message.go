package check

import (
	"strconv"
	"strings"
)

// The methods of this file put faults into words. They say what a value must be
// and never what it is.

// subject is how messages call a place: its label with the indexes of the items
// that are being checked.
func (c *checker) subject(n *node) string {
	s := n.label
	for _, i := range c.trail {
		s = strings.Replace(s, "[]", "["+strconv.Itoa(i)+"]", 1)
	}
	if s == "" {
		return "the request body"
	}
	return s
}

// wrongKind tells of null where there may be none, or of another JSON type.
func (c *checker) wrongKind(n *node, isNull bool) {
	k := kinds[n.kind]
	message, fix := c.subject(n)+" must be "+k.called, ""
	switch {
	case n.rules.Null:
		message += " or null"
	case isNull:
		message += ", not null"
	}
	if n.kind == whole || n.kind == instant || n.kind == span {
		fix = "write plain digits, without quotes, fraction or exponent, for a number of at most 64 bits"
	}
	c.add(n, "type", message, fix)
}

// wrongSize tells of a size or value beyond a bound.
func (c *checker) wrongSize(n *node, keyword, end string, bound int64) {
	k := kinds[n.kind]
	unit := k.many
	if bound == 1 {
		unit = k.one
	}
	c.add(n, keyword, c.subject(n)+" must "+k.verb+" at "+end+" "+strconv.FormatInt(bound, 10)+unit, "")
}

func (c *checker) zeroCharacter(n *node) {
	c.add(n, "pattern", c.subject(n)+" must not have the character U+0000", "")
}

func (c *checker) wrongPattern(n *node) {
	c.add(n, "pattern", c.subject(n)+" must be made of "+n.match.says+" only", "")
}

func (c *checker) wrongChoice(n *node) {
	c.add(n, "enum", c.subject(n)+" must be one of "+strings.Join(n.rules.Enum, ", "), "")
}

// lacks tells of required fields that are not there.
func (c *checker) lacks(n *node, fields []*node) {
	var names []string
	for _, f := range fields {
		names = append(names, c.subject(f))
	}
	verb := " is required"
	if len(names) > 1 {
		verb = " are required"
	}
	c.add(n, "required", strings.Join(names, ", ")+verb, "")
}

// unknown tells of a name that no field has.
func (c *checker) unknown(n *node, name string) {
	c.add(n, "additionalProperties", c.subject(n)+" has no field "+strconv.QuoteToGraphic(shorten(name)), n.instead(name))
}

// instead says which names there are, or the one that was probably meant.
func (n *node) instead(name string) string {
	if len(n.fields) == 0 {
		return "leave it out"
	}
	var names []string
	for _, f := range n.fields {
		if bare(f.name) == bare(shorten(name)) {
			return "use " + f.name
		}
		names = append(names, f.name)
	}
	return "the known fields are " + strings.Join(names, ", ")
}

// bare is a name without what spellings such as keyId, KeyID and key_id differ in.
func bare(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

// shorten cuts a name that somebody else chose to a length fit for a message.
func shorten(name string) string {
	const most = 64
	for i := range name {
		if i >= most {
			return name[:i] + "…"
		}
	}
	return name
}
