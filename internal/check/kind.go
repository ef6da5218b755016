package check

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/latchkeyhq/latchkey"
)

// kind is what a value is to the rules, however its Go type is named.
type kind uint8

const (
	text kind = iota
	whole
	boolean
	instant
	span
	meta
	list
	object
)

// kinds says what sets the kinds apart.
var kinds = [...]struct {
	starts    string // the bytes that its JSON can begin with
	empty     string // one value in JSON
	called    string // as a message calls it
	min, max  string // the schema keywords of its bounds, "" where it has none
	verb      string // what a message says of its size
	one, many string // what its size counts
}{
	text:    {`"`, `""`, "a string", "minLength", "maxLength", "have", " character", " characters"},
	whole:   {"-0123456789", "0", "a whole number", "minimum", "maximum", "be", "", ""},
	boolean: {"tf", "false", "true or false", "", "", "", "", ""},
	instant: {"-0123456789", "0", "a time in unix milliseconds", "minimum", "maximum", "be", " (unix milliseconds)", " (unix milliseconds)"},
	span:    {"-0123456789", "0", "a whole number of milliseconds", "minimum", "maximum", "be", " ms", " ms"},
	meta:    {"{", "{}", "an object", "minProperties", "maxProperties", "have", " property", " properties"},
	list:    {"[", "[]", "an array", "minItems", "maxItems", "have", " item", " items"},
	object:  {"{", "{}", "an object", "", "", "", "", ""},
}

// kindOf returns the kind of a Go type. A type that reads its own JSON is refused
// unless it is one of the vocabulary's, for the rules could not see into it. So
// is a named number such as time.Duration, which hides its unit.
func kindOf(t reflect.Type) (kind, error) {
	switch t {
	case reflect.TypeFor[latchkey.Time]():
		return instant, nil
	case reflect.TypeFor[latchkey.Duration]():
		return span, nil
	case reflect.TypeFor[latchkey.Meta]():
		return meta, nil
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return whole, nil
	}
	if readsItself(t) {
		return 0, fmt.Errorf("%s reads its own JSON", t)
	}
	switch t.Kind() {
	case reflect.String:
		return text, nil
	case reflect.Bool:
		return boolean, nil
	case reflect.Slice:
		return list, nil
	case reflect.Struct:
		return object, nil
	}
	return 0, fmt.Errorf("fields of type %s are not supported", t)
}

func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
