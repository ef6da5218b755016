// Command gen writes the code of package wire from the types of the root package. It
// runs in internal/wire, as go generate does. It needs none of the code that it
// writes, so a type can be changed while that code doesn't compile.
package main

import (
	"bytes"
	_ "embed"
	"go/format"
	"log"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/latchkeyhq/latchkey"
)

func main() {
	log.SetFlags(0)
	code, err := generate(wireTypes())
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("generated.go", code, 0o644); err != nil {
		log.Fatal(err)
	}
}

// wireTypes returns the types that the client's methods take and return, of a page
// its list, and those that none of them names. The operations' requests and answers
// are among them.
func wireTypes() (requests, answers []reflect.Type) {
	requests = []reflect.Type{
		reflect.TypeFor[latchkey.LivenessRequest](),
		reflect.TypeFor[latchkey.WhoamiRootKeyRequest](),
		reflect.TypeFor[latchkey.WorkspaceLimitsRequest](),
		reflect.TypeFor[latchkey.SystemHealthRequest](),
		reflect.TypeFor[latchkey.SelfKeyRequest](), reflect.TypeFor[latchkey.SelfRevokeKeyRequest](),
	}
	answers = []reflect.Type{
		reflect.TypeFor[latchkey.Liveness](), reflect.TypeFor[latchkey.RootKeyWhoami](),
		reflect.TypeFor[latchkey.Empty](), reflect.TypeFor[latchkey.WorkspaceLimits](),
		reflect.TypeFor[latchkey.SystemHealth](),
		reflect.TypeFor[latchkey.SelfKey](),
		reflect.TypeFor[latchkey.Pagination](),
	}
	for group := range reflect.TypeFor[latchkey.Client]().Fields() {
		if !group.IsExported() {
			continue
		}
		for m := range group.Type.Methods() {
			if m.Type.NumIn() < 3 || !strings.HasSuffix(m.Type.In(2).Name(), "Request") {
				continue
			}
			requests = append(requests, m.Type.In(2))
			answer := m.Type.Out(0)
			if strings.HasPrefix(answer.Name(), "Page[") {
				answer = answer.Field(0).Type
			}
			if of := itemOf(answer); m.Type.NumOut() == 2 && of.Kind() == reflect.Struct {
				answers = append(answers, answer)
			}
		}
	}
	return unique(requests), unique(answers)
}

func unique(types []reflect.Type) (all []reflect.Type) {
	for _, t := range types {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// itemOf is the type of a list's items, else t itself.
func itemOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return t
}

//go:embed generated.tmpl
var source string

var code = template.Must(template.New("generated").Parse(source))

// generate returns the code for requests and answers.
func generate(requests, answers []reflect.Type) ([]byte, error) {
	m, err := newModel(requests, answers)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := code.Execute(&b, m); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
