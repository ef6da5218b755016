package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

func TestDecodeFillsEveryKindOfField(t *testing.T) {
	var got update
	if faults := Decode([]byte(wellFormed), &got); faults != nil {
		t.Fatal(faults)
	}
	want := update{
		KeyID:      "key_1",
		Name:       latchkey.Set("grüße"),
		ExternalID: latchkey.Set("user.1-a_b"),
		Meta:       latchkey.Set(latchkey.Meta(`{"plan":"pro","seats":12345678901234567890}`)),
		Expires:    latchkey.Set(latchkey.AtMilli(4102444800000)),
		Credits: latchkey.Set(latchkey.UpdateKeyCredits{
			Remaining: latchkey.Null[int64](),
			Refill:    latchkey.Set(latchkey.Refill{Interval: "daily", Amount: 10, RefillDay: 31}),
		}),
		Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{{
			Name: "abc", Limit: 1, Duration: latchkey.PerMilli(1000),
			AutoApply: latchkey.Set(false),
		}}),
		Enabled:     latchkey.Set(false),
		Roles:       latchkey.Set([]string{"admin"}),
		Permissions: latchkey.Set([]string{"docs.*", "a:b-c"}),
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
		if faults := Decode([]byte(body), &u); faults != nil {
			t.Errorf("%s: %v", body, faults)
		}
		if u.Name != want {
			t.Errorf("%s: got %+v, want %+v", body, u.Name, want)
		}
	}
}

