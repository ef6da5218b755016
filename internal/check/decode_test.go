package check

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// compare looks into latchkey.Opt and the like.
var compare = cmp.Exporter(func(reflect.Type) bool { return true })

// locations reads body into a new T and returns where it is wrong.
func locations[T any](t *testing.T, body string) []string {
	t.Helper()
	var at []string
	for _, f := range Of[T]().Decode([]byte(body), new(T)) {
		if f.Message == "" {
			t.Errorf("the fault at %s says nothing", f.Location)
		}
		at = append(at, f.Location)
	}
	return at
}

func TestDecodeFillsEveryKindOfField(t *testing.T) {
	got := update{Hidden: "overwritten"}
	if faults := Of[update]().Decode([]byte(wellFormed), &got); faults != nil {
		t.Fatal(faults)
	}
	want := update{
		KeyID:      "key_1",
		Name:       latchkey.Set("grüße"),
		ExternalID: latchkey.Set("user.1-a_b"),
		Meta:       latchkey.Set(latchkey.Meta(`{"plan":"pro","seats":12345678901234567890}`)),
		Labels:     `{"a":[1,{"b":null}]}`,
		Expires:    latchkey.Set(latchkey.AtMilli(4102444800000)),
		Since:      latchkey.AtMilli(0),
		Credits: latchkey.Set(balance{
			Remaining: latchkey.Null[int64](),
			Refill:    latchkey.Set(refill{Interval: "daily", Amount: 10, Day: 31}),
		}),
		Ratelimits:  latchkey.Set([]rate{{Name: "abc", Limit: 1, Duration: latchkey.PerMilli(1000)}}),
		Enabled:     latchkey.Set(false),
		Forever:     true,
		Roles:       latchkey.Set([]string{"admin"}),
		Permissions: []string{"docs.*", "a:b-c"},
		Colors:      []color{"red", "green"},
		ByteLength:  16,
		Limits:      rateBounds{Low: 2, High: -9},
		Window:      latchkey.Set(latchkey.PerMilli(60000)),
		Untagged:    "😀\n",
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeTellsAbsentNullAndValueApart(t *testing.T) {
	for body, want := range map[string]latchkey.Opt[string]{
		`{"keyId":"key"}`:             {},
		`{"keyId":"key","name":null}`: latchkey.Null[string](),
		`{"keyId":"key","name":"n"}`:  latchkey.Set("n"),
	} {
		var u update
		if faults := Of[update]().Decode([]byte(body), &u); faults != nil {
			t.Errorf("%s: %v", body, faults)
		}
		if u.Name != want {
			t.Errorf("%s: got %+v, want %+v", body, u.Name, want)
		}
	}
}

// One plan serves all requests, so nothing of one may be seen in another.
func TestRequestsShareNothing(t *testing.T) {
	plan := Of[update]()
	var first, second update
	plan.Decode([]byte(`{"keyId":"key","credits":{"remaining":7},"roles":["a"]}`), &first)
	plan.Decode([]byte(`{"keyId":"key","credits":{},"roles":[]}`), &second)
	if b, _ := second.Credits.Get(); !b.Remaining.IsZero() {
		t.Errorf("credits.remaining is %+v, want it absent", b.Remaining)
	}
	if roles, ok := second.Roles.Get(); !ok || roles == nil || len(roles) != 0 {
		t.Errorf("roles are %#v, want an empty list", roles)
	}
}

func TestBodyMustBeOneValueOfTheRightKind(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for _, body := range []string{
		"", " \n", "null", "true", "1", `"x"`, "{", `{"key":"k"`, `{"key":"k",}`, `{key:"k"}`, `{"key":"k"} {}`,
		`{"key":"k"}x`, "\ufeff" + `{"key":"k"}`, `{"key":"k"/**/}`, "{\"key\":\"a\nb\"}", `{"key":` + deep + `}`, `{"key":01}`,
	} {
		want := []string{"requestBody"}
		if diff := cmp.Diff(want, locations[verification](t, body)); diff != "" {
			t.Errorf("%.40q: %s", body, diff)
		}
		if diff := cmp.Diff(want, locations[calls](t, body)); diff != "" {
			t.Errorf("%.40q as a list: %s", body, diff)
		}
	}
	for _, got := range [][]string{locations[verification](t, `[{"key":"k"}]`), locations[calls](t, `{}`)} {
		if diff := cmp.Diff([]string{"/type"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBodyFaultsComeWithAFix(t *testing.T) {
	for _, body := range []string{"", "null", "{", "\ufeff{}", "[]"} {
		faults := Of[verification]().Decode([]byte(body), new(verification))
		if len(faults) != 1 || faults[0].Fix == "" {
			t.Errorf("%q: %v, want one fault with a fix", body, faults)
		}
	}
}

func TestSpaceAroundTheBodyIsAllowed(t *testing.T) {
	if at := locations[verification](t, "\r\n\t {\t\"key\" : \"k\" , \"tags\" :[ ] } \n"); at != nil {
		t.Error(at)
	}
}

func TestNamesAreCaseSensitive(t *testing.T) {
	want := []string{"/required", "/additionalProperties"}
	if diff := cmp.Diff(want, locations[verification](t, `{"Key":"k"}`)); diff != "" {
		t.Error(diff)
	}
}

// A looser reader of the same body would let the second name overwrite the first.
func TestLooseObjectsDoNotFoldNames(t *testing.T) {
	var u update
	body := `{"keyId":"key","ratelimits":[{"name":"abc","limit":1,"duration":1000,"autoApply":true,"NAME":"x","Limit":0}]}`
	if faults := Of[update]().Decode([]byte(body), &u); faults != nil {
		t.Fatal(faults)
	}
	want := []rate{{Name: "abc", Limit: 1, Duration: latchkey.PerMilli(1000), AutoApply: true}}
	if diff := cmp.Diff(want, u.Ratelimits.Or(nil), compare); diff != "" {
		t.Error(diff)
	}
}

func TestLastOfARepeatedNameCounts(t *testing.T) {
	var v verification
	body := `{"key":1,"\u006bey":"","credits":{"cost":-1,"x":0},"key":"last","credits":{"cost":2}}`
	if faults := Of[verification]().Decode([]byte(body), &v); faults != nil {
		t.Fatal(faults)
	}
	if v.Key != "last" || v.Credits.Cost != 2 {
		t.Errorf("got %q and %d, want the last ones", v.Key, v.Credits.Cost)
	}
	if diff := cmp.Diff([]string{"/properties/key/minLength"}, locations[verification](t, `{"key":"first","k\u0065y":""}`)); diff != "" {
		t.Error(diff)
	}
}

// A repeated object replaces the earlier one and is not merged with it.
func TestRepeatedObjectsDoNotMerge(t *testing.T) {
	want := []string{"/properties/credits/properties/refill/required"}
	got := locations[update](t, `{"keyId":"key","credits":{"refill":{"interval":"daily","amount":1},"refill":{"amount":2}}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumbersAreWholeAndFit64Bits(t *testing.T) {
	for _, number := range []string{"1.5", "10.0", "1e1", `"10"`, "9223372036854775808", "-9223372036854775809", "true", "[]", "{}", "null"} {
		if diff := cmp.Diff([]string{"/items/properties/limit/type"}, locations[calls](t, aCall(number))); diff != "" {
			t.Errorf("%s: %s", number, diff)
		}
		for _, field := range []string{"since", "byteLength", "window"} {
			want := []string{"/properties/" + field + "/type"}
			if diff := cmp.Diff(want, locations[update](t, `{"keyId":"key","`+field+`":`+number+`}`)); diff != "" {
				t.Errorf("%s: %s: %s", field, number, diff)
			}
		}
	}
	if at := locations[calls](t, aCall("9223372036854775807")); at != nil {
		t.Error(at)
	}
}

// aCall is calls with one element whose limit is the given JSON.
func aCall(limit string) string {
	return `[{"namespace":"n","limit":` + limit + `,"extra":{"each":["a"]}}]`
}

func TestTextIsMadeValidUTF8(t *testing.T) {
	for body, want := range map[string]string{
		"{\"key\":\"a\xffb\"}":         "a\ufffdb",
		`{"key":"\ud800"}`:             "\ufffd",
		`{"key":"\udc00\ud800x"}`:      "\ufffd\ufffdx",
		"{\"key\":\"\\n\xc3\x28\"}":    "\n\ufffd(",
		`{"key":"\"\\\/\ud83d\ude00"}`: `"\/😀`,
	} {
		var v verification
		if faults := Of[verification]().Decode([]byte(body), &v); faults != nil || v.Key != want {
			t.Errorf("%q: got %q and %v, want %q", body, v.Key, faults, want)
		}
	}
}

func TestTheZeroCharacterIsRefused(t *testing.T) {
	want := []string{"/properties/key/pattern"}
	if diff := cmp.Diff(want, locations[verification](t, `{"key":"a\u0000b"}`)); diff != "" {
		t.Error(diff)
	}
	if faults := Of[verification]().Value(verification{Key: "\x00"}); len(faults) != 1 || faults[0].Location != want[0] {
		t.Errorf("in process: %v", faults)
	}
}

func TestLengthCountsCharactersNotBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		want []string
	}{
		{strings.Repeat("é", 8), nil},
		{strings.Repeat("😀", 8), nil},
		{strings.Repeat("e", 9), []string{"/properties/name/maxLength"}},
	} {
		if diff := cmp.Diff(c.want, locations[update](t, `{"keyId":"key","name":"`+c.name+`"}`)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAnExplicitZeroIsChecked(t *testing.T) {
	for field, want := range map[string]string{
		`"permissions":""`:                           "/properties/permissions/minLength",
		`"ratelimits":[{"name":"abc","limit":-1}]`:   "/properties/ratelimits/items/properties/limit/minimum",
		`"ratelimits":[{"name":"abc","duration":0}]`: "/properties/ratelimits/items/properties/duration/minimum",
		`"tags":[""]`:                                "/properties/tags/items/minLength",
		`"tags":[null]`:                              "/properties/tags/items/type",
	} {
		if diff := cmp.Diff([]string{want}, locations[verification](t, `{"key":"k",`+field+`}`)); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
}

func TestAtMostTwentyFaultsInFixedOrder(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"key":"","ratelimits":[`)
	body.WriteString(strings.Repeat(`{"name":"a"},`, 12) + `{"name":"a"}],"tags":"x"`)
	for _, name := range strings.Fields("z y x w v u t s r q p o n m l k j i h g f e d c b a z") {
		body.WriteString(`,"` + name + `":0`)
	}
	body.WriteString("}")
	want := []string{"/properties/key/minLength", "/properties/tags/type"}
	for range 13 {
		want = append(want, "/properties/ratelimits/items/properties/name/minLength")
	}
	for range 5 {
		want = append(want, "/additionalProperties")
	}
	if diff := cmp.Diff(want, locations[verification](t, body.String())); diff != "" {
		t.Error(diff)
	}
	faults := Of[verification]().Decode([]byte(body.String()), new(verification))
	if last := faults[19].Message; !strings.Contains(last, `"e"`) {
		t.Errorf("the last fault is %q, want the fifth unknown name in order", last)
	}
}

func TestARepeatedUnknownNameIsToldOnce(t *testing.T) {
	if diff := cmp.Diff([]string{"/additionalProperties"}, locations[verification](t, `{"key":"k","x":1,"x":2,"\u0078":3}`)); diff != "" {
		t.Error(diff)
	}
}

func TestAListThatIsTooLongIsNotLookedInto(t *testing.T) {
	got := locations[update](t, `{"keyId":"key","permissions":["é","é","é","é"],"roles":["","","",""]}`)
	if diff := cmp.Diff([]string{"/properties/roles/maxItems", "/properties/permissions/maxItems"}, got); diff != "" {
		t.Error(diff)
	}
}

// The secrets here stand in every place that a value or a name can have.
func TestFaultsDoNotRepeatValues(t *testing.T) {
	const secret = "s3cr3t"
	for _, body := range []string{
		`{"keyId":"` + secret + `é","name":"` + secret + secret + `","externalId":"` + secret + ` "}`,
		`{"keyId":{"` + secret + `":1},"colors":["` + secret + `"],"credits":{"refill":{"interval":"` + secret + `","amount":1}}}`,
		`{"keyId":"key","permissions":["` + secret + ` "],"byteLength":"` + secret + `","meta":"` + secret + `"}`,
		`{"keyId":"key"} ` + secret, `"` + secret + `"`, `{"keyId":"` + secret, `{"keyId":` + secret + `}`,
	} {
		faults := Of[update]().Decode([]byte(body), new(update))
		if faults == nil {
			t.Errorf("%s: no fault", body)
		}
		for _, f := range faults {
			if strings.Contains(f.Location+f.Message+f.Fix, secret) {
				t.Errorf("%s: %+v", body, f)
			}
		}
	}
}

func TestLongNamesAreCutInMessages(t *testing.T) {
	body := `{"key":"k","` + strings.Repeat("ä\u0000", 100_000) + `":1}`
	body = strings.ReplaceAll(body, "\x00", `\u0000`)
	faults := Of[verification]().Decode([]byte(body), new(verification))
	if len(faults) != 1 || len(faults[0].Message) > 400 {
		t.Errorf("got %.500v, want one short fault", faults)
	}
}

func TestUnexportedFieldsArePassedOver(t *testing.T) {
	type mixed struct {
		Name string `json:"name"`
		done chan bool
	}
	m := mixed{done: make(chan bool)}
	if faults := Of[mixed]().Decode([]byte(`{"name":"n"}`), &m); faults != nil || m.Name != "n" || m.done != nil {
		t.Errorf("got %+v and %v", m, faults)
	}
	if diff := cmp.Diff([]string{"/additionalProperties"}, locations[mixed](t, `{"done":null}`)); diff != "" {
		t.Error(diff)
	}
}
