package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// The methods of this file put faults into words. They say what a value must be
// and never what it is.

// kind is what a value is to the rules, however its Go type is named.
type kind uint8

const (
	aText kind = iota
	aWhole
	aBool
	aTime
	aSpan
	aMeta
	aList
	aStruct
)

const inMillis = " (unix milliseconds)"

// kinds are the words that differ from kind to kind.
var kinds = [...]struct {
	called    string // as a message calls it
	min, max  string // the schema keywords of its bounds
	verb      string // what a message says of its size
	one, many string // what its size counts
}{
	aText:   {"a string", "minLength", "maxLength", "have", " character", " characters"},
	aWhole:  {"a whole number", "minimum", "maximum", "be", "", ""},
	aBool:   {called: "true or false"},
	aTime:   {"a time in unix milliseconds", "minimum", "maximum", "be", inMillis, inMillis},
	aSpan:   {"a whole number of milliseconds", "minimum", "maximum", "be", " ms", " ms"},
	aMeta:   {"an object", "minProperties", "maxProperties", "have", " property", " properties"},
	aList:   {"an array", "minItems", "maxItems", "have", " item", " items"},
	aStruct: {called: "an object"},
}

// here is the object being visited, as a place for a fault.
var here = &field{}

// add reports that the value of f breaks the rule that a schema calls keyword.
func (c *checker) add(f *field, keyword, message, fix string) {
	if c.full() {
		return
	}
	var at strings.Builder
	for _, s := range c.path[:c.depth] {
		at.WriteString(s.field.property())
		if s.index >= 0 {
			at.WriteString("/items")
		}
	}
	at.WriteString(f.property() + "/" + keyword)
	c.faults = append(c.faults, latchkey.Fault{Location: at.String(), Message: message, Fix: fix})
}

// property is the path of a field's schema in that of its object.
func (f *field) property() string {
	if f.name == "" {
		return ""
	}
	return "/properties/" + f.name
}

// subject is what messages call the value of f, such as ratelimits[0].name.
func (c *checker) subject(f *field) string {
	var label strings.Builder
	for _, s := range append(c.path[:c.depth:c.depth], step{field: f, index: -1}) {
		if s.field.name != "" && label.Len() > 0 {
			label.WriteByte('.')
		}
		label.WriteString(s.field.name)
		if s.index >= 0 {
			label.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	if label.Len() == 0 {
		return "the request body"
	}
	return label.String()
}

// wrongKind reports null where it is not allowed, or another JSON type.
func (c *checker) wrongKind(f *field, isNull bool) {
	message, fix := c.subject(f)+" must be "+kinds[f.kind].called, ""
	switch {
	case f.null:
		message += " or null"
	case isNull:
		message += ", not null"
	}
	if f.kind == aWhole || f.kind == aTime || f.kind == aSpan {
		fix = "write plain digits, without quotes, fraction or exponent, for a number of at " +
			"most 64 bits"
	}
	c.add(f, "type", message, fix)
}

func (c *checker) tooSmall(f *field) { c.wrongSize(f, kinds[f.kind].min, "least", f.size.min) }

func (c *checker) tooLarge(f *field) { c.wrongSize(f, kinds[f.kind].max, "most", f.size.max) }

func (c *checker) wrongSize(f *field, keyword, end string, bound int64) {
	k := kinds[f.kind]
	unit := k.many
	if bound == 1 {
		unit = k.one
	}
	message := fmt.Sprintf("%s must %s at %s %d%s", c.subject(f), k.verb, end, bound, unit)
	c.add(f, keyword, message, "")
}

func (c *checker) inSeconds(f *field) {
	message := c.subject(f) + " must be a time in unix milliseconds, and this one is early in 1970"
	c.add(f, "minimum", message, "multiply a time in seconds by 1000")
}

func (c *checker) hasZero(f *field) {
	c.add(f, "pattern", c.subject(f)+" must not have the character U+0000", "")
}

func (c *checker) wrongPattern(f *field) {
	c.add(f, "pattern", c.subject(f)+" must be made of "+f.pattern.Says+" only", "")
}

func (c *checker) wrongChoice(f *field) {
	c.add(f, "enum", c.subject(f)+" must be one of "+strings.Join(f.enum, ", "), "")
}

// isMissing reports required fields of an object that are absent.
func (c *checker) isMissing(fields []*field) {
	var names []string
	for _, f := range fields {
		names = append(names, c.subject(f))
	}
	verb := " is required"
	if len(names) > 1 {
		verb = " are required"
	}
	c.add(here, "required", strings.Join(names, ", ")+verb, "")
}

// extraNames reports the names of the object that begins here which no field has,
// each once, in their order. It remembers no more of them than it can report.
func (c *checker) extraNames(o *object) {
	var extra []string
	c.at++
	for name := c.nextMember(); name != nil; name = c.nextMember() {
		if o.find(name) < 0 {
			extra = insert(extra, (&scanner{data: name}).text())
		}
		c.skip()
	}
	for _, name := range extra {
		message := c.subject(here) + " has no field " + strconv.QuoteToGraphic(shorten(name))
		c.add(here, "additionalProperties", message, o.instead(name))
	}
}

// insert adds a name to sorted names, once, and keeps the first maxFaults.
func insert(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found || i == maxFaults {
		return names
	}
	names = slices.Insert(names, i, name)
	return names[:min(len(names), maxFaults)]
}

// instead says which names there are, or the one that was probably meant.
func (o *object) instead(name string) string {
	if len(o.fields) == 0 {
		return "leave it out"
	}
	var names []string
	for _, f := range o.fields {
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
