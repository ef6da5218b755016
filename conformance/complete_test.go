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

// withoutSuccess are operations that succeed only where there is something
// beside the service, and why.
var withoutSuccess = map[string]string{
	"analytics.getVerifications": "needs an event store that understands SQL",
	"analytics.getRatelimits":    "needs an event store that understands SQL",
}

// TestEveryOperationIsPromised: each operation has a script with the four kinds
// of promise that are owed, and there is no script of anything else.
func TestEveryOperationIsPromised(t *testing.T) {
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
		for _, owed := range owed(op) {
			if !slices.Contains(kinds, owed) {
				t.Errorf("testdata/%s.txt promises nothing about: %s", op.Name, owed)
			}
		}
		delete(scripts, op.Name)
	}
	for name := range scripts {
		t.Errorf("testdata/%s.txt is a script of no operation", name)
	}
}

func owed(op *engine.Op) []string {
	scenes := []string{"success"}
	if withoutSuccess[op.Name] != "" {
		scenes = []string{"refused"}
	}
	if !op.GET {
		scenes = append(scenes, "bad request")
	}
	if !op.Public {
		scenes = append(scenes, "unauthorised", "forbidden")
	}
	return scenes
}

// TestEveryOperationIsDescribed: each operation is in the OpenAPI document under
// its path and method, and nothing else is.
func TestEveryOperationIsDescribed(t *testing.T) {
	paths := loadDocument(t).Paths.Map()
	for _, op := range engine.Ops {
		method := http.MethodPost
		if op.GET {
			method = http.MethodGet
		}
		item := paths["/v2/"+op.Name]
		if item == nil || item.GetOperation(method) == nil || len(item.Operations()) != 1 {
			t.Errorf("%s %s is not described, or not alone", method, op.Name)
		}
		delete(paths, "/v2/"+op.Name)
	}
	for path := range paths {
		t.Errorf("%s is described and is no operation", path)
	}
}

// TestEveryOperationHasAMethod calls every method of the client and its nouns
// and notes what they send.
func TestEveryOperationHasAMethod(t *testing.T) {
	sent := map[string]bool{}
	client, err := latchkey.New(latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: "key", HTTPClient: &http.Client{Transport: note(sent)},
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
			t.Errorf("no method of the client sends %s", op.Name)
		}
		delete(sent, op.Name)
	}
	for name := range sent {
		t.Errorf("a method of the client sends %s, which is no operation", name)
	}
}

// callAll calls the methods that take a context and a request that says
// nothing, except Call, which takes the name of any operation.
func callAll(t *testing.T, noun reflect.Value) {
	for i := range noun.NumMethod() {
		name, method := noun.Type().Method(i).Name, noun.Method(i)
		takes := method.Type()
		if name == "Call" || takes.NumIn() == 0 || takes.In(0) != reflect.TypeFor[context.Context]() {
			continue
		}
		arguments := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < takes.NumIn() && !(takes.IsVariadic() && j == takes.NumIn()-1); j++ {
			arguments = append(arguments, reflect.Zero(takes.In(j)))
		}
		method.Call(arguments)
	}
}

// note is a transport that notes which operations are sent and refuses them all.
type note map[string]bool

func (n note) RoundTrip(req *http.Request) (*http.Response, error) {
	n[strings.TrimPrefix(req.URL.Path, "/v2/")] = true
	return &http.Response{StatusCode: http.StatusBadRequest, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}
