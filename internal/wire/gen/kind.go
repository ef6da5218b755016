package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// kind is what a value is to the rules, however its Go type is named.
type kind struct {
	name    string // its constant in package wire
	visit   string // the function there that visits a value
	append  string // the function there that appends one
	notZero string // the condition that a value is not zero
}

var (
	text    = &kind{"aText", "text", "appendText", `%s != ""`}
	whole   = &kind{"aWhole", "whole", "appendWhole", "%s != 0"}
	flag    = &kind{"aBool", "boolean", "appendBool", "%s"}
	instant = &kind{"aTime", "instant", "appendTime", "!%s.IsZero()"}
	span    = &kind{"aSpan", "span", "appendSpan", "%s.Milliseconds() != 0"}
	meta    = &kind{"aMeta", "meta", "appendMeta", `%s != ""`}
	list    = &kind{"aList", "texts", "appendTexts", "%s != nil"}
	wholes  = &kind{"aList", "wholes", "appendWholes", "%s != nil"}
	object  = &kind{"aStruct", "", "", "%s != nil"}
)

// vocabulary are the kinds of the types that have no other.
var vocabulary = map[reflect.Type]*kind{
	reflect.TypeFor[int]():               whole,
	reflect.TypeFor[int64]():             whole,
	reflect.TypeFor[bool]():              flag,
	reflect.TypeFor[latchkey.Time]():     instant,
	reflect.TypeFor[latchkey.Duration](): span,
	reflect.TypeFor[latchkey.Meta]():     meta,
}

// Literal returns the field as a literal of package wire, without the braces.
func (f *field) Literal() string {
	parts := []string{"kind: " + f.Kind.name}
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	r := f.Rules
	add(f.Name != "", "name: %q", f.Name)
	add(r.Required, "required: true")
	add(r.Null, "null: true")
	add(f.Needed(), "needed: true")
	low, high := bound(r.Min, "noMin"), bound(r.Max, "noMax")
	add(r.Min != nil || r.Max != nil, "size: &bounds{%s, %s}", low, high)
	add(r.Pattern != "", "pattern: check.Patterns[%q]", r.Pattern)
	add(r.Enum != nil, "enum: %#v", r.Enum)
	if f.Item != nil {
		parts = append(parts, "item: &field{"+f.Item.Literal()+"}")
	}
	return strings.Join(parts, ", ")
}

// Needed reports whether a Go value must have the field: only an Opt can be without.
func (f *field) Needed() bool { return f.Opt && f.Rules.Required }

// Needs reports whether a Go value must have one of the fields.
func (s *structure) Needs() bool { return slices.ContainsFunc(s.Fields, (*field).Needed) }

func bound(n *int64, none string) string {
	if n == nil {
		return none
	}
	return strconv.FormatInt(*n, 10)
}

// Visit returns the visit of the value, which is there and has the rules named so.
func (f *field) Visit(rules, value string) string {
	switch {
	case f.Item != nil && f.Item.Of != nil:
		return fmt.Sprintf("if openList(c, &%s, &%s) {\nfor c.nextItem(len(%[2]s)) {\n"+
			"visit%[3]s(c, %[1]s.item, item(c, &%[2]s))\n}\n}", rules, value, f.Item.Of.Name)
	case f.Ptr:
		return fmt.Sprintf("visit%s(c, &%s, pointee(c, &%s))", f.Of.Name, rules, value)
	case f.Of != nil:
		return fmt.Sprintf("visit%s(c, &%s, &%s)", f.Of.Name, rules, value)
	}
	return fmt.Sprintf("%s(c, &%s, &%s)", f.Kind.visit, rules, value)
}

// Append returns the appending of the value.
func (f *field) Append(value string) string {
	switch {
	case f.Item != nil && f.Item.Of != nil:
		return fmt.Sprintf("appendList(b, %s, append%s)", value, f.Item.Of.Name)
	case f.Ptr:
		return fmt.Sprintf("append%s(b, %s)", f.Of.Name, value)
	case f.Of != nil:
		return fmt.Sprintf("append%s(b, &%s)", f.Of.Name, value)
	}
	return fmt.Sprintf("%s(b, %s)", f.Kind.append, value)
}

// NotZero returns the condition that the value is not its zero value.
func (f *field) NotZero(value string) string {
	if f.Of != nil && !f.Ptr {
		return "true"
	}
	return fmt.Sprintf(f.Kind.notZero, value)
}

// There returns the condition that the field of an answer is not left out, "" if it
// never is: what encoding/json makes of omitempty and omitzero.
func (f *field) There(value string) string {
	isStruct := f.Opt || f.Kind == instant || f.Kind == span
	switch {
	case f.Omit == "" || f.Omit == "omitempty" && isStruct: // No struct is empty.
		return ""
	case f.Opt:
		return "!" + value + ".IsZero()"
	case f.Omit == "omitempty" && f.Item != nil:
		return "len(" + value + ") > 0"
	}
	return f.NotZero(value)
}
