package check

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// node is the compiled form of one place in a request: the body, a field or the
// items of a list.
type node struct {
	at    string // the path of its schema, to which the broken rule is added
	label string // as messages call it, such as ratelimits[].name; "" for the body
	kind  kind
	wrap  wrap
	rules Rules
	match *pattern     // the class that rules.Pattern names
	typ   reflect.Type // of the value, however it is wrapped
	size  uintptr      // of the value in bytes

	present, null reflect.Value // of an Opt: how it is with a value, and with null
	state         uintptr       // of an Opt: where in it its state is, 0 for absent
	nullState     uint8         // of an Opt: its state with null

	name   string         // of a field: in JSON
	index  int            // of a field: in its struct
	offset uintptr        // of a field: in its struct, in bytes
	fields []*node        // of an object: in the order of the struct
	byName map[string]int // of an object: where a JSON name is in fields
	loose  bool           // of an object: unknown names are ignored
	must   uint64         // of an object: the bits of its required fields, in the order of fields
	needs  bool           // of an object: a required one may be absent in Go, too
	item   *node          // of a list
}

// compileRoot compiles the type of a whole request.
func compileRoot(t reflect.Type) (*node, error) {
	var tag string
	if tagger, ok := reflect.Zero(t).Interface().(Tagger); ok {
		tag = tagger.CheckTag()
	}
	rules, err := Parse(tag)
	if err != nil {
		return nil, err
	}
	root, err := compile(t, "", "", rules)
	if err != nil {
		return nil, err
	}
	body := root
	if root.kind == list {
		body = root.item
	}
	if root.wrap != plain || body.kind != object {
		return nil, errors.New("a request is a struct or a slice of structs")
	}
	return root, nil
}

// compile compiles the place of type t at the schema path at.
func compile(t reflect.Type, at, label string, rules Rules) (n *node, err error) {
	n = &node{at: at, label: label, rules: rules, match: patterns[rules.Pattern]}
	n.wrap, t = wrapOf(t)
	n.typ, n.size = t, t.Size()
	if n.kind, err = kindOf(t); err != nil {
		return nil, err
	}
	if err := rules.fit(n.kind, n.wrap); err != nil {
		return nil, err
	}
	switch n.kind {
	case list:
		err = n.compileItem(t.Elem())
	case object:
		err = n.compileFields(t)
	}
	return n, err
}

// compileItem compiles the items of a list: strings or structs.
func (n *node) compileItem(t reflect.Type) (err error) {
	var rules Rules
	if n.rules.Items != nil {
		rules = *n.rules.Items
	}
	if n.item, err = compile(t, n.at+"/items", n.label+"[]", rules); err != nil {
		return err
	}
	if n.item.wrap != plain || n.item.kind != text && n.item.kind != object {
		return fmt.Errorf("a list holds strings or structs, not %s", t)
	}
	return nil
}

// compileFields compiles the fields of a struct that travel in JSON.
func (n *node) compileFields(t reflect.Type) error {
	n.loose = Loose(t)
	n.byName = map[string]int{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		rule := f.Tag.Get("check")
		var err error
		switch {
		case f.Name == "_" && rule != "" && rule != "loose":
			err = fmt.Errorf("unknown rule %q of the whole object", rule)
		case name == "-":
		case f.Anonymous:
			err = errors.New("embedded structs are not supported")
		case f.IsExported():
			err = n.compileField(f, cmp.Or(name, f.Name))
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (n *node) compileField(f reflect.StructField, name string) error {
	if _, taken := n.byName[name]; taken {
		return fmt.Errorf("the name %q is taken", name)
	}
	if len(n.fields) == 64 {
		return errors.New("an object has at most 64 fields")
	}
	rules, err := Parse(f.Tag.Get("check"))
	if err != nil {
		return err
	}
	field, err := compile(f.Type, n.at+"/properties/"+name, join(n.label, name), rules)
	if err != nil {
		return err
	}
	field.name, field.index, field.offset = name, f.Index[0], f.Offset
	if rules.Required {
		n.must |= 1 << len(n.fields)
		n.needs = n.needs || field.wrap == pointer || field.wrap == optional && !field.rules.Null
	}
	n.byName[name] = len(n.fields)
	n.fields = append(n.fields, field)
	return field.compileOpt(f.Type)
}

// compileOpt prepares the two states that reading JSON can put an Opt into.
func (n *node) compileOpt(t reflect.Type) (err error) {
	if n.wrap != optional {
		return nil
	}
	if n.null, err = newOpt(t, "null"); err != nil {
		return err
	}
	n.state, n.nullState = t.Field(1).Offset, uint8(n.null.Field(1).Uint())
	n.present, err = newOpt(t, kinds[n.kind].empty)
	return err
}

func join(label, name string) string {
	if label == "" {
		return name
	}
	return label + "." + name
}
