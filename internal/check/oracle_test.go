package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// schema is as much of JSON Schema as the tags can say. It checks requests by
// the book, on decoded JSON and with none of the package's code.
type schema struct {
	Type       string
	Nullable   bool
	Required   []string
	Properties map[string]schema
	Loose      bool
	Items      *schema
	Minimum    *int64
	Maximum    *int64
	Pattern    string
	Enum       []string
}

// updateSchema is what the tags of update ask.
const updateSchema = `{"type": "object", "required": ["keyId"], "properties": {
	"keyId": {"type": "string", "minimum": 3, "maximum": 255, "pattern": "^[a-zA-Z0-9_]+$"},
	"name": {"type": "string", "nullable": true, "minimum": 1, "maximum": 8},
	"externalId": {"type": "string", "nullable": true, "minimum": 1, "pattern": "^[a-zA-Z0-9_.-]+$"},
	"meta": {"type": "object", "nullable": true, "maximum": 3, "loose": true},
	"labels": {"type": "object", "minimum": 1, "maximum": 2, "loose": true},
	"expires": {"type": "integer", "nullable": true, "minimum": 0, "maximum": 4102444800000},
	"since": {"type": "integer", "minimum": 0},
	"credits": {"type": "object", "nullable": true, "properties": {
		"remaining": {"type": "integer", "nullable": true, "minimum": 0},
		"refill": {"type": "object", "nullable": true, "required": ["interval", "amount"], "properties": {
			"interval": {"type": "string", "enum": ["daily", "monthly"]},
			"amount": {"type": "integer", "minimum": 1},
			"refillDay": {"type": "integer", "minimum": 1, "maximum": 31}}}}},
	"ratelimits": {"type": "array", "maximum": 3, "items": {
		"type": "object", "loose": true, "required": ["name", "limit", "duration", "autoApply"], "properties": {
			"name": {"type": "string", "minimum": 3, "maximum": 128},
			"limit": {"type": "integer", "minimum": 1},
			"duration": {"type": "integer", "minimum": 1000},
			"autoApply": {"type": "boolean"}}}},
	"enabled": {"type": "boolean"},
	"forever": {"type": "boolean"},
	"roles": {"type": "array", "maximum": 3, "items": {"type": "string", "minimum": 1}},
	"permissions": {"type": "array", "minimum": 1, "maximum": 3, "items": {
		"type": "string", "maximum": 9, "pattern": "^[a-zA-Z0-9_:.*-]+$"}},
	"colors": {"type": "array", "items": {"type": "string", "enum": ["red", "green"]}},
	"byteLength": {"type": "integer", "minimum": 16, "maximum": 255},
	"limits": {"type": "object", "properties": {
		"low": {"type": "integer", "minimum": 2},
		"high": {"type": "integer", "maximum": 9}}},
	"window": {"type": "integer", "minimum": 1000},
	"Untagged": {"type": "string"}}}`

// faults returns the locations of what is wrong with value.
func (s schema) faults(value any, at string) (all []string) {
	if value == nil && s.Nullable {
		return nil
	}
	if kindOfJSON(value) != s.Type {
		return []string{at + "/type"}
	}
	all = s.boundFaults(value, at)
	switch value := value.(type) {
	case map[string]any:
		return append(all, s.objectFaults(value, at)...)
	case []any:
		if len(all) > 0 && strings.HasSuffix(all[0], "/maxItems") {
			return all
		}
		for _, item := range value {
			all = append(all, s.Items.faults(item, at+"/items")...)
		}
	}
	return all
}

func (s schema) objectFaults(object map[string]any, at string) (all []string) {
	if slices.ContainsFunc(s.Required, func(name string) bool { _, ok := object[name]; return !ok }) {
		all = append(all, at+"/required")
	}
	for name, value := range object {
		if property, ok := s.Properties[name]; ok {
			all = append(all, property.faults(value, at+"/properties/"+name)...)
		} else if !s.Loose {
			all = append(all, at+"/additionalProperties")
		}
	}
	return all
}

