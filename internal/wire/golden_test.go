package wire

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

var write = flag.Bool("update", false, "update testdata/faults.golden")

// The wording of faults is read by people and the locations by programs, so a
// change of either shows in the golden file.
func TestFaultTexts(t *testing.T) {
	var got bytes.Buffer
	tell := func(into func() any, bodies ...string) {
		for _, body := range bodies {
			fmt.Fprintf(&got, "%.200s\n", body)
			for _, f := range Decode([]byte(body), into()) {
				fmt.Fprintf(&got, "\t%s: %s", f.Location, f.Message)
				if f.Fix != "" {
					fmt.Fprintf(&got, " (%s)", f.Fix)
				}
				got.WriteByte('\n')
			}
		}
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `"%d":1,`, i)
	}
	tell(func() any { return new(verification) },
		``, `null`, "\ufeff{}", `{"key": tru}`, `[]`, `{}`, `{"key":"k"}`,
		`{"key":"", "tags":{}, "permissions":7, "credits":null}`,
		`{"key":"k", "ratelimits":[{"limit":1.5}, {"name":"ab","cost":null}, "x"]}`,
		`{"key":"k", "Tags":[], "rate_limits":[], "apiId":"", "a\u0001\"b":1}`,
		`{"key":"k", "migration-id":"", "tags":["a",""]}`,
		`{"key":"k", "credits":{"cost":1000000000001, "amount":1}, "permissions":"a\u0000"}`,
	)
	tell(func() any { return new(update) },
		`{"keyId":"a b", "name":"", "externalId":"a/b", "meta":{`+many.String()+`"b":2}}`,
		`{"keyId":null, "name":1, "meta":"m", "expires":1e3, "credits":[]}`,
		`{"keyId":"key", "enabled":null, "roles":"admin"}`,
		`{"keyId":"key", "expires":4102444800001, "credits":{"remaining":-1}}`,
		`{"keyId":"key", "credits":{"refill":{"interval":"weekly","amount":0,"refillDay":32}}}`,
		`{"keyId":"key", "ratelimits":[{"name":"abc","x":1}]}`,
		`{"keyId":"key", "ratelimits":[{"name":"abc","limit":0,"duration":1,"autoApply":"no"}]}`,
		`{"keyId":"key", "permissions":["a","b c"], "roles":["a",""], "credits":{"refill":{"amount":1}}}`,
	)
	tell(func() any { return new(creation) },
		`{"byteLength":15, "expires":-1, "recoverable":1, "credits":{"refill":null}}`,
		`{"apiId":"api", "byteLength":256, "prefix":"", "name":null, "meta":[]}`,
	)
	tell(func() any { return new(calls) },
		`{}`, `[]`, "["+strings.Repeat("{},", 100)+"{}]", `[null]`, `[{"x":1}]`,
		`[{"namespace":"", "identifier":"i", "limit":0, "duration":2592000001}, {"namespace":"n"}]`,
	)
	tell(func() any { return new(latchkey.RerollKeyRequest) },
		`{"keyId":"key", "expiration":"1"}`, `{"expiration":-1}`,
	)
	tell(func() any { return new(latchkey.LivenessRequest) }, `{"x":1}`)

	const file = "testdata/faults.golden"
	if *write {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}
