package latchkey

import (
	"encoding/json"
	"reflect"
)

// Opt is a field with three states: absent (the zero value), null, or a value.
// An update tells "leave it" (absent) from "remove it" (null), and an answer
// tells "unlimited" (null) from "zero". Fields that must vanish when absent
// carry the json tag option omitzero.
type Opt[T any] struct {
	value T
	state optState
}

type optState uint8

const (
	optAbsent optState = iota
	optNull
	optValue
)

// Set returns an Opt that holds v.
func Set[T any](v T) Opt[T] { return Opt[T]{value: v, state: optValue} }

// Null returns an Opt that is explicitly null.
func Null[T any]() Opt[T] { return Opt[T]{state: optNull} }

// Get returns the value and whether there is one.
func (o Opt[T]) Get() (T, bool) { return o.value, o.state == optValue }

// Or returns the value, or def where the field is absent or null.
func (o Opt[T]) Or(def T) T {
	if o.state == optValue {
		return o.value
	}
	return def
}

// IsZero reports whether the field is absent; it makes omitzero leave it out.
func (o Opt[T]) IsZero() bool { return o.state == optAbsent }

// IsNull reports whether the field is explicitly null.
func (o Opt[T]) IsNull() bool { return o.state == optNull }

// MarshalJSON writes the value, or null where there is none. A nil list is a
// value, the empty list.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if o.state != optValue {
		return []byte("null"), nil
	}
	text, err := json.Marshal(o.value)
	if string(text) == "null" && reflect.TypeFor[T]().Kind() == reflect.Slice {
		return []byte("[]"), err
	}
	return text, err
}

// UnmarshalJSON reads null as null and everything else as a value.
func (o *Opt[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*o = Null[T]()
		return nil
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*o = Set(v)
	return nil
}
