package spec

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// contractFile is the file of contractFacts.
const contractFile = "contract.txt"

// description is an OpenAPI document of the Unkey v2 API, to update contractFile from.
var description = flag.String("contract", "", "OpenAPI `file` to write "+contractFile+" from")

func TestOperationsKeepTheContract(t *testing.T) {
	if *description != "" {
		writeContract(t, *description)
	}
	theirs, ours := contract(t), factsOf(load(t))
	for fact := range ours {
		operation, rest, _ := strings.Cut(fact, " ")
		if theirs[operation+" method"] == "" ||
			strings.HasPrefix(rest, "answers ") && theirs[fact] == "" {
			delete(ours, fact) // ours alone: their clients don't use it
		}
		for _, field := range added {
			if strings.Contains(fact, "."+field+" ") && theirs[fact] == "" {
				delete(ours, fact)
			}
		}
	}
	all := maps.Clone(theirs)
	maps.Copy(all, ours)
	found := map[string]bool{}
	for _, fact := range slices.Sorted(maps.Keys(all)) {
		if theirs[fact] == ours[fact] {
			continue
		}
		difference := fmt.Sprintf("%s: %s, ours %s", fact, orNone(theirs[fact]), orNone(ours[fact]))
		found[difference] = true
		if deliberate[difference] == "" && !isAboutBudgets(difference) {
			t.Errorf("not deliberate: %s", difference)
		}
	}
	for difference := range deliberate {
		if !found[difference] {
			t.Errorf("deliberate, but there is no such difference: %s", difference)
		}
	}
}

// isAboutBudgets reports whether a difference is one of the fields for budgets, which Unkey's
// API doesn't have.
func isAboutBudgets(difference string) bool {
	for _, field := range []string{
		"request.budgets", "request.reserve", "answer.data.budgets", "answer.data.reservation",
	} {
		if strings.HasPrefix(difference, "keys.verifyKey "+field) {
			return true
		}
	}
	return false
}

func orNone(s string) string { return cmp.Or(s, "none") }

// contract reads contractFile.
func contract(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fact, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Fatalf("%s: not a fact: %q", contractFile, line)
		}
		facts[fact] = value
	}
	return facts
}

