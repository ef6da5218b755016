package check

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var write = flag.Bool("update", false, "write testdata/faults.golden anew")

// The wording of faults is read by people and the locations by programs, so a
// change of either shows in the golden file.
func TestFaultsReadAsWritten(t *testing.T) {
	var got bytes.Buffer
	tell := func(plan *Plan, into any, bodies ...string) {
		for _, body := range bodies {
			fmt.Fprintf(&got, "%s\n", body)
			for _, f := range plan.Decode([]byte(body), into) {
				fmt.Fprintf(&got, "\t%s: %s", f.Location, f.Message)
				if f.Fix != "" {
					fmt.Fprintf(&got, " (%s)", f.Fix)
				}
				got.WriteByte('\n')
			}
		}
	}
	tell(Of[verification](), new(verification),
		``, `null`, "\ufeff{}", `{"key": tru}`, `[]`, `{}`, `{"key":"k"}`,
		`{"key":"", "tags":{}, "permissions":7, "credits":null, "ratelimits":[{"limit":1.5}, {"name":"ab","cost":null}, "x"]}`,
		`{"key":"k", "Tags":[], "rate_limits":[], "apiId":"", "a\u0001\"b":1}`,
		`{"key":"k", "credits":{"cost":1000000000001, "amount":1}}`,
	)
	tell(Of[update](), new(update),
		`{"keyId":"a b", "name":"123456789", "externalId":"a/b", "meta":{"a":1,"b":2,"c":3,"d":4}, "labels":{}}`,
		`{"keyId":null, "name":1, "meta":"m", "expires":1e3, "since":-1, "credits":[], "enabled":null, "window":999}`,
		`{"keyId":"key", "expires":4102444800001, "credits":{"remaining":-1, "refill":{"interval":"weekly","amount":0,"refillDay":32}}}`,
		`{"keyId":"key", "ratelimits":[{"name":"abc","x":1}, {"name":"abc","limit":0,"duration":1,"autoApply":"no"}]}`,
		`{"keyId":"key", "permissions":[], "roles":["a",""], "colors":["red","blue"], "byteLength":15}`,
		`{"keyId":"key", "permissions":["a","b c","0123456789"], "limits":{"low":1,"high":10}}`,
	)
	tell(Of[calls](), new(calls),
		`{}`, `[]`, `[{},{},{},{}]`, `[null]`,
		`[{"namespace":"n","limit":0,"mode":"slow","extra":{"each":["ok","not ok"]}}, {"namespace":"","limit":1,"extra":{}}]`,
	)

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
