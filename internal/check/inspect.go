package check

import (
	"reflect"

	"github.com/latchkeyhq/latchkey"
)

// inspect checks v, a value that is there.
func (c *checker) inspect(n *node, v reflect.Value) {
	switch n.kind {
	case object:
		c.inspectFields(n, v)
	case list:
		c.inspectItems(n, v)
	default:
		c.leaf(n, v)
	}
}

func (c *checker) inspectFields(n *node, v reflect.Value) {
	c.missing(n, func(_ int, f *node) bool {
		return f.wrap == pointer && v.Field(f.index).IsNil()
	})
	for _, f := range n.fields {
		switch held, p := f.look(v.Field(f.index)); {
		case p == given:
			c.inspect(f, held)
		case p == null && !f.rules.Null:
			c.wrongKind(f, true)
		}
	}
}

func (c *checker) inspectItems(n *node, v reflect.Value) {
	if !c.size(n, int64(v.Len())) {
		return
	}
	for i := 0; i < v.Len() && !c.full(); i++ {
		c.trail = append(c.trail, i)
		c.inspect(n.item, v.Index(i))
		c.trail = c.trail[:len(c.trail)-1]
	}
}

// leaf checks a value that is neither an object nor a list, in the same way
// wherever it came from.
func (c *checker) leaf(n *node, v reflect.Value) {
	switch n.kind {
	case text:
		c.text(n, v.String())
	case whole:
		c.size(n, v.Int())
	case instant:
		c.size(n, v.Addr().Interface().(*latchkey.Time).UnixMilli())
	case span:
		c.size(n, v.Addr().Interface().(*latchkey.Duration).Milliseconds())
	case meta:
		c.meta(n, v.Addr().Interface().(*latchkey.Meta))
	}
}
