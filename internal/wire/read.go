package wire

import (
	"bytes"
	"strconv"

	"github.com/latchkeyhq/latchkey"
)

// The functions of this file are what generated code visits a request with. Each
// has two sides: if the request comes as JSON, it reads the value that is next in
// the body; it then checks the value, wherever that came from.

// given is where the value of a field begins that a Go value has.
const given = 1

// object enters an object. It notes in at where the value of each field begins, 0
// for a field that is absent; the last value of a repeated name counts. Of a Go value
// at tells which needed fields it has. If object reports true, the caller calls end.
func (c *checker) object(f *field, o *object, at []int) bool {
	if !c.reading {
		c.enter(step{field: f, index: -1})
		if o.needs {
			c.checkRequired(o, at)
		}
		return true
	}
	if !c.begins(f, '{') {
		return false
	}
	clear(at)
	s := step{field: f, index: -1, begin: c.at}
	c.at++
	for name := c.nextMember(); name != nil; name = c.nextMember() {
		if i := o.find(name); i >= 0 {
			at[i] = c.at
		} else {
			s.extra = true
		}
		c.skip()
	}
	if c.depth == 0 && !c.endsBody(f) {
		return false
	}
	c.enter(s)
	c.checkRequired(o, at)
	return true
}

// end leaves an object.
func (c *checker) end(o *object) {
	if s := c.top(); s.extra && !o.loose {
		c.at = s.begin
		c.extraNames(o)
	}
	c.leave()
}

// has reports whether a field has a value to visit, which begins at at in the body
// or, in a Go value, is not zero.
func (c *checker) has(f *field, at int, notZero bool) bool {
	if c.reading {
		c.at = at
		return at != 0
	}
	return notZero || f.required
}

// hasSome is has for an Opt. It returns the value that the Opt holds, and takes care
// of null itself.
func hasSome[T any](c *checker, f *field, at int, o *latchkey.Opt[T]) (value T, some bool) {
	if !c.reading {
		if o.IsNull() && !f.null {
			c.wrongKind(f, true)
		}
		return o.Get()
	}
	c.at = at
	if at != 0 && f.null && c.peek() == 'n' {
		*o = latchkey.Null[T]()
		return value, false
	}
	return value, at != 0
}

// keep puts the value that was read into its Opt.
func keep[T any](c *checker, o *latchkey.Opt[T], value T) {
	if c.reading {
		*o = latchkey.Set(value)
	}
}

// pointee returns what p points to: a new zero value, if the request is read from JSON.
func pointee[T any](c *checker, p **T) *T {
	if c.reading {
		*p = new(T)
	}
	return *p
}

// openList enters a list and reports whether its items are to be visited. They are
// not if there are too many.
func openList[T any](c *checker, f *field, list *[]T) bool {
	s := step{field: f, index: -1}
	count := len(*list)
	if c.reading {
		if !c.begins(f, '[') {
			return false
		}
		s.begin = c.at + 1
		count = c.countElements()
		if c.depth == 0 && !c.endsBody(f) {
			return false
		}
		*list = make([]T, 0, min(count, 64)) // A short body can't ask for much memory.
	}
	if !c.checkSize(f, int64(count)) {
		return false
	}
	c.enter(s)
	return true
}

// nextItem moves to the next item of a list that has so many in memory, or leaves
// the list.
func (c *checker) nextItem(count int) bool {
	s := c.top()
	s.index++
	more := s.index < count
	if c.reading {
		if c.at = s.begin; s.index > 0 {
			c.skip()
		}
		more = c.nextElement()
		s.begin = c.at
	}
	if !more || c.full() {
		c.leave()
		return false
	}
	return true
}

// item returns the item of the list that is being visited. The list grows with what
// has been read.
func item[T any](c *checker, list *[]T) *T {
	if c.reading {
		var zero T
		*list = append(*list, zero)
	}
	return &(*list)[c.top().index]
}

// texts visits a list of strings.
func texts[S ~string](c *checker, f *field, list *[]S) {
	if openList(c, f, list) {
		for c.nextItem(len(*list)) {
			text(c, f.item, item(c, list))
		}
	}
}

// wholes visits a list of whole numbers.
func wholes[N int | int64](c *checker, f *field, list *[]N) {
	if openList(c, f, list) {
		for c.nextItem(len(*list)) {
			whole(c, f.item, item(c, list))
		}
	}
}

// text visits a string.
func text[S ~string](c *checker, f *field, s *S) {
	if c.reading {
		if !c.begins(f, '"') {
			return
		}
		*s = S(c.scanner.text())
	}
	c.checkText(f, string(*s))
}

// whole visits a whole number.
func whole[N int | int64](c *checker, f *field, n *N) {
	i := int64(*n)
	if !c.integer(f, &i) || !c.reading {
		return
	}
	if *n = N(i); int64(*n) != i { // where an int has 32 bits
		c.wrongKind(f, false)
	}
}

// instant visits a Time.
func instant(c *checker, f *field, t *latchkey.Time) {
	ms := t.UnixMilli()
	if !c.integer(f, &ms) {
		return
	}
	if ms >= 1e9 && ms < 1e10 { // from 2001 to 2286 in seconds, and early in 1970 in milliseconds
		c.inSeconds(f)
	}
	if c.reading {
		*t = latchkey.AtMilli(ms)
	}
}

// span visits a Duration.
func span(c *checker, f *field, d *latchkey.Duration) {
	if ms := d.Milliseconds(); c.integer(f, &ms) && c.reading {
		*d = latchkey.PerMilli(ms)
	}
}

// boolean visits a bool.
func boolean(c *checker, f *field, b *bool) {
	if !c.reading {
		return
	}
	if *b = c.peek() == 't'; !*b && c.peek() != 'f' {
		c.wrongKind(f, c.peek() == 'n')
	}
}

// meta visits metadata.
func meta(c *checker, f *field, m *latchkey.Meta) {
	if c.reading && !c.begins(f, '{') {
		return
	}
	if c.reading && m.UnmarshalJSON(c.token()) != nil {
		c.wrongKind(f, false)
		return
	}
	c.checkMeta(f, *m)
}

// integer visits a number, of which it has a copy, and reports whether it is one.
func (c *checker) integer(f *field, n *int64) bool {
	if c.reading {
		const longest = len("-9223372036854775808")
		text := c.token()
		i, err := strconv.ParseInt(string(text[:min(len(text), longest+1)]), 10, 64)
		if err != nil {
			c.wrongKind(f, text[0] == 'n')
			return false
		}
		*n = i
	}
	c.checkSize(f, *n)
	return true
}

// begins reports whether a value of f's kind is next, which begins with the byte
// first. If not, that is a fault.
func (c *checker) begins(f *field, first byte) bool {
	if c.depth == 0 {
		return c.beginsBody(f, first)
	}
	if c.peek() != first {
		c.wrongKind(f, c.peek() == 'n')
		return false
	}
	return true
}

// find returns which field has the quoted name, -1 for none. There are few, and the
// first ones are the most frequent, so comparing is faster than hashing.
func (o *object) find(quoted []byte) int {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte((&scanner{data: quoted}).text())
	}
	for i := range o.fields {
		if o.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// checkRequired reports in one fault the required fields that are absent.
func (c *checker) checkRequired(o *object, at []int) {
	var missing []*field
	for i := range o.fields {
		if f := &o.fields[i]; at[i] == 0 && (f.needed || f.required && c.reading) {
			missing = append(missing, f)
		}
	}
	if missing != nil {
		c.isMissing(missing)
	}
}
