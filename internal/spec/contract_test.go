package spec

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// contract returns the description of the Unkey v2 API that ours is compared
// with. It is not part of this repository.
func contract(t *testing.T) *openapi3.T {
	t.Helper()
	path := os.Getenv("LATCHKEY_CONTRACT")
	if path == "" {
		beside, err := filepath.Glob("../../../*/reference/contract.yaml")
		if err != nil || len(beside) == 0 {
			t.Skip("no description of the Unkey v2 API beside the repository, nor named by LATCHKEY_CONTRACT")
		}
		path = beside[0]
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOperationsKeepTheContract(t *testing.T) {
	theirs, ours := contract(t), load(t)
	var found []string
	for path, item := range theirs.Paths.Map() {
		if !strings.HasPrefix(path, "/v2/portal.") {
			found = append(found, compareItems(path, item, ours.Paths.Value(path))...)
		}
	}
	slices.Sort(found)
	for _, difference := range found {
		if deliberate[difference] == "" {
			t.Errorf("not deliberate: %s", difference)
		}
	}
	for difference := range deliberate {
		if !slices.Contains(found, difference) {
			t.Errorf("deliberate, but there is no such difference: %s", difference)
		}
	}
}

// compareItems tells how our operation at a path differs from theirs.
func compareItems(path string, theirs, ours *openapi3.PathItem) []string {
	name := strings.TrimPrefix(path, "/v2/")
	if ours == nil {
		return []string{name + ": missing"}
	}
	var found []string
	for method, t := range theirs.Operations() {
		o := ours.GetOperation(method)
		if o == nil {
			return []string{name + ": not a " + method}
		}
		for _, status := range t.Extensions["x-error-statuses"].([]any) {
			if o.Responses.Value(fmt.Sprint(status)) == nil {
				found = append(found, fmt.Sprintf("%s: %v is never answered", name, status))
			}
		}
		found = append(found, compareSchemas(name+" request", requestSchema(t), requestSchema(o), requestKeywords)...)
		found = append(found, compareSchemas(name+" answer", answerSchema(t), answerSchema(o), answerKeywords)...)
	}
	return found
}

func requestSchema(o *openapi3.Operation) *openapi3.Schema {
	if o.RequestBody == nil {
		return &openapi3.Schema{}
	}
	return o.RequestBody.Value.Content["application/json"].Schema.Value
}

func answerSchema(o *openapi3.Operation) *openapi3.Schema {
	return o.Responses.Value("200").Value.Content["application/json"].Schema.Value
}

// compareSchemas tells in which facts our schema differs from theirs.
func compareSchemas(where string, theirs, ours *openapi3.Schema, keywords func(*openapi3.Schema) map[string]any) []string {
	want, got := map[string]string{}, map[string]string{}
	flatten(want, where, theirs, keywords)
	flatten(got, where, ours, keywords)
	all := maps.Clone(want)
	maps.Copy(all, got)
	var found []string
	for fact := range all {
		if want[fact] != got[fact] {
			found = append(found, fmt.Sprintf("%s: %s, ours %s", fact, orNone(want[fact]), orNone(got[fact])))
		}
	}
	return found
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// flatten collects what a schema says of each place in a value: one fact a place
// and keyword, as text.
func flatten(facts map[string]string, where string, s *openapi3.Schema, keywords func(*openapi3.Schema) map[string]any) {
	if len(s.AnyOf) == 2 { // ours for a component or null
		facts[where+" null"] = "true"
		s = s.AnyOf[0].Value
	}
	if s.Type.Includes("null") {
		facts[where+" null"] = "true"
	}
	for keyword, value := range keywords(s) {
		if text := fmt.Sprint(value); text != "" && text != "<nil>" && text != "[]" && text != "0" {
			facts[where+" "+keyword] = text
		}
	}
	for name, p := range s.Properties {
		flatten(facts, where+"."+name, p.Value, keywords)
	}
	if s.Items != nil {
		flatten(facts, where+"[]", s.Items.Value, keywords)
	}
}

// answerKeywords are what clients read an answer by.
func answerKeywords(s *openapi3.Schema) map[string]any {
	kinds := slices.DeleteFunc(slices.Clone(s.Type.Slice()), func(k string) bool { return k == "null" })
	required := slices.Sorted(slices.Values(s.Required))
	return map[string]any{"type": strings.Join(kinds, " "), "required": required, "enum": s.Enum}
}

// requestKeywords are what decides over a request.
func requestKeywords(s *openapi3.Schema) map[string]any {
	all := answerKeywords(s)
	maps.Copy(all, map[string]any{
		"pattern": s.Pattern, "default": s.Default,
		"minLength": s.MinLength, "maxLength": pointed(s.MaxLength),
		"minimum": pointed(s.Min), "maximum": pointed(s.Max),
		"minItems": s.MinItems, "maxItems": pointed(s.MaxItems),
		"minProperties": s.MinProps, "maxProperties": pointed(s.MaxProps),
		"unknown fields": looseness(s),
	})
	const noBound = 1 << 63 // the bound of the type itself
	if s.Max != nil && *s.Max >= noBound {
		all["maximum"] = ""
	}
	return all
}

func pointed[T any](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%v!", *p)
}

// looseness says whether an object may have fields that it does not list.
func looseness(s *openapi3.Schema) string {
	if !s.Type.Includes("object") {
		return ""
	}
	if s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has {
		return "refused"
	}
	return "allowed"
}

// deliberate are the differences from the contract that we want, with the reason.
var deliberate = map[string]string{
	"ratelimit.listOverrides request.limit default: 10, ours 50": "its servers answer with 50",

	"identities.createIdentity request.ratelimits[].autoApply default: false, ours none": "a required field has no default",
	"identities.updateIdentity request.ratelimits[].autoApply default: false, ours none": "a required field has no default",
	"keys.createKey request.ratelimits[].autoApply default: false, ours none":            "a required field has no default",
	"keys.updateKey request.ratelimits[].autoApply default: false, ours none":            "a required field has no default",
	"keys.migrateKeys request.keys[].ratelimits[].autoApply default: false, ours none":   "a required field has no default",

	"keys.verifyKey: 404 is never answered":        "an unknown key is a result",
	"ratelimit.limit: 404 is never answered":       "an unknown namespace is made",
	"ratelimit.multiLimit: 404 is never answered":  "an unknown namespace is made",
	"permissions.listRoles: 404 is never answered": "a list without roles is empty",
	"liveness: 412 is never answered":              "it has no precondition",
}