func (s schema) boundFaults(value any, at string) (all []string) {
	size, low, high := new(big.Int), "minimum", "maximum"
	switch value := value.(type) {
	case string:
		size.SetInt64(int64(utf8.RuneCountInString(value)))
		low, high = "minLength", "maxLength"
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value) {
			all = append(all, at+"/pattern")
		}
		if s.Enum != nil && !slices.Contains(s.Enum, value) {
			all = append(all, at+"/enum")
		}
	case json.Number:
		size.SetString(value.String(), 10)
	case []any:
		size.SetInt64(int64(len(value)))
		low, high = "minItems", "maxItems"
	case map[string]any:
		size.SetInt64(int64(len(value)))
		low, high = "minProperties", "maxProperties"
	}
	if s.Minimum != nil && size.Cmp(big.NewInt(*s.Minimum)) < 0 {
		all = append(all, at+"/"+low)
	}
	if s.Maximum != nil && size.Cmp(big.NewInt(*s.Maximum)) > 0 {
		all = append(all, at+"/"+high)
	}
	return all
}

func kindOfJSON(value any) string {
	switch value := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if n, ok := new(big.Int).SetString(value.String(), 10); ok && n.IsInt64() {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// drawJSON draws JSON that obeys s more often than not.
func drawJSON(t *rapid.T, s schema) string {
	if rapid.IntRange(0, 19).Draw(t, "stray") == 0 {
		return rapid.SampledFrom([]string{"null", "1", "1.0", "-7", "1e2", "9223372036854775808", "true", `""`, `"1"`, "[]", "{}", `[null]`, `{"x":1}`}).Draw(t, "value")
	}
	switch s.Type {
	case "object":
		return drawObject(t, s)
	case "array":
		items := make([]string, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range items {
			items[i] = drawJSON(t, *s.Items)
		}
		return "[" + strings.Join(items, " ,") + "]"
	case "boolean":
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case "integer":
		return rapid.SampledFrom([]string{"-1", "0", "-0", "1", "2", "9", "10", "16", "31", "255", "256", "999", "1000", "4102444800000", "4102444800001"}).Draw(t, "number")
	}
	return rapid.SampledFrom([]string{
		`"daily"`, `"red"`, `"green"`, `"abc"`, `"a_B9"`, `"a.b-c"`, `"a:*"`, `""`, `"a b"`, `"\u0061b\n"`, "\"ab\"", `"éé😀"`, `"123456789"`, `"\ud800"`, `"]},{[\""`, "\"\xff\xfe\"",
	}).Draw(t, "text")
}

// drawObject draws members in any order, some of them twice and some unknown.
func drawObject(t *rapid.T, s schema) string {
	var members []string
	add := func(name string) {
		members = append(members, fmt.Sprintf(`%s:	%s`, name, drawJSON(t, s.Properties[name[1:len(name)-1]])))
	}
	names := slices.Clone(s.Required)
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		if names != nil {
			add(`"` + rapid.SampledFrom(names).Draw(t, "name") + `"`)
		}
	}
	for _, name := range s.Required {
		if rapid.IntRange(0, 9).Draw(t, "drop") > 0 {
			add(`"` + name + `"`)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "extra") == 0 {
		add(rapid.SampledFrom([]string{`"extra"`, `"Name"`, `"LIMIT"`, `"n\u0061me"`, `""`, `"{"`}).Draw(t, "name"))
	}
	return "{ " + strings.Join(members, ",") + "\n}"
}

func oracle(t testing.TB) schema {
	var s schema
	if err := json.Unmarshal([]byte(updateSchema), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecodeAgreesWithTheSchema(t *testing.T) {
	s, plan := oracle(t), Of[update]()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		body := drawJSON(t, s)
		var decoded any
		dec := json.NewDecoder(bytes.NewReader([]byte(body)))
		dec.UseNumber()
		if err := dec.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		if _, ok := decoded.(map[string]any); !ok {
			t.Skip("the body as a whole is another test's")
		}
		want := s.faults(decoded, "")
		var got []string
		for _, f := range plan.Decode([]byte(body), new(update)) {
			got = append(got, f.Location)
		}
		slices.Sort(got)
		slices.Sort(want)
		if len(want) > maxFaults {
			t.Skip("more faults than are told")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", body, diff)
		}
		if got == nil {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("no body was without fault, so half of the promise went untested")
	}
}

func TestValueAcceptsWhatDecodeAccepts(t *testing.T) {
	s, plan := oracle(t), Of[update]()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		body := drawJSON(t, s)
		var u update
		if plan.Decode([]byte(body), &u) != nil {
			return
		}
		accepted++
		if faults := plan.Value(u); faults != nil {
			t.Fatalf("%s: %v", body, faults)
		}
	})
	if accepted == 0 {
		t.Error("no body was accepted")
	}
}
