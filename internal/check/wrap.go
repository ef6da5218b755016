package check

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// wrap is how a field holds its value.
type wrap uint8

const (
	plain    wrap = iota // the value itself; zero is absent unless it is required
	pointer              // a pointer to a struct; nil is absent
	optional             // a latchkey.Opt
)

// wrapOf returns how a field of type t holds its value, and the value's type.
func wrapOf(t reflect.Type) (wrap, reflect.Type) {
	some := reflect.TypeFor[latchkey.Opt[bool]]()
	switch {
	case t.PkgPath() == some.PkgPath() && strings.HasPrefix(t.Name(), "Opt["):
		return optional, t.Field(0).Type
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		return pointer, t.Elem()
	}
	return plain, t
}

// newOpt returns an Opt of type t as it is after reading some JSON.
func newOpt(t reflect.Type, from string) (reflect.Value, error) {
	v := reflect.New(t)
	if err := json.Unmarshal([]byte(from), v.Interface()); err != nil {
		return reflect.Value{}, fmt.Errorf("%s does not read %s: %w", t, from, err)
	}
	return v.Elem(), nil
}

// held returns the value inside an addressable Opt, settable. An Opt keeps it in
// its first field, unexported because nobody else may change it without changing
// the state; reading it through the address is what lifts that seal.
func held(o reflect.Value) reflect.Value {
	f := o.Field(0)
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

// open makes the field v hold a value and returns it, zero and settable.
func (n *node) open(v reflect.Value) reflect.Value {
	switch n.wrap {
	case pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return v.Elem()
	case optional:
		v.Set(n.present)
		return held(v)
	}
	return v
}
