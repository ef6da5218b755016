package main

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func TestCommittedCodeIsCurrent(t *testing.T) {
	want, err := generate(wireTypes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../generated.go"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("generated.go is not what the types make today: run make generate (%v)", err)
	}
}

type part struct{ A string }

type itself struct {
	A *itself `json:",omitempty"`
}

// A mistake in a tag or a type has to show when code is generated, not in a request.
func TestInvalidFieldsAreRejected(t *testing.T) {
	type named time.Duration
	for _, c := range []struct {
		field any
		tag   reflect.StructTag
		want  string
	}{
		{"", `check:"mni=1"`, "unknown rule"},
		{"", `check:"null"`, "null is for an Opt"},
		{"", `check:"items.min=1"`, "items rules are for a list"},
		{false, `check:"min=1"`, "not for a bool"},
		{latchkey.Opt[bool]{}, `check:"min=1"`, "not for a bool"},
		{latchkey.Opt[part]{}, `check:"max=1"`, "not for a bool or a struct"},
		{1, `check:"pattern=id"`, "for strings"},
		{[]string{}, `check:"enum=a"`, "for strings"},
		{[]part{}, `check:"items.min=1"`, "not for a bool or a struct"},
		{&part{}, ``, "a pointer is not required"},
		{&part{}, `json:",omitempty" check:"required"`, "a pointer is not required"},
		{part{}, ``, "a struct that can be absent"},
		{part{}, `json:",omitzero" check:"required"`, "a struct that can be absent"},
		{"", `json:",string"`, "the JSON option"},
		{new(string), ``, "not supported"},
		{new(*part), ``, "not supported"},
		{[]bool{}, ``, "a list holds strings, whole numbers or structs"},
		{[][]string{}, ``, "a list holds strings, whole numbers or structs"},
		{[]*part{}, ``, "a list holds strings, whole numbers or structs"},
		{[]latchkey.Opt[string]{}, ``, "a list holds strings, whole numbers or structs"},
		{[]byte{}, ``, "not supported"},
		{[3]string{}, ``, "not supported"},
		{map[string]string{}, ``, "not supported"},
		{1.5, ``, "not supported"},
		{named(1), ``, "not supported"},
		{time.Time{}, ``, "not supported"},
		{latchkey.Opt[latchkey.Opt[bool]]{}, ``, "not supported"},
		{latchkey.Opt[*part]{}, ``, "not supported"},
		{&itself{}, `json:",omitempty"`, "holds itself"},
	} {
		field := reflect.StructField{Name: "Field", Type: reflect.TypeOf(c.field), Tag: c.tag}
		refused(t, reflect.StructOf([]reflect.StructField{field}), c.want)
	}
}

type badList []part

func (badList) CheckTag() string { return "min=" }

func TestInvalidTypesAreRejected(t *testing.T) {
	type clash struct {
		A string
		B string `json:"A"`
	}
	type misspelled struct {
		_ struct{} `check:"lose"`
	}
	for _, c := range []struct {
		value any
		want  string
	}{
		{clash{}, "is taken"},
		{misspelled{}, "unknown rule"},
		{struct{ Part part }{}, "a struct that can be absent"},
		{struct{ latchkey.Fault }{}, "embedded"},
		{"", "a request or an answer is"},
		{&part{}, "a request or an answer is"},
		{latchkey.Opt[part]{}, "a request or an answer is"},
		{[]string{}, "a request or an answer is"},
		{badList{}, "unknown rule or rule without a value"},
	} {
		refused(t, reflect.TypeOf(c.value), c.want)
	}
}

// refused holds that no code is generated for requests and answers of type t.
func refused(t *testing.T, of reflect.Type, want string) {
	t.Helper()
	types := []reflect.Type{of}
	for _, pair := range [][2][]reflect.Type{{types, nil}, {nil, types}} {
		_, err := generate(pair[0], pair[1])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", of, err, want)
		}
	}
}
