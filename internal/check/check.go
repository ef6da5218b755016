// Package check finds what is wrong with a request. It compiles the check tags
// of a request type once into a [Plan], which then reads strict JSON into the
// type and tells every rule that the request breaks, by the path of the rule.
//
// A tag is a list of rules with commas between them:
//
//	required        the field must be there
//	null            JSON null is allowed; the field is a latchkey.Opt
//	min=N, max=N    characters of a string, value of a number, items of a list,
//	                properties of a Meta, milliseconds of a Time or Duration
//	pattern=NAME    every character of a string is of a named class: id,
//	                externalId, slug or resource
//	enum=a|b        the strings that are allowed
//	default=V       what the service does without the field; for the manual only
//	items.RULE      min, max, pattern or enum of each string of a list
//
// A blank field tagged check:"loose" makes its struct ignore properties that it
// does not know; other structs refuse them. A named slice type that is a whole
// request carries its own tag, see [Tagger].
//
// A fault never repeats the value it is about, which may be a secret.
package check

import (
	"fmt"
	"reflect"

	"github.com/latchkeyhq/latchkey"
)

// Plan holds the compiled rules of one request type. It does not change and may
// be used by any number of goroutines.
type Plan struct {
	typ, pointer reflect.Type // the request's, and that of a pointer to it
	root         *node
}

// Of compiles the rules of T, a struct or a slice of structs. It panics where a
// tag or a field's type is not one that the package knows, which is a mistake in
// the program and shows at its start.
func Of[T any]() *Plan { return For(reflect.TypeFor[T]()) }

// For is [Of] for a type known at run time.
func For(t reflect.Type) *Plan {
	root, err := compileRoot(t)
	if err != nil {
		panic(fmt.Sprintf("check: %s: %v", t, err))
	}
	return &Plan{typ: t, pointer: reflect.PointerTo(t), root: root}
}

// Decode reads data, one JSON value, into the T that into points to, and returns
// what is wrong with it: nil when all is well, else at most 20 faults in the
// order of the fields. It overwrites what was there before, and leaves it
// undefined where there are faults. It keeps no reference to data.
func (p *Plan) Decode(data []byte, into any) []latchkey.Fault {
	v := p.target(into).Elem()
	v.SetZero()
	if q := (quick{data: data}); q.decode(p.root, v) {
		return nil
	}
	v.SetZero()
	return p.decode(data, v)
}

// decode is Decode for a body of any kind, well-formed or not, into v, which is zero.
func (p *Plan) decode(data []byte, v reflect.Value) []latchkey.Fault {
	raw, fault := body(p.root, data)
	if fault != nil {
		return []latchkey.Fault{*fault}
	}
	var c checker
	c.decode(p.root, raw, v)
	return c.faults
}

// Value returns what is wrong with v, a T or a pointer to one, by the same rules
// as Decode. A Go value cannot tell zero from absent, so the zero value of a
// field that is not required is absent, as is any absent Opt, and breaks no rule.
// Of required fields it asks what their bounds ask of the zero value, and that a
// pointer is not nil.
// Anything but a T or a pointer that is not nil panics, here and in Decode.
func (p *Plan) Value(v any) []latchkey.Fault {
	var c checker
	c.inspect(p.root, p.target(v).UnsafePointer())
	return c.faults
}

// target returns a pointer to the T that v is or points to. A T that is not
// behind a pointer is copied to where it has an address.
func (p *Plan) target(v any) reflect.Value {
	val := reflect.ValueOf(v)
	switch {
	case v != nil && val.Type() == p.pointer && !val.IsNil():
		return val
	case v != nil && val.Type() == p.typ:
		copied := reflect.New(p.typ)
		copied.Elem().Set(val)
		return copied
	}
	panic(fmt.Sprintf("check: the plan of %s was given a %T or a nil pointer", p.typ, v))
}
