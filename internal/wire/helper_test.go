package wire

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// The requests that most tests are made with: between them they have every kind of
// field.
type (
	verification = latchkey.VerifyKeyRequest
	creation     = latchkey.CreateKeyRequest
	update       = latchkey.UpdateKeyRequest
	calls        = latchkey.MultiLimitRequest
)

// compare looks into latchkey.Opt and the like.
var compare = cmp.Exporter(func(reflect.Type) bool { return true })

// at returns where the faults are.
func at(faults []latchkey.Fault) (locations []string) {
	for _, f := range faults {
		locations = append(locations, f.Location)
	}
	return locations
}

// locations reads body into a new T and returns where it is wrong.
func locations[T any](t *testing.T, body string) []string {
	t.Helper()
	faults := Decode([]byte(body), new(T))
	for _, f := range faults {
		if f.Message == "" {
			t.Errorf("the fault at %s says nothing", f.Location)
		}
	}
	return at(faults)
}

// wellFormed is an update of a key with every field.
const wellFormed = `{
	"keyId": "key_1", "name": "grüße", "externalId": "user.1-a_b",
	"meta": {"plan": "pro", "seats": 12345678901234567890}, "expires": 4102444800000,
	"credits": {"remaining": null, "refill": {"interval": "daily", "amount": 10, "refillDay": 31}},
	"ratelimits": [{"name": "abc", "limit": 1, "duration": 1000, "autoApply": false, "id": "rl_1"}],
	"enabled": false, "roles": ["admin"], "permissions": ["docs.*", "a:b-c"]
}`

// aCall is a MultiLimitRequest with one element whose limit is the given JSON.
func aCall(limit string) string {
	return `[{"namespace":"n","identifier":"i","limit":` + limit + `,"duration":1000}]`
}
