package latchkey

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
)

// Opt is a field with three states: absent (the zero value), null, or a value.
// So an update can leave a field as it is (absent) or remove it (null), and a
// response can tell "unlimited" (null) from zero. [Set], [Int] and [Null] make
// one. With the json tag option omitzero an absent field is left out.
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

// Int returns an Opt that holds n, for numbers of the API, which have 64 bits.
// Set of a constant is an Opt[int].
func Int(n int64) Opt[int64] { return Set(n) }

// Null returns an Opt that is explicitly null.
func Null[T any]() Opt[T] { return Opt[T]{state: optNull} }

// Get returns the value and whether there is one.
func (o Opt[T]) Get() (T, bool) { return o.value, o.state == optValue }

// Or returns the value, or def if the field is absent or null.
func (o Opt[T]) Or(def T) T {
	if o.state == optValue {
		return o.value
	}
	return def
}

// IsZero reports whether the field is absent. The json tag option omitzero calls it.
func (o Opt[T]) IsZero() bool { return o.state == optAbsent }

// IsNull reports whether the field is explicitly null.
func (o Opt[T]) IsNull() bool { return o.state == optNull }

// String returns the value as fmt.Sprint prints it, "null", or "" if the field is
// absent.
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

// LogValue returns the value for package slog, or that of String if there is none.
func (o Opt[T]) LogValue() slog.Value {
	if o.state == optValue {
		return slog.AnyValue(o.value)
	}
	return slog.StringValue(o.String())
}

// MarshalJSON encodes the value, or null if there is none. A nil slice is encoded
// as an empty list.
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

// UnmarshalJSON decodes null as null and everything else as a value.
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
