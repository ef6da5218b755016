package conformance

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// TestEveryOperationHasAScript checks that each operation has a script with every required kind of
// section, and that each script belongs to an operation.
func TestEveryOperationHasAScript(t *testing.T) {
	scripts, err := Scripts()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range engine.Ops {
		var kinds []string
		for _, s := range scripts[op.Name] {
			if len(s.steps) > 0 {
				kinds = append(kinds, s.Kind)
			}
		}
		for _, kind := range requiredKinds(op) {
			if !slices.Contains(kinds, kind) {
				t.Errorf("testdata/%s.txt has no section of the kind: %s", op.Name, kind)
			}
		}
		delete(scripts, op.Name)
	}
	for name := range scripts {
		t.Errorf("testdata/%s.txt belongs to no operation", name)
	}
}

func requiredKinds(op *engine.Op) []string {
	kinds := []string{"success"}
	if !op.GET {
		kinds = append(kinds, "bad request")
	}
	if !op.Public {
		kinds = append(kinds, "unauthorized")
	}
	if len(op.Rules) > 0 {
		kinds = append(kinds, "forbidden")
	}
	return kinds
}

// TestEveryOperationIsDescribed checks that the OpenAPI document contains each operation with its
// path and method, and no others.
func TestEveryOperationIsDescribed(t *testing.T) {
	paths := loadDocument(t).Paths.Map()
	for _, op := range engine.Ops {
		method := http.MethodPost
		if op.GET {
			method = http.MethodGet
		}
		item := paths["/v2/"+op.Name]
		if item == nil || item.GetOperation(method) == nil || len(item.Operations()) != 1 {
			t.Errorf("%s %s is not described, or with other methods", method, op.Name)
		}
		delete(paths, "/v2/"+op.Name)
	}
	for path := range paths {
		t.Errorf("%s is described but is not an operation", path)
	}
}

// TestEveryOperationHasAMethod calls every method of the client and records which operations they
// call.
func TestEveryOperationHasAMethod(t *testing.T) {
	sent := map[string]bool{}
	client, err := latchkey.New(latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: "key",
		HTTPClient: &http.Client{Transport: recorder(sent)},
	})
	if err != nil {
		t.Fatal(err)
	}
	callAll(t, reflect.ValueOf(client))
	nouns := reflect.ValueOf(client).Elem()
	for i := range nouns.NumField() {
		if nouns.Type().Field(i).IsExported() {
			callAll(t, nouns.Field(i))
		}
	}
	for _, op := range engine.Ops {
		if !sent[op.Name] {
			t.Errorf("no method of the client calls %s", op.Name)
		}
		delete(sent, op.Name)
	}
	for name := range sent {
		t.Errorf("a method of the client calls %s, which is not an operation", name)
	}
}

// callAll calls the methods that take a context, with zero values for the other arguments. It skips
// Call, which takes the name of an operation.
func callAll(t *testing.T, noun reflect.Value) {
	for i := range noun.NumMethod() {
		name, method := noun.Type().Method(i).Name, noun.Method(i)
		takes := method.Type()
		if name == "Call" || takes.NumIn() == 0 ||
			takes.In(0) != reflect.TypeFor[context.Context]() {
			continue
		}
		arguments := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < takes.NumIn() && !(takes.IsVariadic() && j == takes.NumIn()-1); j++ {
			arguments = append(arguments, reflect.Zero(takes.In(j)))
		}
		method.Call(arguments)
	}
}

// recorder is a transport that records the called operations and rejects them all.
type recorder map[string]bool

func (n recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	n[strings.TrimPrefix(req.URL.Path, "/v2/")] = true
	return &http.Response{StatusCode: http.StatusBadRequest,
		Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}
