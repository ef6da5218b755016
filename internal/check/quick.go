package check

import "reflect"

// quick reads a request in one pass where [checker.decode] takes three (is it
// valid JSON, where are its members, what do they hold), in less than half of
// their time and with no allocations but those of the values. It accepts only
// what nearly all requests are made of: known names, each once, strings without
// escapes, whole numbers, and nothing that breaks a rule. At anything else it
// gives up and the slow way begins anew, so there is one place that says what is
// wrong with a request. FuzzQuick holds that both read the same.
//
// The rules are the compiled ones of the plan: a tag that changes, changes both.
type quick struct {
	checker // gathers faults only to see that there are some
	data    []byte
	at      int // where in data the next byte to read is
}

// decode reads the whole of the request into v, which is zero. It reports false
// if it gave up; then v is undefined.
func (q *quick) decode(root *node, v reflect.Value) bool {
	q.space()
	if !q.value(root, v) {
		return false
	}
	q.space()
	return q.at == len(q.data)
}

// value reads one value into v and checks it.
func (q *quick) value(n *node, v reflect.Value) bool {
	if q.peek() == 'n' && n.rules.Null {
		v.Set(n.null)
		return q.skip("null")
	}
	v = n.open(v)
	switch n.kind {
	case object:
		return q.object(n, v)
	case list:
		return q.list(n, v)
	}
	begin := q.at
	if !q.scalar(n.kind) || !n.read(q.data[begin:q.at], v) {
		return false
	}
	q.leaf(n, v.Addr().UnsafePointer())
	return q.faults == nil
}

// object reads an object into the struct v.
func (q *quick) object(n *node, v reflect.Value) bool {
	if !q.skip("{") {
		return false
	}
	var seen uint64 // the fields that were there, as bits in their order
	for q.space(); !q.skip("}"); {
		if !q.member(n, v, &seen) || !q.comma('}') {
			return false
		}
	}
	return n.must&^seen == 0
}

// member reads one name and its value into the struct v.
func (q *quick) member(n *node, v reflect.Value, seen *uint64) bool {
	begin := q.at
	if !q.quoted() {
		return false
	}
	i := n.field(q.data[begin+1 : q.at-1])
	if i < 0 || *seen&(1<<i) != 0 {
		return false
	}
	*seen |= 1 << i
	if q.space(); !q.skip(":") {
		return false
	}
	q.space()
	return q.value(n.fields[i], v.Field(n.fields[i].index))
}

// field returns which field has the name, or -1. There are few, and mostly the
// first ones are meant, so that looking at one after the other is sooner done
// than hashing the name.
func (n *node) field(name []byte) int {
	for i, f := range n.fields {
		if f.name == string(name) {
			return i
		}
	}
	return -1
}

// list reads an array into the slice v, which grows with what has been read. It
// stops at the first item too many.
func (q *quick) list(n *node, v reflect.Value) bool {
	if !q.skip("[") {
		return false
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for q.space(); !q.skip("]"); {
		i := v.Len()
		if most := n.rules.Max; most != nil && int64(i) == *most {
			return false
		}
		v.Grow(1)
		v.SetLen(i + 1)
		if !q.value(n.item, v.Index(i)) || !q.comma(']') {
			return false
		}
	}
	return q.size(n, int64(v.Len())) && q.faults == nil
}

// scalar passes over a value that is neither an object nor a list. Metadata is
// left to the slow way, which alone may look into any JSON.
func (q *quick) scalar(k kind) bool {
	switch k {
	case text:
		return q.quoted()
	case boolean:
		return q.skip("true") || q.skip("false")
	case whole, instant, span:
		return q.number()
	}
	return false
}

// quoted passes over a string without escapes and control characters.
func (q *quick) quoted() bool {
	if !q.skip(`"`) {
		return false
	}
	for i, c := range q.data[q.at:] {
		if c == '"' {
			q.at += i + 1
			return true
		}
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return false
}

// number passes over a whole number. A fraction or an exponent is left where it
// is, and nothing that may follow a value begins like one.
func (q *quick) number() bool {
	q.skip("-")
	if q.skip("0") {
		return true // a second digit can't follow a value either
	}
	begin := q.at
	for q.at < len(q.data) && '0' <= q.data[q.at] && q.data[q.at] <= '9' {
		q.at++
	}
	return q.at > begin
}

// comma passes over what stands behind a member or an item and reports whether
// that is a comma with another one behind it, or the end, which it leaves.
func (q *quick) comma(end byte) bool {
	q.space()
	if !q.skip(",") {
		return q.peek() == end
	}
	q.space()
	return q.peek() != end
}

// space passes over white space.
func (q *quick) space() {
	for q.at < len(q.data) && (q.data[q.at] == ' ' || q.data[q.at] == '\n' || q.data[q.at] == '\r' || q.data[q.at] == '\t') {
		q.at++
	}
}

// skip passes over word if it stands here.
func (q *quick) skip(word string) bool {
	if end := q.at + len(word); end <= len(q.data) && string(q.data[q.at:end]) == word {
		q.at = end
		return true
	}
	return false
}

// peek returns the next byte, 0 at the end of the data.
func (q *quick) peek() byte {
	if q.at == len(q.data) {
		return 0
	}
	return q.data[q.at]
}
