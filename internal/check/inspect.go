package check

import (
	"reflect"
	"unsafe"

	"github.com/latchkeyhq/latchkey"
)

// The methods of this file check Go values. They find fields by their compiled
// places in memory and not through package reflect, which takes more than twice
// as long: 127 instead of 53 ns for the request of a verification, a twelfth of
// the whole call in process. FuzzInspect holds that both find the same.

// inspect checks the value at p, which is there.
func (c *checker) inspect(n *node, p unsafe.Pointer) {
	switch n.kind {
	case object:
		c.inspectFields(n, p)
	case list:
		c.inspectItems(n, p)
	default:
		c.leaf(n, p)
	}
}

func (c *checker) inspectFields(n *node, p unsafe.Pointer) {
	if n.needs {
		c.missing(n, func(_ int, f *node) bool {
			_, is := f.look(unsafe.Add(p, f.offset))
			return is == absent && !f.rules.Null // an Opt that may be null is sent as null
		})
	}
	for _, f := range n.fields {
		switch held, is := f.look(unsafe.Add(p, f.offset)); {
		case is == given:
			c.inspect(f, held)
		case is == null && !f.rules.Null:
			c.wrongKind(f, true)
		}
	}
}

func (c *checker) inspectItems(n *node, p unsafe.Pointer) {
	items := sliceAt(p)
	if !c.size(n, int64(len(items))) {
		return
	}
	for i := 0; i < len(items) && !c.full(); i++ {
		c.trail = append(c.trail, i)
		c.inspect(n.item, unsafe.Add(unsafe.Pointer(unsafe.SliceData(items)), uintptr(i)*n.item.size))
		c.trail = c.trail[:len(c.trail)-1]
	}
}

// leaf checks a value that is neither an object nor a list, in the same way
// wherever it came from.
func (c *checker) leaf(n *node, p unsafe.Pointer) {
	switch n.kind {
	case text:
		c.text(n, *(*string)(p))
	case whole:
		c.size(n, n.wholeAt(p))
	case instant:
		c.size(n, (*latchkey.Time)(p).UnixMilli())
	case span:
		c.size(n, (*latchkey.Duration)(p).Milliseconds())
	case meta:
		c.meta(n, (*latchkey.Meta)(p))
	}
}

// presence is what became of a field.
type presence uint8

const (
	absent presence = iota
	null
	given
)

// look returns whether the field at p is there, and the place of its value where
// it is given. An Opt keeps its value at its own address.
func (n *node) look(p unsafe.Pointer) (unsafe.Pointer, presence) {
	switch n.wrap {
	case optional:
		switch *(*uint8)(unsafe.Add(p, n.state)) {
		case 0:
			return p, absent
		case n.nullState:
			return p, null
		}
	case pointer:
		if p = *(*unsafe.Pointer)(p); p == nil {
			return p, absent
		}
	default:
		if !n.rules.Required && n.isZero(p) {
			return p, absent
		}
	}
	return p, given
}

// isZero reports whether the value at p is its zero value. A Time decides by
// itself, because "none" stays none in every time zone.
func (n *node) isZero(p unsafe.Pointer) bool {
	switch n.kind {
	case text, meta:
		return *(*string)(p) == ""
	case whole:
		return n.wholeAt(p) == 0
	case boolean:
		return !*(*bool)(p)
	case instant:
		return (*latchkey.Time)(p).IsZero()
	case span:
		return *(*latchkey.Duration)(p) == latchkey.Duration{}
	case list:
		return sliceAt(p) == nil
	}
	return reflect.NewAt(n.typ, p).Elem().IsZero()
}

// wholeAt returns the int or int64 at p.
func (n *node) wholeAt(p unsafe.Pointer) int64 {
	if n.size == unsafe.Sizeof(int64(0)) {
		return *(*int64)(p)
	}
	return int64(*(*int32)(p))
}

// sliceAt returns the slice at p with its length and items that have no size.
func sliceAt(p unsafe.Pointer) []struct{} { return *(*[]struct{})(p) }
