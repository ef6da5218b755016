package spec

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// satisfies returns an error if a JSON text doesn't satisfy a schema.
func satisfies(t *testing.T, s *openapi3.SchemaRef, text []byte) error {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return s.Value.VisitJSON(value)
}

func TestExamplesHaveTheTypesOfTheirOperations(t *testing.T) {
	for _, op := range engine.Ops {
		e, ok := examples[op.Name]
		if !ok {
			t.Errorf("%s has no example", op.Name)
			continue
		}
		if got := reflect.TypeOf(e.request); got != op.Request {
			t.Errorf("%s: the request is a %v, want a %v", op.Name, got, op.Request)
		}
		if got := reflect.TypeOf(e.response); got != op.Response {
			t.Errorf("%s: the response is a %v, want a %v", op.Name, got, op.Response)
		}
		if e.cursor != "" && !op.Paged {
			t.Errorf("%s has a cursor but isn't paginated", op.Name)
		}
	}
	if len(examples) != len(engine.Ops) {
		t.Errorf("%d examples for %d operations", len(examples), len(engine.Ops))
	}
}

func TestExamplesSatisfyTheirSchemas(t *testing.T) {
	doc := load(t)
	for _, op := range engine.Ops {
		o := described(t, doc, op)
		if o.RequestBody != nil {
			checkExample(t, op.Name+" request", o.RequestBody.Value.Content)
		}
		for status, response := range o.Responses.Map() {
			checkExample(t, op.Name+" "+status, response.Value.Content)
		}
	}
}

func checkExample(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for _, body := range content {
		text, err := json.Marshal(body.Example)
		if err != nil {
			t.Fatal(err)
		}
		if err := satisfies(t, body.Schema, text); err != nil {
			t.Errorf("%s: %v\n%s", where, err, text)
		}
	}
}

// A client that validates its requests with the document must get the same result
// as the service with the check tags. Each example is mutated in all ways that a
// field can be wrong.
func TestSchemasAgreeWithTheChecks(t *testing.T) {
	doc := load(t)
	for _, op := range engine.Ops {
		if op.GET {
			continue
		}
		schema := described(t, doc, op).RequestBody.Value.Content["application/json"].Schema
		for _, body := range mutations(t, examples[op.Name].request) {
			_, faults := op.Decode(body)
			err := satisfies(t, schema, body)
			if (err == nil) != (len(faults) == 0) {
				t.Errorf("%s: %s\nschema: %v\nchecks: %+v", op.Name, body, err, faults)
			}
		}
	}
}

// mutations returns a request as it is, with each of its fields left out or
// replaced, and with an unknown field.
func mutations(t *testing.T, request any) [][]byte {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	bodies := [][]byte{text, []byte("{}"), []byte("[]"), []byte("[{}]")}
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return bodies
	}
	with := func(change func(map[string]any)) {
		mutated := maps.Clone(fields)
		change(mutated)
		body, err := json.Marshal(mutated)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	with(func(m map[string]any) { m["surprise"] = 1 })
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		with(func(m map[string]any) { delete(m, name) })
		for _, value := range mutatedValues {
			with(func(m map[string]any) { m[name] = value })
		}
	}
	return bodies
}

// mutatedValues are on both sides of the bounds of fields.
var mutatedValues = []any{
	nil, true, "", "x", "wrong id!", strings.Repeat("é", 2000), 0, -1, 1, 15, 101, 999,
	5_000_000_000_000,
	[]any{}, []any{"ok"}, []any{""}, []any{1}, make([]any, 1001), map[string]any{},
	map[string]any{"surprise": 1},
}
