package wire

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// hotRequests are what clients send to the operations that have to be fast, each
// with how many strings, lists and objects it has: what reading it has to allocate.
var hotRequests = []struct {
	body    string
	request func() any
	allocs  float64
}{
	{`{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9"}`, verify, 1},
	{`{"key":"sk_1","permissions":"docs.read AND (a OR b)","credits":{"cost":2}}`, verify, 3},
	{` { "key" : "sk_1" , "tags" : [ "path=/v1" , "ü" ] } `, verify, 4},
	{"{\n\t\"key\": \"sk_1\",\r\n\t\"tags\": [], \"migrationId\": \"\"}", verify, 1},
	{`{"key":"sk_1","ratelimits":[{"name":"abc","limit":1},{"name":"xyz"}]}`, verify, 4},
	{`{"namespace":"requests","identifier":"user_1","limit":10,"duration":60000}`, limit, 2},
	{`{"duration":1000,"limit":9223372036854775807,"namespace":"n","identifier":"i"}`, limit, 2},
	{`[{"namespace":"ns","identifier":"ab","limit":1,"duration":1000}]`, multiLimit, 3},
}

func verify() any     { return new(verification) }
func limit() any      { return new(latchkey.LimitRequest) }
func multiLimit() any { return new(calls) }

func TestHotRequestsAllocateOnlyTheirContents(t *testing.T) {
	for _, hot := range hotRequests {
		body, request := []byte(hot.body), hot.request()
		var faults []latchkey.Fault
		n := testing.AllocsPerRun(100, func() { faults = Decode(body, request) })
		if n > hot.allocs || faults != nil {
			t.Errorf("%s: %v allocations, want at most %v; faults: %v", body, n, hot.allocs, faults)
		}
		if n := testing.AllocsPerRun(100, func() { faults = Check(request) }); n > 0 ||
			faults != nil {
			t.Errorf("%s: %v allocations to check it, want none; faults: %v", body, n, faults)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for _, answer := range []any{
		latchkey.LimitResult{
			Success: true, Limit: 10, Remaining: 9, OverrideID: "ovr_1",
			Reset: latchkey.AtMilli(1_772_452_815_000),
		},
		latchkey.Verification{
			Valid: true, Code: latchkey.Valid, KeyID: "key_1", Name: "Schlüssel \"1\"\n",
			Meta: `{"plan":"pro"}`, Expires: latchkey.AtMilli(1),
			Credits: latchkey.Set[int64](3), Enabled: latchkey.Set(true),
			Permissions: []string{"docs.read"},
			Identity:    &latchkey.Identity{ID: "id_1", Ratelimits: make([]latchkey.Ratelimit, 2)},
			Ratelimits:  make([]latchkey.RatelimitState, 2),
		},
	} {
		out, written := make([]byte, 0, 4096), false
		n := testing.AllocsPerRun(100, func() { _, written = Append(out, answer) })
		if n != 0 || !written {
			t.Errorf("%T: %v allocations, want none; written: %v", answer, n, written)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9"}`)
	b.ReportAllocs()
	for b.Loop() {
		if faults := Decode(body, new(verification)); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkDecodeMany(b *testing.B) {
	body := []byte(wellFormed)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if faults := Decode(body, new(update)); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	v := &verification{Key: "sk_live_2qZrC3pVbW8yHkT5nLx9"}
	b.ReportAllocs()
	for b.Loop() {
		if faults := Check(v); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	var answer any = latchkey.Verification{
		Valid: true, Code: latchkey.Valid, KeyID: "key_2qZrC3pV", Name: "a key",
		Meta:    `{"plan":"pro"}`,
		Enabled: latchkey.Set(true), Permissions: []string{"docs.read"},
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		Append(out, answer)
	}
}
