package check

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decode reads raw, valid JSON without space around it, into v, which is zero,
// and checks it.
func (c *checker) decode(n *node, raw []byte, v reflect.Value) {
	if raw[0] == 'n' && n.rules.Null {
		v.Set(n.null)
		return
	}
	if strings.IndexByte(kinds[n.kind].starts, raw[0]) < 0 {
		c.wrongKind(n, raw[0] == 'n')
		return
	}
	v = n.open(v)
	switch n.kind {
	case object:
		c.decodeFields(n, raw, v)
	case list:
		c.decodeItems(n, raw, v)
	default:
		if !n.read(raw, v) {
			c.wrongKind(n, false)
			return
		}
		c.leaf(n, v.Addr().UnsafePointer())
	}
}

// decodeFields reads the members of an object into the struct v. Of a repeated
// name only the last value is looked at.
func (c *checker) decodeFields(n *node, raw []byte, v reflect.Value) {
	values := make([][]byte, len(n.fields))
	var unknown []string
	for quoted, value := range members(raw) {
		if i, ok := n.find(quoted); ok {
			values[i] = value
		} else if !n.loose {
			unknown = insert(unknown, unquote(quoted))
		}
	}
	c.missing(n, func(i int, _ *node) bool { return values[i] == nil })
	for i, f := range n.fields {
		if values[i] != nil {
			c.decode(f, values[i], v.Field(f.index))
		}
	}
	for _, name := range unknown {
		c.unknown(n, name)
	}
}

// find returns which field a quoted name means.
func (n *node) find(quoted []byte) (int, bool) {
	if i, ok := n.byName[string(quoted[1:len(quoted)-1])]; ok {
		return i, true
	}
	i, ok := n.byName[unquote(quoted)]
	return i, ok
}

// insert adds a name to sorted names, once, and keeps the first maxFaults: a body
// full of unknown names costs no more memory than that.
func insert(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found || i == maxFaults {
		return names
	}
	names = slices.Insert(names, i, name)
	return names[:min(len(names), maxFaults)]
}

// decodeItems reads the elements of an array into the slice v. The slice grows
// with what has been read, so that a short body can't ask for much memory.
func (c *checker) decodeItems(n *node, raw []byte, v reflect.Value) {
	count := 0
	for range elements(raw) {
		count++
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, min(count, 64)))
	if !c.size(n, int64(count)) {
		return
	}
	for value := range elements(raw) {
		i := v.Len()
		v.Grow(1)
		v.SetLen(i + 1)
		c.trail = append(c.trail, i)
		c.decode(n.item, value, v.Index(i))
		c.trail = c.trail[:len(c.trail)-1]
		if c.full() {
			return
		}
	}
}

// read stores a value other than an object or a list. It reports false where raw
// begins like its kind and is not: a fraction, an exponent, beyond 64 bits.
func (n *node) read(raw []byte, v reflect.Value) bool {
	switch n.kind {
	case text:
		v.SetString(unquote(raw))
		return true
	case boolean:
		v.SetBool(raw[0] == 't')
		return true
	case whole:
		i, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || v.OverflowInt(i) {
			return false
		}
		v.SetInt(i)
		return true
	}
	return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw) == nil
}