func writeContract(t *testing.T, description string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(description)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	facts := factsOf(doc)
	for _, fact := range slices.Sorted(maps.Keys(facts)) {
		if !strings.HasPrefix(fact, "portal.") {
			fmt.Fprintf(&text, "%s: %s\n", fact, facts[fact])
		}
	}
	if err := os.WriteFile(contractFile, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// factsOf returns the facts of a document: their values by operation and place.
func factsOf(doc *openapi3.T) map[string]string {
	facts := map[string]string{}
	for path, item := range doc.Paths.Map() {
		name := strings.TrimPrefix(path, "/v2/")
		for method, o := range item.Operations() {
			facts[name+" method"] = method
			for status := range o.Responses.Map() {
				facts[name+" answers "+status] = "true"
			}
			statuses, _ := o.Extensions["x-error-statuses"].([]any)
			for _, status := range statuses {
				facts[fmt.Sprintf("%s answers %v", name, status)] = "true"
			}
			flatten(facts, name+" request", requestSchema(o), requestKeywords)
			flatten(facts, name+" answer", responseSchema(o), responseKeywords)
		}
	}
	return facts
}

func requestSchema(o *openapi3.Operation) *openapi3.Schema {
	if o.RequestBody == nil {
		return &openapi3.Schema{}
	}
	return o.RequestBody.Value.Content["application/json"].Schema.Value
}

func responseSchema(o *openapi3.Operation) *openapi3.Schema {
	return o.Responses.Value("200").Value.Content["application/json"].Schema.Value
}

// flatten adds the facts of a schema: one for each place in a value and keyword.
func flatten(
	facts map[string]string, where string, s *openapi3.Schema,
	keywords func(*openapi3.Schema) map[string]any,
) {
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

// responseKeywords are the keywords that matter to a reader of a response.
func responseKeywords(s *openapi3.Schema) map[string]any {
	kinds := slices.DeleteFunc(slices.Clone(s.Type.Slice()), func(k string) bool {
		return k == "null"
	})
	required := slices.Sorted(slices.Values(s.Required))
	return map[string]any{"type": strings.Join(kinds, " "), "required": required, "enum": s.Enum}
}

// requestKeywords are the keywords that decide whether a request is valid.
func requestKeywords(s *openapi3.Schema) map[string]any {
	all := responseKeywords(s)
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

// looseness says whether an object can have fields that it doesn't list.
func looseness(s *openapi3.Schema) string {
	if !s.Type.Includes("object") {
		return ""
	}
	if s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has {
		return "refused"
	}
	return "allowed"
}

// added are the fields that the contract doesn't have. Requests can leave them out,
// and clients ignore those of responses that they don't know.
var added = []string{
	"algorithm", "data.apiId", "data[].apiId", "disabled", "enabled", "grants", "grants[]",
	"grants[].direct", "grants[].permission", "grants[].roles", "grants[].roles[]", "keyspaceId",
	"keys[].start", "keyspaces", "keyspaces[]", "retryAfter", "role",
}

const isBounded = "every list and text of a request has a maximum"

const newer = "the newest published client"

const noDefault = "a required field has no default"

// deliberate are the intended differences from the contract, with the reason.
var deliberate = map[string]string{
	"ratelimit.listOverrides request.limit default: 10, ours 50": "its servers answer with 50",

	"keys.rerollKey request.expiration null: none, ours true": newer,
	"keys.updateKey request.ratelimits null: none, ours true": newer,

	"permissions.setRolePermissions request required: [permissions roleId], ours [permissions]": newer,
	"permissions.setRolePermissions request.roleId maxLength: 255!, ours 128!":                  newer,
	"permissions.setRolePermissions request.roleId minLength: 3, ours 1":                        newer,
	"permissions.setRolePermissions request.roleId pattern: ^[a-zA-Z0-9_-]+$, ours none":        newer,

	"identities.createIdentity request.ratelimits[].autoApply default: false, ours none": noDefault,
	"identities.updateIdentity request.ratelimits[].autoApply default: false, ours none": noDefault,
	"keys.createKey request.ratelimits[].autoApply default: false, ours none":            noDefault,
	"keys.updateKey request.ratelimits[].autoApply default: false, ours none":            noDefault,
	"keys.migrateKeys request.keys[].ratelimits[].autoApply default: false, ours none":   noDefault,

	"analytics.getRatelimits request.query maxLength: none, ours 60000!":            isBounded,
	"analytics.getVerifications request.query maxLength: none, ours 60000!":         isBounded,
	"apis.listKeys request.apiId maxLength: none, ours 8192!":                       isBounded,
	"apis.listKeys request.cursor maxLength: none, ours 8192!":                      isBounded,
	"apis.listKeys request.externalId maxLength: none, ours 8192!":                  isBounded,
	"identities.deleteIdentity request.identity maxLength: none, ours 8192!":        isBounded,
	"identities.getIdentity request.identity maxLength: none, ours 8192!":           isBounded,
	"identities.listIdentities request.cursor maxLength: none, ours 8192!":          isBounded,
	"identities.updateIdentity request.identity maxLength: none, ours 8192!":        isBounded,
	"keys.migrateKeys request.keys maxItems: none, ours 10000!":                     isBounded,
	"keys.migrateKeys request.keys[].hash maxLength: none, ours 512!":               isBounded,
	"keys.setPermissions request.permissions maxItems: none, ours 1000!":            isBounded,
	"keys.updateCredits request.keyId maxLength: none, ours 8192!":                  isBounded,
	"keys.verifyKey request.ratelimits maxItems: none, ours 50!":                    isBounded,
	"keys.verifyKey request.ratelimits[].duration maximum: none, ours 2.592e+09!":   isBounded,
	"permissions.createRole request.permissions maxItems: none, ours 1000!":         isBounded,
	"permissions.setRolePermissions request.permissions maxItems: none, ours 1000!": isBounded,
	"ratelimit.listOverrides request.cursor maxLength: none, ours 8192!":            isBounded,

	"keys.verifyKey answers 404: true, ours none":        "an unknown key is a result",
	"ratelimit.limit answers 404: true, ours none":       "an unknown namespace is created",
	"ratelimit.multiLimit answers 404: true, ours none":  "an unknown namespace is created",
	"permissions.listRoles answers 404: true, ours none": "a list without roles is empty",
	"liveness answers 412: true, ours none":              "it has no precondition",
}
