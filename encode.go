package latchkey

import (
	"encoding/json"
	"reflect"
	"strings"
)

// encode encodes a request as JSON. A nil slice of a required list is encoded as
// an empty list, because services refuse null; Opt does the same for its value.
func encode(request any) ([]byte, error) {
	v := reflect.ValueOf(request)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Slice && v.IsNil() && !encodesItself(v.Type()):
		return []byte("[]"), nil
	case v.Kind() == reflect.Struct && hasNilList(v):
		return json.Marshal(withoutNilLists(v))
	}
	return json.Marshal(request)
}

// withoutNilLists returns a copy of a struct with empty slices for nil ones.
func withoutNilLists(v reflect.Value) any {
	filled := reflect.New(v.Type()).Elem()
	filled.Set(v)
	for i := range filled.NumField() {
		if isNilList(v, i) {
			filled.Field(i).Set(reflect.MakeSlice(v.Field(i).Type(), 0, 0))
		}
	}
	return filled.Addr().Interface()
}

func hasNilList(v reflect.Value) bool {
	if encodesItself(v.Type()) {
		return false
	}
	for i := range v.NumField() {
		if isNilList(v, i) {
			return true
		}
	}
	return false
}

// isNilList reports whether a field is a nil slice that would be encoded as null.
func isNilList(v reflect.Value, i int) bool {
	f := v.Type().Field(i)
	return f.IsExported() && f.Type.Kind() == reflect.Slice && v.Field(i).IsNil() &&
		!encodesItself(f.Type) && !strings.Contains(f.Tag.Get("json"), ",omit")
}

func encodesItself(t reflect.Type) bool { return t.Implements(reflect.TypeFor[json.Marshaler]()) }