func TestRequestsShareNothing(t *testing.T) {
	var first, second update
	Decode([]byte(`{"keyId":"key","credits":{"remaining":7},"roles":["a"]}`), &first)
	Decode([]byte(`{"keyId":"key","credits":{},"roles":[]}`), &second)
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
		"", " \n", "null", "true", "1", `"x"`, "{", `{"key":"k"`, `{"key":"k",}`, `{key:"k"}`,
		`{"key":"k"} {}`,
		`{"key":"k"}x`, "\ufeff" + `{"key":"k"}`, `{"key":"k"/**/}`, "{\"key\":\"a\nb\"}",
		`{"key":` + deep + `}`, `{"key":01}`,
	} {
		want := []string{"requestBody"}
		if diff := cmp.Diff(want, locations[verification](t, body)); diff != "" {
			t.Errorf("%.40q: %s", body, diff)
		}
		if diff := cmp.Diff(want, locations[calls](t, body)); diff != "" {
			t.Errorf("%.40q as a list: %s", body, diff)
		}
	}
	for _, got := range [][]string{
		locations[verification](t, `[{"key":"k"}]`), locations[calls](t, `{}`),
	} {
		if diff := cmp.Diff([]string{"/type"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBodyFaultsComeWithAFix(t *testing.T) {
	for _, body := range []string{"", "null", "{", "\ufeff{}", "[]"} {
		faults := Decode([]byte(body), new(verification))
		if len(faults) != 1 || faults[0].Fix == "" {
			t.Errorf("%q: %v, want one fault with a fix", body, faults)
		}
	}
}

func TestSpaceAroundTheBodyIsAllowed(t *testing.T) {
	if at := locations[verification](
		t, "\r\n\t {\t\"key\" : \"k\" , \"tags\" :[ ] } \n",
	); at != nil {
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
	body := `{"keyId":"key","ratelimits":[
		{"name":"abc","limit":1,"duration":1000,"autoApply":true,"NAME":"x","Limit":0}]}`
	if faults := Decode([]byte(body), &u); faults != nil {
		t.Fatal(faults)
	}
	want := []latchkey.RatelimitRequest{{
		Name: "abc", Limit: 1, Duration: latchkey.PerMilli(1000),
		AutoApply: latchkey.Set(true),
	}}
	if diff := cmp.Diff(want, u.Ratelimits.Or(nil), compare); diff != "" {
		t.Error(diff)
	}
}

func TestLastOfARepeatedNameCounts(t *testing.T) {
	var v verification
	body := `{"key":1,"\u006bey":"","credits":{"cost":-1,"x":0},"key":"last","credits":{"cost":2}}`
	if faults := Decode([]byte(body), &v); faults != nil {
		t.Fatal(faults)
	}
	if v.Key != "last" || v.Credits.Cost.Or(0) != 2 {
		t.Errorf("got %q and %d, want the last ones", v.Key, v.Credits.Cost.Or(0))
	}
	got := locations[verification](t, `{"key":"first","k\u0065y":""}`)
	if diff := cmp.Diff([]string{"/properties/key/minLength"}, got); diff != "" {
		t.Error(diff)
	}
}

// A repeated object replaces the earlier one and is not merged with it.
func TestRepeatedObjectsDoNotMerge(t *testing.T) {
	want := []string{"/properties/credits/properties/refill/required"}
	got := locations[update](t, `{"keyId":"key","credits":{
		"refill":{"interval":"daily","amount":1},"refill":{"amount":2}}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumbersAreWholeAndFit64Bits(t *testing.T) {
	for _, number := range []string{
		"1.5", "10.0", "1e1", `"10"`, "9223372036854775808", "-9223372036854775809", "true",
		"[]", "{}", "null",
	} {
		got := append(locations[calls](t, aCall(number)),
			locations[creation](t,
				`{"apiId":"api","byteLength":`+number+`,"expires":`+number+`}`)...)
		got = append(got,
			locations[latchkey.LimitRequest](t, `{"namespace":"name","identifier":"i","limit":1,`+
				`"duration":`+number+`}`)...)
		want := []string{
			"/items/properties/limit/type", "/properties/byteLength/type",
			"/properties/expires/type",
			"/properties/duration/type",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", number, diff)
		}
	}
	if at := locations[calls](t, aCall("9223372036854775807")); at != nil {
		t.Error(at)
	}
}

// Text that is changed to be UTF-8 would be the same as other text, and two users one.
func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	for _, body := range []string{
		"{\"key\":\"jos\xe9\"}", "{\"key\":\"\\n\xc3\x28\"}", "{\"key\":\"a\xc0\xaf\"}",
		"{\"k\xff\":\"k\",\"key\":\"k\"}", `{"key":"\ud800"}`, `{"key":"\udc00\ud800x"}`,
		`{"key":"\ud83dx"}`, `{"key":"\ud83d\u0041"}`, `{"key":"\ud83d`,
		`{"key":"k","tags":["\udead"]}`,
	} {
		want := []string{"requestBody"}
		if diff := cmp.Diff(want, locations[verification](t, body)); diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	}
	// the latter is half a surrogate pair
	for _, text := range []string{"jos\xe9", "\xed\xa0\x80"} {
		want := []string{"/properties/key/pattern"}
		if diff := cmp.Diff(want, at(Check(&verification{Key: text}))); diff != "" {
			t.Errorf("%q in process: %s", text, diff)
		}
		meta := latchkey.Meta(`{"a":"` + text + `"}`)
		faults := Check(&update{KeyID: "key", Meta: latchkey.Set(meta)})
		if len(faults) != 1 || faults[0].Location != "/properties/meta/type" {
			t.Errorf("%q in process: %v", meta, faults)
		}
	}
}

func TestEscapesOfTextAreRead(t *testing.T) {
	var v verification
	faults := Decode([]byte(`{"key":"\"\\\/\ud83d\ude00\uD83D\uDE00"}`), &v)
	if want := `"\/😀😀`; faults != nil || v.Key != want {
		t.Errorf("got %q and %v, want %q", v.Key, faults, want)
	}
}

// Some clients can't read back what nests deeper, or at all.
func TestDeepValuesAreRefused(t *testing.T) {
	nested := func(levels int) string {
		return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + "}"
	}
	whole := []string{"requestBody"}
	for levels, want := range map[int][]string{100: nil, 101: whole, 100_000: whole} {
		body := `{"keyId":"key","meta":` + nested(levels) + "}"
		if diff := cmp.Diff(want, locations[update](t, body)); diff != "" {
			t.Errorf("%d levels: %s", levels, diff)
		}
	}
	for levels, want := range map[int][]string{100: nil, 101: {"/properties/meta/type"}} {
		faults := Check(&update{KeyID: "key", Meta: latchkey.Set(latchkey.Meta(nested(levels)))})
		if diff := cmp.Diff(want, at(faults)); diff != "" {
			t.Errorf("%d levels in process: %s", levels, diff)
		}
	}
}

// A time in seconds would be taken for one in 1970, and what expires then is expired.
func TestTimesInSecondsAreRefused(t *testing.T) {
	for ms, want := range map[int64][]string{
		0: nil, 999_999_999: nil, 1_798_437_831: {"/properties/expires/minimum"},
		9_999_999_999: {"/properties/expires/minimum"}, 10_000_000_000: nil, 1_798_437_831_000: nil,
	} {
		body := fmt.Sprintf(`{"apiId":"api_12345","expires":%d}`, ms)
		if diff := cmp.Diff(want, locations[latchkey.CreateKeyRequest](t, body)); diff != "" {
			t.Errorf("%d: %s", ms, diff)
		}
		faults := Check(&latchkey.CreateKeyRequest{
			APIID: "api_12345", Expires: latchkey.AtMilli(ms),
		})
		if diff := cmp.Diff(want, at(faults)); diff != "" {
			t.Errorf("%d in process: %s", ms, diff)
		}
	}
}

func TestTheZeroCharacterIsRejected(t *testing.T) {
	want := []string{"/properties/key/pattern"}
	if diff := cmp.Diff(want, locations[verification](t, `{"key":"a\u0000b"}`)); diff != "" {
		t.Error(diff)
	}
	if faults := Check(&verification{Key: "\x00"}); len(faults) != 1 ||
		faults[0].Location != want[0] {
		t.Errorf("in process: %v", faults)
	}
}

func TestLengthCountsCharactersNotBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		want []string
	}{
		{strings.Repeat("é", 255), nil},
		{strings.Repeat("😀", 255), nil},
		{strings.Repeat("e", 256), []string{"/properties/name/maxLength"}},
	} {
		got := locations[update](t, `{"keyId":"key","name":"`+c.name+`"}`)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAnExplicitZeroIsChecked(t *testing.T) {
	const each = "/properties/ratelimits/items/properties/"
	for field, want := range map[string]string{
		`"permissions":""`:                            "/properties/permissions/minLength",
		`"ratelimits":[{"name":"abc","limit":-1}]`:    each + "limit/minimum",
		`"ratelimits":[{"name":"abc","duration":-1}]`: each + "duration/minimum",
		`"tags":[""]`:                                 "/properties/tags/items/minLength",
		`"tags":[null]`:                               "/properties/tags/items/type",
	} {
		got := locations[verification](t, `{"key":"k",`+field+`}`)
		if diff := cmp.Diff([]string{want}, got); diff != "" {
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
	faults := Decode([]byte(body.String()), new(verification))
	if last := faults[19].Message; !strings.Contains(last, `"e"`) {
		t.Errorf("the last fault is %q, want the fifth unknown name in order", last)
	}
}

func TestARepeatedUnknownNameIsReportedOnce(t *testing.T) {
	got := locations[verification](t, `{"key":"k","x":1,"x":2,"\u0078":3}`)
	if diff := cmp.Diff([]string{"/additionalProperties"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestItemsOfATooLongListAreNotChecked(t *testing.T) {
	many := strings.Repeat(`"",`, 1000) + `""`
	got := locations[update](t, `{"keyId":"key","permissions":[`+many+`],"roles":[`+many+`]}`)
	want := []string{"/properties/roles/maxItems", "/properties/permissions/maxItems"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The secrets here stand in every place that a value or a name can have.
func TestFaultsDoNotRepeatValues(t *testing.T) {
	const secret = "s3cr3t"
	for _, body := range []string{
		`{"keyId":"` + secret + `é","name":"` + secret + secret + `","externalId":"` + secret +
			` "}`,
		`{"keyId":{"` + secret + `":1},"roles":[{"` + secret + `":1}]}`,
		`{"keyId":"key","credits":{"refill":{"interval":"` + secret + `","amount":1}}}`,
		`{"keyId":"key","permissions":["` + secret + ` "],"expires":"` + secret + `"}`,
		`{"keyId":"key","meta":"` + secret + `"}`,
		`{"keyId":"key"} ` + secret, `"` + secret + `"`, `{"keyId":"` + secret,
		`{"keyId":` + secret + `}`,
	} {
		faults := Decode([]byte(body), new(update))
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
	faults := Decode([]byte(body), new(verification))
	if len(faults) != 1 || len(faults[0].Message) > 400 {
		t.Errorf("got %.500v, want one short fault", faults)
	}
}

// A request that stays in memory must not keep the whole body there.
func TestRequestsDoNotRetainTheBody(t *testing.T) {
	body := []byte(wellFormed)
	var got, want update
	Decode(body, &got)
	Decode([]byte(wellFormed), &want)
	clear(body)
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Error(diff)
	}
}

// A list that is refused for its length, or of which every item is wrong, takes no
// more memory than its faults.
func TestAShortBodyAllocatesLittle(t *testing.T) {
	items := strings.Repeat("{},", 1_000_000)
	var tooLong calls
	var wrong verification
	Decode([]byte("["+items+"{}]"), &tooLong)
	Decode([]byte(`{"key":"k","ratelimits":[`+items+"{}]}"), &wrong)
	if n := max(cap(tooLong), cap(wrong.Ratelimits)); n > 64 {
		t.Errorf("there is room for %d items", n)
	}
}
