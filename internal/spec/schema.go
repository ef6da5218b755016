package spec

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
)

// schema is the part of JSON Schema that the types need. The zero value allows anything.
type schema struct {
	Ref                  string          `json:"$ref,omitempty"`
	Description          string          `json:"description,omitempty"`
	Type                 any             `json:"type,omitempty"` // a string, or a list of it and "null"
	AnyOf                []*schema       `json:"anyOf,omitempty"`
	Format               string          `json:"format,omitempty"`
	Enum                 []string        `json:"enum,omitempty"`
	Pattern              string          `json:"pattern,omitempty"`
	Default              json.RawMessage `json:"default,omitempty"`
	MinLength            *int64          `json:"minLength,omitempty"`
	MaxLength            *int64          `json:"maxLength,omitempty"`
	Minimum              *int64          `json:"minimum,omitempty"`
	Maximum              *int64          `json:"maximum,omitempty"`
	MinItems             *int64          `json:"minItems,omitempty"`
	MaxItems             *int64          `json:"maxItems,omitempty"`
	MinProperties        *int64          `json:"minProperties,omitempty"`
	MaxProperties        *int64          `json:"maxProperties,omitempty"`
	Items                *schema         `json:"items,omitempty"`
	Properties           object          `json:"properties,omitempty"` // of *schema
	Required             []string        `json:"required,omitempty"`
	AdditionalProperties *bool           `json:"additionalProperties,omitempty"`
}

// Schemas without a Go type.
func stringOf(description string) *schema {
	return &schema{Type: "string", Description: description}
}
func integerOf(description string) *schema {
	return &schema{Type: "integer", Description: description}
}

// fixed is an object that has these properties, all required, and no others.
func fixed(description string, properties ...member) *schema {
	s := &schema{
		Type: "object", Description: description, Properties: properties,
		AdditionalProperties: new(false),
	}
	for _, p := range properties {
		s.Required = append(s.Required, p.name)
	}
	return s
}

// refTo refers to a component by its name.
func refTo(name string) *schema { return &schema{Ref: "#/components/schemas/" + name} }

// value is the schema of a value of type t with these rules.
func (w *writer) value(t reflect.Type, rules check.Rules) *schema {
	s := w.bare(elem(t), rules)
	s.Enum, s.Pattern = rules.Enum, rules.Regexp
	if rules.Default != "" {
		s.Default = literal(s, rules.Default)
	}
	if rules.Null {
		s = nullable(s)
	}
	return s
}

// elem is the type of the value in an Opt or behind a pointer, and otherwise t itself.
func elem(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	if t.PkgPath() == reflect.TypeFor[latchkey.Time]().PkgPath() &&
		strings.HasPrefix(t.Name(), "Opt[") {
		get, _ := t.MethodByName("Get")
		return get.Type.Out(0)
	}
	return t
}

// bare is the schema of a value without the keywords that all types share.
func (w *writer) bare(t reflect.Type, r check.Rules) *schema {
	switch t {
	case reflect.TypeFor[latchkey.Time](), reflect.TypeFor[latchkey.Duration]():
		return &schema{Type: "integer", Format: "int64", Minimum: r.Min, Maximum: r.Max}
	case reflect.TypeFor[latchkey.Meta]():
		return &schema{
			Type: "object", MinProperties: r.Min, MaxProperties: r.Max,
			AdditionalProperties: new(true),
		}
	}
	switch t.Kind() {
	case reflect.String:
		return &schema{Type: "string", MinLength: r.Min, MaxLength: r.Max}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		return &schema{Type: "integer", Minimum: r.Min, Maximum: r.Max}
	case reflect.Int64:
		return &schema{Type: "integer", Format: "int64", Minimum: r.Min, Maximum: r.Max}
	}
	if t.Name() != "" {
		return w.component(t)
	}
	if t.Kind() == reflect.Slice {
		return w.list(t, r)
	}
	w.fail("%s: values of this type have no schema", t)
	return &schema{}
}

func (w *writer) list(t reflect.Type, r check.Rules) *schema {
	items := w.value(t.Elem(), *cmp.Or(r.Items, &check.Rules{}))
	return &schema{Type: "array", MinItems: r.Min, MaxItems: r.Max, Items: items}
}

// nullable returns s with null allowed too.
func nullable(s *schema) *schema {
	if s.Ref != "" {
		return &schema{AnyOf: []*schema{s, {Type: "null"}}}
	}
	s.Type = []any{s.Type, "null"}
	return s
}

// literal is a default value in JSON. Only strings are quoted.
func literal(s *schema, text string) json.RawMessage {
	if s.Type == "string" {
		text = `"` + text + `"`
	}
	return json.RawMessage(text)
}

// component adds the schema of a named type, once, and returns a reference to it.
func (w *writer) component(t reflect.Type) *schema {
	if _, known := w.schemas[t.Name()]; !known {
		s := &schema{}
		w.schemas[t.Name()] = s // before its fields, which may be of the type itself
		*s = *w.define(t)
		if s.Description = w.words.types[t.Name()].text; s.Description == "" {
			w.fail("type %s has no comment", t.Name())
		}
	}
	return refTo(t.Name())
}

func (w *writer) define(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Struct:
		return w.fields(t)
	case reflect.Slice:
		var tag string
		if tagger, ok := reflect.Zero(t).Interface().(check.Tagger); ok {
			tag = tagger.CheckTag()
		}
		return w.list(t, w.rules(t.Name(), tag))
	case reflect.Map:
		return &schema{Type: "object", AdditionalProperties: new(true)}
	}
	w.fail("type %s: a %s can't be a component", t.Name(), t.Kind())
	return &schema{}
}

// fields is the schema of a struct. Fields without a JSON name are left out.
func (w *writer) fields(t reflect.Type) *schema {
	s := &schema{Type: "object"}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		where := t.Name() + "." + f.Name
		rules := w.rules(where, f.Tag.Get("check"))
		p := w.value(f.Type, rules)
		if p.Description = w.words.types[t.Name()].fields[f.Name]; p.Description == "" {
			w.fail("field %s has no comment", where)
		}
		s.Properties = append(s.Properties, member{name, p})
		if rules.Required {
			s.Required = append(s.Required, name)
		}
	}
	if !check.Loose(t) {
		s.AdditionalProperties = new(false)
	}
	return s
}

func (w *writer) rules(where, tag string) check.Rules {
	rules, err := check.Parse(tag)
	if err != nil {
		w.fail("%s: %w", where, err)
	}
	return rules
}
