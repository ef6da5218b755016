package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
	"pgregory.net/rapid"
)

// judge compares everything about one request type with what encoding/json,
// reflection and the schema say.
type judge struct {
	t      reflect.Type
	schema *schema
}

// reporter is a test, of rapid or not.
type reporter interface{ Errorf(string, ...any) }

// judges returns a judge of each request type.
func judges() (all []judge) {
	types := []reflect.Type{reflect.TypeFor[latchkey.LivenessRequest]()}
	for m := range clientMethods() {
		request := m.In(2)
		if strings.HasSuffix(request.Name(), "Request") && !slices.Contains(types, request) {
			types = append(types, request)
		}
	}
	for _, t := range types {
		all = append(all, judge{t, schemaOf(t, check.Rules{})})
	}
	return all
}

// clientMethods yields the methods of the client's groups, with their receivers.
func clientMethods() func(func(reflect.Type) bool) {
	return func(yield func(reflect.Type) bool) {
		for group := range reflect.TypeFor[latchkey.Client]().Fields() {
			if !group.IsExported() {
				continue
			}
			for m := range group.Type.Methods() {
				if m.Type.NumIn() > 2 && !yield(m.Type) {
					return
				}
			}
		}
	}
}

// decode judges Decode on a body and reports whether there was no fault.
func (j judge) decode(t reporter, body []byte) bool {
	request := reflect.New(j.t)
	faults := Decode(slices.Clone(body), request.Interface())
	value := decoded(body)
	if isFlawed := flawed(body); isFlawed || kindOfJSON(value) != j.schema.Type {
		isSyntax := isFlawed || !json.Valid(body)
		if len(faults) != 1 || faults[0].Fix == "" ||
			isSyntax && faults[0].Location != "requestBody" {
			t.Errorf("%q as %s: %v, want one fault of the whole body with a fix", body, j.t, faults)
		}
		return false
	}
	j.compare(t, body, faults, value)
	if faults != nil {
		return false
	}
	j.sameValue(t, body, request, value)
	if faults := Check(request.Interface()); faults != nil {
		t.Errorf("%q as %s: Check refuses what Decode accepts: %v", body, j.t, faults)
	}
	return true
}

// compare compares faults with those that the schema finds in value.
func (j judge) compare(t reporter, of any, faults []latchkey.Fault, value any) {
	got, want := at(faults), j.schema.faults(value, "")
	if len(want) > maxFaults {
		// which ones is another test's
		want, got = make([]string, maxFaults), make([]string, len(got))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(want, got) {
		t.Errorf("%q as %s: %s", of, j.t, cmp.Diff(want, got))
	}
}

// sameValue holds that encoding/json reads the same from the value without what is
// unknown and repeated.
func (j judge) sameValue(t reporter, body []byte, got reflect.Value, value any) {
	want := reflect.New(j.t)
	clean, err := json.Marshal(j.schema.known(value))
	if err == nil {
		err = json.Unmarshal(clean, want.Interface())
	}
	if err != nil || !reflect.DeepEqual(want.Interface(), got.Interface()) {
		t.Errorf("%q as %s: %v %s", body, j.t, err,
			cmp.Diff(want.Interface(), got.Interface(), compare))
	}
}

// check judges Check on the Go value of a body, which is read as far as it fits.
func (j judge) check(t reporter, body []byte) bool {
	if flawed(body) {
		return false
	}
	request := reflect.New(j.t)
	_ = json.Unmarshal(body, request.Interface()) // What doesn't fit is left out.
	faults := Check(request.Interface())
	j.compare(t, body, faults, asJSON(request.Elem()))
	return faults == nil
}

var (
	otherEscapes = regexp.MustCompile(`\\[^u]`)
	pairs        = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
	surrogates   = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)
)

// flawed reports whether a request has what encoding/json accepts and wire doesn't.
// The request itself is a level more than its values.
func flawed(body []byte) bool { return !utf8.Valid(body) || flawedValue(body, 101) }

