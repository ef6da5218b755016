package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/check"
)

// model is what the template knows of wire types.
type model struct {
	Requests, Answers []*field     // as a whole
	Visited, Appended []*structure // the structs in them
	Steps             int          // how deep objects and lists of requests nest

	structs map[reflect.Type]*structure // nil while its fields are being read
}

// structure is a struct that travels as JSON.
type structure struct {
	Name   string
	Loose  bool
	Fields []*field
}

// field is a field of a struct, the items of a list, or a request or answer as a
// whole. The last two have no JSON name.
type field struct {
	GoName, Name string
	Omit         string // the JSON option omitempty or omitzero, or ""
	Rules        check.Rules
	Kind         *kind
	Opt, Ptr     bool       // the value is in a latchkey.Opt, or behind a pointer
	Item         *field     // of a list
	Of           *structure // of an object
}

// newModel reads the types. A type or a rule that package wire has no code for is an
// error.
func newModel(requests, answers []reflect.Type) (*model, error) {
	m := &model{structs: map[reflect.Type]*structure{}}
	for _, t := range requests {
		f, err := m.whole(t)
		if err != nil {
			return nil, err
		}
		m.Requests, m.Visited = append(m.Requests, f), reach(m.Visited, f)
		m.Steps = max(m.Steps, f.steps())
	}
	for _, t := range answers {
		f, err := m.whole(t)
		if err != nil {
			return nil, err
		}
		m.Answers, m.Appended = append(m.Answers, f), reach(m.Appended, f)
	}
	return m, nil
}

// whole reads a request or an answer: a struct or a list of structs.
func (m *model) whole(t reflect.Type) (*field, error) {
	f := &field{GoName: t.Name()}
	tagger, tagged := reflect.Zero(t).Interface().(check.Tagger)
	tag := ""
	if tagged {
		tag = tagger.CheckTag()
	}
	err := m.read(f, t, tag)
	if of := cmp.Or(f.Item, f); err == nil && (of.Of == nil || f.Ptr || f.Opt) {
		err = errors.New("a request or an answer is a struct or a list of structs")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	return f, nil
}

// reach adds the structs in a field to those that are known, once.
func reach(known []*structure, f *field) []*structure {
	st := cmp.Or(f.Item, f).Of
	if st == nil || slices.Contains(known, st) {
		return known
	}
	known = append(known, st)
	for _, f := range st.Fields {
		known = reach(known, f)
	}
	return known
}

// steps returns how deep objects and lists nest in a field.
func (f *field) steps() (deepest int) {
	switch {
	case f.Item != nil:
		return 1 + f.Item.steps()
	case f.Of == nil:
		return 0
	}
	for _, f := range f.Of.Fields {
		deepest = max(deepest, f.steps())
	}
	return 1 + deepest
}

// structure reads a struct, once.
func (m *model) structure(t reflect.Type) (*structure, error) {
	if known, seen := m.structs[t]; known != nil {
		return known, nil
	} else if seen {
		return nil, fmt.Errorf("%s holds itself", t)
	}
	m.structs[t] = nil
	st := &structure{Name: t.Name(), Loose: check.Loose(t)}
	for f := range t.Fields() {
		if err := m.addField(st, f); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	m.structs[t] = st
	return st, nil
}

// addField adds a field that travels as JSON.
func (m *model) addField(st *structure, f reflect.StructField) error {
	name, omit, _ := strings.Cut(f.Tag.Get("json"), ",")
	tag := f.Tag.Get("check")
	added := &field{GoName: f.Name, Name: cmp.Or(name, f.Name), Omit: omit}
	switch {
	case f.Name == "_" && tag != "" && tag != "loose":
		return fmt.Errorf("unknown rule %q of the whole object", tag)
	case !f.IsExported() || name == "-":
		return nil
	case f.Anonymous:
		return errors.New("embedded structs are not supported")
	case omit != "" && omit != "omitempty" && omit != "omitzero":
		return fmt.Errorf("the JSON option %q is not supported", omit)
	case slices.ContainsFunc(st.Fields, func(f *field) bool { return f.Name == added.Name }):
		return fmt.Errorf("the name %q is taken", added.Name)
	}
	st.Fields = append(st.Fields, added)
	if err := m.read(added, f.Type, tag); err != nil {
		return err
	}
	isStruct := added.Kind == object && !added.Ptr && !added.Opt
	switch {
	case added.Ptr && (omit == "" || added.Rules.Required):
		return errors.New("a pointer is not required, and omitempty")
	case isStruct && (omit != "" || !added.Rules.Required):
		return errors.New("a struct that can be absent is in an Opt or behind a pointer")
	}
	return nil
}

// read reads what a field of type t holds and must obey.
func (m *model) read(f *field, t reflect.Type, tag string) (err error) {
	if f.Rules, err = check.Parse(tag); err != nil {
		return err
	}
	if err := m.readType(f, t); err != nil {
		return err
	}
	if f.Item != nil {
		f.Item.Rules = *cmp.Or(f.Rules.Items, &check.Rules{})
		if err := f.Item.fit(); err != nil {
			return err
		}
	}
	return f.fit()
}

func (m *model) readType(f *field, t reflect.Type) (err error) {
	switch {
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		f.Ptr, t = true, t.Elem()
	case strings.HasPrefix(t.Name(), "Opt["):
		get, _ := t.MethodByName("Get")
		f.Opt, t = true, get.Type.Out(0)
	}
	switch known := vocabulary[t]; {
	case known != nil:
		f.Kind = known
	case t.Kind() == reflect.String:
		f.Kind = text
	case t.Kind() == reflect.Slice:
		f.Kind, f.Item = list, &field{}
		err = m.readType(f.Item, t.Elem())
		of := f.Item
		switch {
		case err != nil:
		case of.Opt || of.Ptr || of.Kind != text && of.Kind != object && of.Kind != whole:
			err = fmt.Errorf("a list holds strings, whole numbers or structs, not %s", t.Elem())
		case of.Kind == whole:
			f.Kind = wholes
		}
	case t.Kind() == reflect.Struct && !readsItself(t):
		f.Kind = object
		f.Of, err = m.structure(t)
	default:
		err = fmt.Errorf("values of type %s are not supported", t)
	}
	return err
}

// readsItself reports whether a type has JSON of its own, which rules can't see into.
func readsItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// fit reports a rule that means nothing for the field's kind of value.
func (f *field) fit() error {
	r := f.Rules
	switch {
	case r.Null && !f.Opt:
		return errors.New("null is for an Opt")
	case (r.Min != nil || r.Max != nil) && (f.Kind == flag || f.Kind == object):
		return errors.New("min and max are not for a bool or a struct")
	case (r.Pattern != "" || r.Enum != nil) && f.Kind != text:
		return errors.New("pattern and enum are for strings")
	case r.Items != nil && f.Kind != list && f.Kind != wholes:
		return errors.New("items rules are for a list")
	}
	return nil
}
