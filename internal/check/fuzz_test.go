package check

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode holds that no body makes Decode panic, and that what it accepts is
// accepted by Value and survives the way through encoding/json.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		wellFormed, "", "null", `{"key":"k"}`, `{"key":"\ud800","tags":["a"],"credits":{"cost":1}}`, aCall("1"), "[]", "[{}]", "\ufeff{}",
		`{"key":"k","ratelimits":[{"name":"abc","cost":0,"limit":1,"duration":1000,"until":-1}]}`, "{\"key\":\"\xff\",\"key\":\"\\\"\"}",
		`{"keyId":"key","since":-62135596800000,"meta":{"a":{},"a":1e999},"credits":null,"name":null}`,
	} {
		f.Add([]byte(seed))
	}
	plans := []*Plan{Of[verification](), Of[update](), Of[calls]()}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range plans {
			into := reflect.New(p.typ)
			if faults := p.Decode(body, into.Interface()); faults != nil {
				continue
			}
			if faults := p.Value(into.Interface()); faults != nil {
				t.Errorf("Value refuses what Decode accepts: %v", faults)
			}
			roundTrip(t, into)
		}
	})
}

func roundTrip(t *testing.T, v reflect.Value) {
	t.Helper()
	data, err := json.Marshal(v.Interface())
	if err != nil {
		t.Fatal(err)
	}
	again := reflect.New(v.Type().Elem())
	if err := json.Unmarshal(data, again.Interface()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.Elem().Interface(), again.Elem().Interface(), compare); diff != "" {
		t.Errorf("%s: %s", data, diff)
	}
}

// FuzzSplit holds that splitting an object or a list gives the parts that
// encoding/json gives.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{wellFormed, `{"a":1,"a":[],"\u0061":"\\"}`, "[ ]", `[1 ,"],",{"}":"{"}]`, "{}", `[[],{},true]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, fault := body(&node{kind: object}, data)
		if fault == nil {
			want, got := map[string]json.RawMessage{}, map[string]json.RawMessage{}
			_ = json.Unmarshal(raw, &want)
			for name, value := range members(raw) {
				got[unquote(name)] = value
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		if raw, fault = body(&node{kind: list}, data); fault == nil {
			want, got := []json.RawMessage{}, []json.RawMessage{}
			_ = json.Unmarshal(raw, &want)
			for value := range elements(raw) {
				got = append(got, value)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}
