package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
)

// ofEveryKind makes n keys of an API that hold all sorts of things, every third
// one for the same identity.
func (w *world) ofEveryKind(api string, n int) {
	w.t.Helper()
	limit := func(name string) []latchkey.RatelimitRequest {
		return []latchkey.RatelimitRequest{{Name: name, Limit: 5, Duration: latchkey.Per(time.Minute)}}
	}
	must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity", latchkey.CreateIdentityRequest{ExternalID: "shared", Ratelimits: limit("ours")})
	for _, role := range []string{"reader", "writer"} {
		must[latchkey.CreatedRole](w, w.who, "permissions.createRole", latchkey.CreateRoleRequest{Name: role, Permissions: []string{"docs." + role, "docs.list"}})
	}
	for i := range n {
		r := latchkey.CreateKeyRequest{APIID: api, Name: fmt.Sprintf("the key %d", i)}
		switch i % 6 {
		case 1:
			r.Permissions = []string{"files.read", "docs.list"}
		case 2:
			r.Roles, r.Permissions = []string{"writer", "reader"}, []string{"files.write"}
		case 3:
			r.Ratelimits = limit("mine")
		}
		if i%3 == 0 {
			r.ExternalID = "shared"
		}
		w.newKey(r)
	}
}

// TestAPageSaysOfEachKeyWhatGetKeySays: what the keys of a page hold is read
// with one query and must be what is read of each of them alone, whatever the
// other keys and APIs hold.
func TestAPageSaysOfEachKeyWhatGetKeySays(t *testing.T) {
	w := newWorld(t)
	api, other := w.newAPI(), w.newAPI()
	w.ofEveryKind(api, 30)
	w.newKey(latchkey.CreateKeyRequest{APIID: other, ExternalID: "shared", Permissions: []string{"files.read"}})
	for externalID, want := range map[string]int{"": 30, "shared": 10, "nobody": 0} {
		request, seen := latchkey.ListKeysRequest{APIID: api, ExternalID: externalID, Limit: 7}, 0
		for more := true; more; {
			page, err := w.ListKeys(t.Context(), w.who, &request)
			if err != nil {
				t.Fatal(err)
			}
			for _, listed := range page.Data {
				alone := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: listed.KeyID})
				if diff := cmp.Diff(alone, listed, cmpopts.EquateComparable(latchkey.Duration{})); diff != "" {
					t.Errorf("%s (-alone +listed):\n%s", listed.KeyID, diff)
				}
			}
			seen += len(page.Data)
			request.Cursor, more = page.Pagination.Cursor, page.Pagination.HasMore
		}
		if seen != want {
			t.Errorf("%d keys of %q, want %d", seen, externalID, want)
		}
	}
}
