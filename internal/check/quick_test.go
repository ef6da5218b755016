package check

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// agree holds that what the quick way accepts, the slow way accepts and reads
// the same. It reports whether the quick way did.
func agree(t interface{ Errorf(string, ...any) }, p *Plan, body []byte) bool {
	got, want := reflect.New(p.typ), reflect.New(p.typ)
	q := quick{data: body}
	if !q.decode(p.root, got.Elem()) {
		return false
	}
	if faults := p.decode(body, want.Elem()); faults != nil {
		t.Errorf("%q is accepted in spite of %v", body, faults)
	}
	if diff := cmp.Diff(want.Interface(), got.Interface(), compare); diff != "" {
		t.Errorf("%q: %s", body, diff)
	}
	return true
}

// hotRequests are what clients send to the operations that have to be fast.
var hotRequests = map[string]*Plan{
	`{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9"}`:                                                           Of[latchkey.VerifyKeyRequest](),
	` { "key" : "sk_1" , "tags" : [ "path=/v1" , "ü" ], "permissions":"docs.read AND (a OR b)" } `:     Of[latchkey.VerifyKeyRequest](),
	"{\n\t\"key\": \"sk_1\",\r\n\t\"credits\": {\"cost\": 0}, \"tags\": [], \"migrationId\": \"\"}":    Of[latchkey.VerifyKeyRequest](),
	`{"key":"sk_1","ratelimits":[{"name":"abc","cost":2,"limit":10,"duration":60000},{"name":"xyz"}]}`: Of[latchkey.VerifyKeyRequest](),
	`{"namespace":"requests","identifier":"user_1","limit":10,"duration":60000}`:                       Of[latchkey.LimitRequest](),
	`{"duration":1000,"limit":9223372036854775807,"identifier":"::1","namespace":"n","cost":-0}`:       Of[latchkey.LimitRequest](),
	`[{"namespace":"n","identifier":"a","limit":1,"duration":1000},` +
		`{"namespace":"n","identifier":"b","limit":1,"duration":1000}]`: Of[latchkey.MultiLimitRequest](),
}

func TestHotRequestsAreReadQuickly(t *testing.T) {
	for body, plan := range hotRequests {
		if !agree(t, plan, []byte(body)) {
			t.Errorf("%s takes the slow way", body)
		}
	}
}

// TestHotRequestsAllocateTheirStrings: and nothing besides.
func TestHotRequestsAllocateTheirStrings(t *testing.T) {
	verify, limit := new(latchkey.VerifyKeyRequest), new(latchkey.LimitRequest)
	for _, c := range []struct {
		plan *Plan
		into any
		body string
		want float64
	}{
		{Of[latchkey.VerifyKeyRequest](), verify, `{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9"}`, 1},
		{Of[latchkey.VerifyKeyRequest](), verify, `{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9","permissions":"docs.read","credits":{"cost":2}}`, 3},
		{Of[latchkey.LimitRequest](), limit, `{"namespace":"requests","identifier":"user_1","limit":10,"duration":60000}`, 2},
	} {
		body := []byte(c.body)
		if n := testing.AllocsPerRun(100, func() { c.plan.Decode(body, c.into) }); n > c.want {
			t.Errorf("%s: %v allocations, want at most %v", body, n, c.want)
		}
	}
}

// TestQuickStopsAtTheFirstItemTooMany: a body can't ask for much memory by a
// list that is refused anyway.
func TestQuickStopsAtTheFirstItemTooMany(t *testing.T) {
	plan, body := Of[calls](), "["+strings.Repeat(strings.Trim(aCall("1"), "[]")+",", 1000)+"{}]"
	var got calls
	q := quick{data: []byte(body)}
	if q.decode(plan.root, reflect.ValueOf(&got).Elem()) || len(got) != 3 {
		t.Errorf("%d items were read, want 3 and then no more", len(got))
	}
}

func TestAnObjectHasAtMost64Fields(t *testing.T) {
	var fields []reflect.StructField
	for i := range 65 {
		fields = append(fields, reflect.StructField{Name: "F" + strings.Repeat("x", i), Type: reflect.TypeFor[int]()})
	}
	if _, err := compileRoot(reflect.StructOf(fields[:64])); err != nil {
		t.Error(err)
	}
	if _, err := compileRoot(reflect.StructOf(fields)); err == nil {
		t.Error("65 fields are accepted, of which the last has no bit")
	}
}

func TestQuickAgreesOnDrawnRequests(t *testing.T) {
	s, plan := oracle(t), Of[update]()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		if agree(t, plan, []byte(drawJSON(t, s))) {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("the quick way accepted nothing")
	}
}

func FuzzQuick(f *testing.F) {
	plans := []*Plan{
		Of[latchkey.VerifyKeyRequest](), Of[latchkey.LimitRequest](), Of[latchkey.MultiLimitRequest](), Of[update](), Of[calls](),
	}
	for body := range hotRequests {
		f.Add([]byte(body))
	}
	for _, body := range []string{
		``, ` `, `{`, `{}`, `{}}`, `[]`, `[,]`, `null`, `{"key"`, `{"key":`, `{"key":}`, `{"key":"k"`, `{"key":"k",}`, `{,"key":"k"}`, `{"key":"k"}x`,
		`{"key":"k""tags":[]}`, `{"key":"k","tags":["a",]}`, `{"key":"k","tags":["a" "b"]}`, `{"key":"k","key":"l"}`, `{"key":"\u006b"}`, `{"k\u0065y":"k"}`,
		"{\"key\":\"a\nb\"}", "{\"key\":\"a\xffb\"}", "{\"key\":\"a\x7f\u2028\"}", `{"key":null}`, `{"key":1}`, `{"key":"k","x":1}`, `{"KEY":"k"}`,
		`{"key":"k","credits":}`, `{"key":"k","credits":{}}`, `{"key":"k","credits":{"cost":01}}`, `{"key":"k","credits":{"cost":1.0}}`,
		`{"key":"k","credits":{"cost":1e3}}`, `{"key":"k","credits":{"cost":-}}`, `{"key":"k","credits":{"cost":-0}}`, `{"key":"k","credits":null}`,
		`{"key":"k","ratelimits":[{"name":"abc","limit":9223372036854775808}]}`, `[{"namespace":"n","limit":1,"extra":{"each":["a"]}}]`,
		`{"keyId":"key","enabled":true,"forever":false}`, `{"keyId":"key","enabled":truE}`, `{"keyId":"key","name":null,"meta":null,"expires":-5}`,
		`{"keyId":"key","ratelimits":[{"name":"abc","limit":1,"duration":1000,"autoApply":false,"id":"x"}]}`, `{"keyId":"key","meta":{"a":1}}`, wellFormed,
		`{"keyId":"key","limits":{"low":2},"limits":{"high":1}}`, `{"key":"k","migrationId":"\x"}`, `{"key":"k","migrationId":"\"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range plans {
			agree(t, p, body)
		}
	})
}
