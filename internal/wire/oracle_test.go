package wire

import (
	"cmp"
	"encoding/json"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
)

// schema is as much of JSON Schema as the tags can say. It checks requests by the
// book, on decoded JSON, and shares no code with what is generated: it is made by
// reflection.
type schema struct {
	check.Rules
	Type       string
	Properties map[string]*schema
	Loose      bool
	Instant    bool
	Item       *schema
}

// schemaOf returns the schema of a value of type t that obeys rules.
func schemaOf(t reflect.Type, rules check.Rules) *schema {
	s := &schema{Rules: rules}
	if tagger, ok := reflect.Zero(t).Interface().(check.Tagger); ok {
		s.Rules, _ = check.Parse(tagger.CheckTag())
	}
	t = held(t)
	switch {
	case t == reflect.TypeFor[latchkey.Meta]():
		s.Type, s.Loose = "object", true
	case t == reflect.TypeFor[latchkey.Time](), t == reflect.TypeFor[latchkey.Duration]():
		s.Type, s.Instant = "integer", t == reflect.TypeFor[latchkey.Time]()
	case t.Kind() == reflect.Slice:
		s.Type, s.Item = "array", schemaOf(t.Elem(), *cmp.Or(s.Items, &check.Rules{}))
	case t.Kind() == reflect.Struct:
		s.Type, s.Loose, s.Properties = "object", check.Loose(t), map[string]*schema{}
		for f, name := range properties(t) {
			rules, _ := check.Parse(f.Tag.Get("check"))
			s.Properties[name] = schemaOf(f.Type, rules)
		}
	default:
		s.Type = map[reflect.Kind]string{
			reflect.String: "string", reflect.Bool: "boolean",
		}[t.Kind()]
		s.Type = cmp.Or(s.Type, "integer")
	}
	return s
}

// held is the type of the value in an Opt or behind a pointer, else t itself.
func held(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	if isOpt(t) {
		get, _ := t.MethodByName("Get")
		return get.Type.Out(0)
	}
	return t
}

func isOpt(t reflect.Type) bool { return strings.HasPrefix(t.Name(), "Opt[") }

// properties yields the fields of a struct that travel as JSON, and their names.
func properties(t reflect.Type) func(func(reflect.StructField, string) bool) {
	return func(yield func(reflect.StructField, string) bool) {
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() && name != "-" && !yield(f, cmp.Or(name, f.Name)) {
				return
			}
		}
	}
}

// faults returns the locations of what is wrong with value, in any order.
func (s *schema) faults(value any, at string) (all []string) {
	if value == nil && s.Null {
		return nil
	}
	if kindOfJSON(value) != s.Type {
		return []string{at + "/type"}
	}
	all = s.boundFaults(value, at)
	switch value := value.(type) {
	case map[string]any:
		return append(all, s.objectFaults(value, at)...)
	case []any:
		if len(all) > 0 && strings.HasSuffix(all[0], "/maxItems") {
			return all
		}
		for _, item := range value {
			all = append(all, s.Item.faults(item, at+"/items")...)
		}
	}
	return all
}

func (s *schema) objectFaults(object map[string]any, at string) (all []string) {
	for name, p := range s.Properties {
		if _, ok := object[name]; !ok && p.Required {
			all = []string{at + "/required"} // one for all that are missing
		}
	}
	for name, value := range object {
		if property, ok := s.Properties[name]; ok {
			all = append(all, property.faults(value, at+"/properties/"+name)...)
		} else if !s.Loose {
			all = append(all, at+"/additionalProperties")
		}
	}
	return all
}

func (s *schema) boundFaults(value any, at string) (all []string) {
	size, low, high := new(big.Int), "minimum", "maximum"
	switch value := value.(type) {
	case string:
		size.SetInt64(int64(utf8.RuneCountInString(value)))
		low, high = "minLength", "maxLength"
		if strings.Contains(value, "\x00") {
			all = append(all, at+"/pattern")
		}
		if s.Regexp != "" && !regexp.MustCompile(s.Regexp).MatchString(value) {
			all = append(all, at+"/pattern")
		}
		if s.Enum != nil && !slices.Contains(s.Enum, value) {
			all = append(all, at+"/enum")
		}
	case json.Number:
		size.SetString(value.String(), 10)
		if n := size.Int64(); s.Instant && n >= 1_000_000_000 && n <= 9_999_999_999 {
			all = append(all, at+"/minimum") // a time in seconds
		}
	case []any:
		size.SetInt64(int64(len(value)))
		low, high = "minItems", "maxItems"
	case map[string]any:
		size.SetInt64(int64(len(value)))
		low, high = "minProperties", "maxProperties"
	}
	if s.Min != nil && size.Cmp(big.NewInt(*s.Min)) < 0 {
		all = append(all, at+"/"+low)
	}
	if s.Max != nil && size.Cmp(big.NewInt(*s.Max)) > 0 {
		all = append(all, at+"/"+high)
	}
	return all
}

func kindOfJSON(value any) string {
	switch value := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if n, ok := new(big.Int).SetString(value.String(), 10); ok && n.IsInt64() {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// known returns value without the properties that s does not know.
func (s *schema) known(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if s.Properties == nil {
			return value
		}
		kept := map[string]any{}
		for name, v := range value {
			if p, ok := s.Properties[name]; ok {
				kept[name] = p.known(v)
			}
		}
		return kept
	case []any:
		for i, item := range value {
			value[i] = s.Item.known(item)
		}
	}
	return value
}

// asJSON returns a Go value as decoded JSON, without the fields that are absent in
// the sense of [Check].
func asJSON(v reflect.Value) any {
	switch held := v.Interface().(type) {
	case latchkey.Time:
		return number(held.UnixMilli())
	case latchkey.Duration:
		return number(held.Milliseconds())
	case latchkey.Meta:
		return decoded([]byte(cmp.Or(held, "{}")))
	}
	switch v.Kind() {
	case reflect.Struct:
		if isOpt(v.Type()) {
			return asJSON(v.MethodByName("Get").Call(nil)[0])
		}
		object := map[string]any{}
		for f, name := range properties(v.Type()) {
			field := v.FieldByIndex(f.Index)
			rules, _ := check.Parse(f.Tag.Get("check"))
			state, _ := field.Interface().(interface{ IsNull() bool })
			switch absent := isAbsent(field); {
			case state != nil && state.IsNull():
				object[name] = nil
			case !absent || rules.Required && state == nil:
				object[name] = asJSON(field)
			}
		}
		return object
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, asJSON(v.Index(i)))
		}
		return list
	case reflect.Pointer:
		return asJSON(v.Elem())
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	}
	return number(v.Int())
}

// isAbsent reports whether a field is absent. A Time decides by itself, because
// "none" stays none in every time zone.
func isAbsent(v reflect.Value) bool {
	if decides, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return decides.IsZero()
	}
	return v.IsZero()
}

func number(n int64) json.Number { return json.Number(big.NewInt(n).String()) }

// decoded returns JSON as encoding/json decodes it, and "broken" if it is none.
func decoded(text []byte) (value any) {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if !json.Valid(text) || dec.Decode(&value) != nil {
		return "broken"
	}
	return value
}
