package latchkey

import (
	"encoding/json"
	"fmt"
	"log/slog"
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

// Int returns an Opt that holds n. Numbers of the API have 64 bits, and Set(n)
// would make an Opt[int] of a constant.
func Int(n int64) Opt[int64] { return Set(n) }

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

// String returns the value as fmt.Sprint prints it, "null", or "" where the field
// is absent.
func (o Opt[T]) String() string {
	switch o.state {
	case optValue:
		return fmt.Sprint(o.value)
	case optNull:
		return "null"
	default:
		return ""
	}
}

// LogValue gives package slog the value, or what String returns where there is
// none.
func (o Opt[T]) LogValue() slog.Value {
	if o.state == optValue {
		return slog.AnyValue(o.value)
	}
	return slog.StringValue(o.String())
}

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