func flawedValue(value []byte, levels int) bool {
	halves := pairs.ReplaceAll(otherEscapes.ReplaceAll(value, nil), nil)
	return surrogates.Match(halves) || depth(value) > levels
}

// depth returns how deep the arrays and objects of JSON nest, up to its first mistake.
func depth(body []byte) (deepest int) {
	d, now := json.NewDecoder(bytes.NewReader(body)), 0
	for {
		token, err := d.Token()
		switch {
		case err != nil:
			return deepest
		case token == json.Delim('[') || token == json.Delim('{'):
			now++
		case token == json.Delim(']') || token == json.Delim('}'):
			now--
		}
		deepest = max(deepest, now)
	}
}

// With random requests.
func TestAllRequestTypesAgreeWithTheSchema(t *testing.T) {
	decoded, checked := 0, 0
	for _, j := range judges() {
		t.Run(j.t.String(), rapid.MakeCheck(func(t *rapid.T) {
			body := []byte(drawJSON(t, j.schema))
			if j.decode(t, body) {
				decoded++
			}
			if j.check(t, body) {
				checked++
			}
		}))
	}
	if decoded == 0 || checked == 0 {
		t.Error("no request was without fault, so half of the promise went untested")
	}
}

// FuzzDecode holds of any body and every request type what the judges say.
func FuzzDecode(f *testing.F) {
	all := judges()
	for _, hot := range hotRequests {
		f.Add([]byte(hot.body))
	}
	for _, seed := range []string{
		wellFormed, ``, ` `, `{`, `{}`, `{}}`, `[]`, `[,]`, `[{}]`, `null`, `{"key"`, `{"key":`,
		`{"key":}`, `{"key":"k"`, `{"key":"k",}`, `{,"key":"k"}`,
		`{"key":"k"}x`, `{"key":"k""tags":[]}`, `{"key":"k","tags":["a",]}`,
		`{"key":"k","tags":["a" "b"]}`, `{"key":"k","key":"l"}`, `{"key":"\u006b"}`,
		`{"k\u0065y":"k"}`, "{\"key\":\"a\nb\"}", "{\"key\":\"a\xffb\",\"key\":\"\\\"\"}",
		"{\"key\":\"a\x7f\u2028\"}", `{"key":null}`, `{"key":1}`,
		`{"key":"k","x":1}`, `{"KEY":"k"}`, `{"key":"k","credits":}`,
		`{"key":"k","credits":{"cost":01}}`,
		`{"key":"k","credits":{"cost":1.0}}`,
		`{"key":"k","credits":{"cost":-}}`, `{"key":"k","credits":{"cost":-0}}`,
		`{"key":"k","credits":null}`, `{"key":"\x"}`, `{"key":"\"}`, "\ufeff{}",
		`{"key":"k","ratelimits":[{"name":"abc","limit":9223372036854775808}]}`,
		`[{"namespace":"n","limit":1,"extra":{"each":["a"]}}]`,
		`{"keyId":"key","since":-62135596800000,"meta":{"a":{},"a":1e999},"credits":null,"name":null}`,
		`{"keyId":"key","limits":{"low":2},"limits":{"high":1}}`,
		`{"keyId":"key","ratelimits":[{"name":"abc","limit":1,"duration":1000,"id":"x"}]}`,
		`{"keyId":"key","enabled":truE}`,
		`{"key":"\u0000","credits":{"cost":-1},"tags":["",""],"ratelimits":[{"cost":null}]}`,
		`{"name":"äöü","prefix":"p p","byteLength":15,"expires":4102444800001,"recoverable":true}`,
		`{"enabled":null,"roles":[],"permissions":["ü"],"ratelimits":[{"name":"ab","limit":-1}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, j := range all {
			j.decode(t, body)
			j.check(t, body)
		}
	})
}

// FuzzSkip holds that what is skipped is what encoding/json accepts.
func FuzzSkip(f *testing.F) {
	for _, seed := range []string{
		wellFormed, `{"a":1,"a":[],"\u0061":"\\"}`, "[ ]", `[1 ,"],",{"}":"{"}]`, "{ }",
		`[[],{},true]`,
		"-0.5e+10", "1.", ".1", "1e", "00", `"\u12g4"`, "nul",
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\\ud83d"`, `"\ud83d\n"`,
		strings.Repeat("[", 99) + "[{}]" + strings.Repeat("]", 99),
		strings.Repeat(`{"":`, 101) + "1" + strings.Repeat("}", 101),
		strings.Repeat("[", 100) + strings.Repeat("]", 100), "[1}", "{]", `{"a":1]`, "[1,]",
		`{"a":1,}`, "\"\x1f\"", "true false",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{data: data}
		want := json.Valid(data) && !flawedValue(data, 100)
		if got := s.valid(); got != want {
			t.Errorf("%.100q is valid: %v, want %v", data, got, want)
		}
	})
}

