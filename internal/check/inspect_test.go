package check

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// faulty returns where the Go value v is wrong.
func faulty(v any) []string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var at []string
	for _, f := range For(t).Value(v) {
		at = append(at, f.Location)
	}
	return at
}

func TestValueTakesZeroForAbsent(t *testing.T) {
	elsewhere := time.FixedZone("elsewhere", 3600)
	for _, v := range []any{
		verification{Key: "k"},
		&verification{Key: "k", Tags: []string{}},
		update{KeyID: "key"},
		&update{KeyID: "key", Since: latchkey.At(time.Time{}.In(elsewhere))},
		update{KeyID: "key", Ratelimits: latchkey.Set([]rate(nil)), Enabled: latchkey.Set(false)},
		update{KeyID: "key", Credits: latchkey.Null[balance](), Name: latchkey.Null[string]()},
	} {
		if at := faulty(v); at != nil {
			t.Errorf("%+v: %v", v, at)
		}
	}
}

func TestValueChecksWhatIsThere(t *testing.T) {
	for _, c := range []struct {
		value any
		want  []string
	}{
		{verification{}, []string{"/properties/key/minLength"}},
		{&verification{Key: "k", Credits: &cost{Cost: -1}}, []string{"/properties/credits/properties/cost/minimum"}},
		{verification{Key: "k", Ratelimits: []adHoc{{Name: "ok!"}, {Cost: latchkey.Set(-1)}}}, []string{
			"/properties/ratelimits/items/properties/name/minLength", "/properties/ratelimits/items/properties/cost/minimum",
		}},
		{verification{Key: "k", Ratelimits: []adHoc{{Name: "abc", Cost: latchkey.Null[int](), Until: latchkey.Set(latchkey.Time{})}}}, []string{
			"/properties/ratelimits/items/properties/cost/type", "/properties/ratelimits/items/properties/until/minimum",
		}},
		{verification{Key: "k", Tags: make([]string, 1)}, []string{"/properties/tags/items/minLength"}},
		{update{KeyID: "key", Name: latchkey.Set("")}, []string{"/properties/name/minLength"}},
		{update{KeyID: "key", Enabled: latchkey.Null[bool]()}, []string{"/properties/enabled/type"}},
		{update{KeyID: "key", Credits: latchkey.Set(balance{Refill: latchkey.Set(refill{})})}, []string{
			"/properties/credits/properties/refill/properties/interval/enum",
			"/properties/credits/properties/refill/properties/amount/minimum",
		}},
		{update{KeyID: "key", Limits: rateBounds{Low: 1, High: 10}}, []string{"/properties/limits/properties/low/minimum", "/properties/limits/properties/high/maximum"}},
		{update{KeyID: "key", Permissions: []string{}}, []string{"/properties/permissions/minItems"}},
		{update{KeyID: "key", Expires: latchkey.Set(latchkey.AtMilli(4102444800001))}, []string{"/properties/expires/maximum"}},
		{update{KeyID: "key", Window: latchkey.Set(latchkey.PerMilli(999))}, []string{"/properties/window/minimum"}},
		{calls{}, []string{"/minItems"}},
		{make(calls, 4), []string{"/maxItems"}},
		{&calls{{Namespace: "n", Limit: 1}}, []string{"/items/required"}},
		{calls{{Namespace: "n", Limit: 1, Extra: &extra{}}}, []string{"/items/properties/extra/properties/each/minItems"}},
	} {
		if diff := cmp.Diff(c.want, faulty(c.value)); diff != "" {
			t.Errorf("%+v: %s", c.value, diff)
		}
	}
}

func TestMetaMustBeAnObject(t *testing.T) {
	for text, want := range map[latchkey.Meta][]string{
		`{}`:                        nil,
		" {\"a\":1,\n\"b\":2} ":     nil,
		`{"a":{"x":1,"y":2,"z":3}}`: nil,
		`{"a":1,"b":2,"c":3,"d":4}`: {"/properties/meta/maxProperties"},
		`[]`:                        {"/properties/meta/type"},
		`null`:                      {"/properties/meta/type"},
		`{"a":1`:                    {"/properties/meta/type"},
		`{} {}`:                     {"/properties/meta/type"},
		`  `:                        {"/properties/meta/type"},
		``:                          nil,
	} {
		if diff := cmp.Diff(want, faulty(update{KeyID: "key", Meta: latchkey.Set(text)})); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if diff := cmp.Diff([]string{"/properties/labels/minProperties"}, faulty(update{KeyID: "key", Labels: "{}"})); diff != "" {
		t.Error(diff)
	}
}

func TestValueStopsAtTwentyFaults(t *testing.T) {
	v := verification{Key: "k", Ratelimits: make([]adHoc, 1000)}
	if got := len(Of[verification]().Value(v)); got != 20 {
		t.Errorf("%d faults, want 20", got)
	}
}

func TestValueLeavesTheValueAlone(t *testing.T) {
	v := update{KeyID: "key", Credits: latchkey.Set(balance{Remaining: latchkey.Set[int64](-1)})}
	before := v
	Of[update]().Value(&v)
	if diff := cmp.Diff(before, v, compare); diff != "" {
		t.Error(diff)
	}
}

func TestOtherTypesPanic(t *testing.T) {
	for _, v := range []any{nil, (*verification)(nil), update{}, new(update), "x"} {
		mustPanic(t, func() { Of[verification]().Value(v) })
		mustPanic(t, func() { Of[verification]().Decode([]byte(`{"key":"k"}`), v) })
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}
