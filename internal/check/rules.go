package check

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Rules are the validation rules of a field. The zero value accepts every value.
type Rules struct {
	Required bool     // the field must be present
	Null     bool     // JSON null is allowed
	Min      *int64   // the smallest size or value, or nil
	Max      *int64   // the largest size or value, or nil
	Pattern  string   // the name of a character class, or ""
	Regexp   string   // the same class as an anchored regular expression, or ""
	Enum     []string // the allowed strings, nil for all
	Default  string   // the value without the field, or ""; not applied here
	Items    *Rules   // the rules of each item of a list, or nil
}

// Tagger is a named slice type that is a whole request. It has no field with a
// tag, so CheckTag returns it, for example "min=1,max=100".
type Tagger interface{ CheckTag() string }

// Loose reports whether the struct type t ignores unknown properties, that is,
// whether it has a blank field tagged check:"loose".
func Loose(t reflect.Type) bool {
	f, found := t.FieldByNameFunc(func(name string) bool { return name == "_" })
	return found && f.Tag.Get("check") == "loose"
}

// Parse reads a check tag. The package comment has the grammar.
func Parse(tag string) (Rules, error) {
	var r Rules
	if tag == "" {
		return r, nil
	}
	var names []string
	for rule := range strings.SplitSeq(tag, ",") {
		name, _, _ := strings.Cut(rule, "=")
		if slices.Contains(names, name) {
			return Rules{}, fmt.Errorf("rule %q is repeated in %q", name, tag)
		}
		names = append(names, name)
		if err := r.add(rule); err != nil {
			return Rules{}, fmt.Errorf("%w in %q", err, tag)
		}
	}
	if r.empty() || r.Items != nil && r.Items.empty() {
		return Rules{}, fmt.Errorf("min is above max in %q", tag)
	}
	return r, nil
}

// empty reports whether no value can be within the bounds.
func (r *Rules) empty() bool { return r.Min != nil && r.Max != nil && *r.Min > *r.Max }

// add adds one rule of a tag.
func (r *Rules) add(rule string) error {
	name, value, _ := strings.Cut(rule, "=")
	ofItems, isItems := strings.CutPrefix(name, "items.")
	switch {
	case rule == "required":
		r.Required = true
	case rule == "null":
		r.Null = true
	case value == "":
		return fmt.Errorf("unknown rule or rule without a value: %q", rule)
	case name == "default":
		r.Default = value
	case isItems:
		if r.Items == nil {
			r.Items = new(Rules)
		}
		return r.Items.addValue(ofItems, value)
	default:
		return r.addValue(name, value)
	}
	return nil
}

// addValue adds one of the rules that a field and the items of a list share.
func (r *Rules) addValue(name, value string) (err error) {
	switch name {
	case "min":
		r.Min, err = number(value)
	case "max":
		r.Max, err = number(value)
	case "enum":
		r.Enum = strings.Split(value, "|")
	case "pattern":
		p, ok := Patterns[value]
		if !ok {
			return fmt.Errorf("unknown pattern %q", value)
		}
		r.Pattern, r.Regexp = value, p.Regexp
	default:
		return fmt.Errorf("unknown rule %q", name)
	}
	return err
}

func number(s string) (*int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("bound %q is not a whole number", s)
	}
	return &n, nil
}
