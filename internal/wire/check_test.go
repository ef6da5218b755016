package wire

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

func TestZeroIsAbsent(t *testing.T) {
	elsewhere := time.FixedZone("elsewhere", 3600)
	for _, v := range []any{
		&verification{Key: "k"},
		&verification{Key: "k", Tags: []string{}},
		&creation{APIID: "api", Expires: latchkey.At(time.Time{}.In(elsewhere))},
		&update{
			KeyID: "key", Enabled: latchkey.Set(false),
			Ratelimits: latchkey.Set([]latchkey.RatelimitRequest(nil)),
			Credits:    latchkey.Null[latchkey.UpdateKeyCredits](), Name: latchkey.Null[string](),
		},
	} {
		if faults := Check(v); faults != nil {
			t.Errorf("%+v: %v", v, faults)
		}
	}
}

func TestCheckFindsEveryFault(t *testing.T) {
	verifying := func(r verification) any { r.Key = "k"; return &r }
	updating := func(r update) any { r.KeyID = "key"; return &r }
	for _, c := range []struct {
		value any
		want  []string
	}{
		{&verification{}, []string{"/properties/key/minLength"}},
		{verifying(verification{Tags: make([]string, 1)}),
			[]string{"/properties/tags/items/minLength"}},
		{verifying(verification{Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(-1)}}), []string{
			"/properties/credits/properties/cost/minimum",
		}},
		{verifying(verification{Ratelimits: []latchkey.VerifyKeyRatelimit{
			{Name: "ok!"}, {Cost: latchkey.Set[int64](-1)},
			{Name: "abc", Cost: latchkey.Null[int64]()},
			{Name: "abc", Duration: latchkey.Set(latchkey.PerMilli(-1))},
		}}), []string{
			"/properties/ratelimits/items/properties/name/minLength",
			"/properties/ratelimits/items/properties/cost/minimum",
			"/properties/ratelimits/items/properties/cost/type",
			"/properties/ratelimits/items/properties/duration/minimum",
		}},
		{updating(update{Name: latchkey.Set("")}), []string{"/properties/name/minLength"}},
		{updating(update{Enabled: latchkey.Null[bool]()}), []string{"/properties/enabled/type"}},
		{updating(update{Credits: latchkey.Set(latchkey.UpdateKeyCredits{
			Refill: latchkey.Set(latchkey.Refill{}),
		})}), []string{
			"/properties/credits/properties/refill/properties/interval/enum",
			"/properties/credits/properties/refill/properties/amount/minimum",
		}},
		{updating(update{Expires: latchkey.Set(latchkey.AtMilli(4102444800001))}), []string{
			"/properties/expires/maximum",
		}},
		{updating(update{Expires: latchkey.Set(latchkey.Time{})}), []string{
			"/properties/expires/minimum",
		}},
		{&latchkey.RerollKeyRequest{KeyID: "key"}, []string{"/required"}},
		{&creation{APIID: "api", Credits: &latchkey.Credits{}}, []string{
			"/properties/credits/required",
		}},
		{&creation{APIID: "api", Credits: &latchkey.Credits{Remaining: latchkey.Null[int64]()}}, nil},
		{verifying(verification{Credits: &latchkey.VerifyKeyCredits{}}), []string{
			"/properties/credits/required",
		}},
		{&latchkey.SetOverrideRequest{
			Namespace: "n", Identifier: "i", Duration: latchkey.PerMilli(1000),
		}, []string{"/required"}},
		{&latchkey.AddRolesRequest{KeyID: "key"}, []string{"/properties/roles/minItems"}},
		{&calls{}, []string{"/minItems"}},
		{new(make(calls, 101)), []string{"/maxItems"}},
	} {
		if diff := cmp.Diff(c.want, at(Check(c.value))); diff != "" {
			t.Errorf("%+v: %s", c.value, diff)
		}
	}
}

func TestMetaMustBeAnObject(t *testing.T) {
	hundredAndOne := latchkey.Meta("{" + strings.Repeat(`"a":1,`, 100) + `"b":[]}`)
	for text, want := range map[latchkey.Meta][]string{
		`{}`:                        nil,
		" {\"a\":1,\n\"b\":2} ":     nil,
		`{"a":{"x":1,"y":2,"z":3}}`: nil,
		hundredAndOne:               {"/properties/meta/maxProperties"},
		`[]`:                        {"/properties/meta/type"},
		`null`:                      {"/properties/meta/type"},
		`{"a":1`:                    {"/properties/meta/type"},
		`{} {}`:                     {"/properties/meta/type"},
		`  `:                        {"/properties/meta/type"},
		``:                          nil,
	} {
		got := at(Check(&update{KeyID: "key", Meta: latchkey.Set(text)}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestCheckStopsAtTwentyFaults(t *testing.T) {
	v := &verification{Key: "k", Ratelimits: make([]latchkey.VerifyKeyRatelimit, 50)}
	if got := len(Check(v)); got != 20 {
		t.Errorf("%d faults, want 20", got)
	}
}

func TestCheckChangesNothing(t *testing.T) {
	v := update{KeyID: "key", Credits: latchkey.Set(latchkey.UpdateKeyCredits{
		Remaining: latchkey.Set[int64](-1),
	})}
	before := v
	Check(&v)
	if diff := cmp.Diff(before, v, compare); diff != "" {
		t.Error(diff)
	}
}

func TestOtherTypesPanic(t *testing.T) {
	for _, v := range []any{nil, (*verification)(nil), verification{}, new(latchkey.Key), "x"} {
		mustPanic(t, func() { Check(v) })
		mustPanic(t, func() { Decode([]byte(`{"key":"k"}`), v) })
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