// drawJSON draws JSON that obeys s more often than not.
func drawJSON(t *rapid.T, s *schema) string {
	if rapid.IntRange(0, 29).Draw(t, "stray") == 0 {
		return rapid.SampledFrom([]string{
			"null", "1", "1.0", "-7", "1e2", "9223372036854775808", "true", `""`, `"1"`, "[]", "{}",
			`[null]`, `{"x":1}`, "nul", `"\x"`, "[1,]",
		}).Draw(t, "value")
	}
	switch s.Type {
	case "object":
		return drawObject(t, s)
	case "array":
		items := make([]string, rapid.SampledFrom([]int{0, 1, 1, 1, 2, 4}).Draw(t, "length"))
		for i := range items {
			items[i] = drawJSON(t, s.Item)
		}
		return "[" + strings.Join(items, " ,") + "]"
	case "boolean":
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case "integer":
		if s.Min != nil && rapid.IntRange(0, 3).Draw(t, "least") > 0 {
			return number(*s.Min).String()
		}
		return rapid.SampledFrom([]string{
			"-1", "0", "-0", "1", "2", "9", "10", "16", "31", "255", "256", "999", "1000", "60000",
			"4102444800000", "4102444800001",
		}).Draw(t, "number")
	}
	if s.Enum != nil && rapid.IntRange(0, 3).Draw(t, "choice") > 0 {
		return `"` + rapid.SampledFrom(s.Enum).Draw(t, "text") + `"`
	}
	if s.Pattern != "" && rapid.IntRange(0, 3).Draw(t, "fits") > 0 {
		return `"key_12345"`
	}
	return rapid.SampledFrom([]string{
		`"daily"`, `"key_12345"`, `"abc"`, `"a_B9"`, `"a.b-c"`, `"a:*"`, `""`, `"a b"`,
		`"\u0061b\n"`,
		"\"ab\"", `"éé😀"`, `"123456789"`, `"\ud800"`,
		`"]},{[\""`, "\"\xff\xfe\"", `"a\u0000"`, `"` + strings.Repeat("é", 256) + `"`,
	}).Draw(t, "text")
}

// drawObject draws members in any order, some of them twice and some unknown.
func drawObject(t *rapid.T, s *schema) string {
	var names, members []string
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	add := func(name string) {
		quoted := `"` + name + `"`
		if rapid.IntRange(0, 29).Draw(t, "escaped") == 0 {
			quoted = fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
		}
		members = append(members, quoted+":\t"+drawJSON(t, s.Properties[name]))
	}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		if names != nil {
			add(rapid.SampledFrom(names).Draw(t, "name"))
		}
	}
	for _, name := range names {
		if s.Properties[name].Required && rapid.IntRange(0, 19).Draw(t, "drop") > 0 {
			add(name)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "extra") == 0 {
		name := rapid.SampledFrom([]string{
			`"extra"`, `"Name"`, `"LIMIT"`, `"n\u0061me"`, `""`, `"{"`, "\"\xff\"",
		}).Draw(t, "extra name")
		value := rapid.SampledFrom([]string{"1", "[]", `{"a":[{}]}`}).Draw(t, "extra value")
		members = append(members, name+":"+value)
	}
	return "{ " + strings.Join(members, ",") + "\n}"
}
