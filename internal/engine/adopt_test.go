package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// oldService is the service that keys are adopted from.
type oldService struct {
	mu      sync.Mutex
	asked   map[string]int
	keys    map[string]*latchkey.Key
	trouble atomic.Bool
}

func (o *oldService) ask(_ context.Context, key string) (*latchkey.Key, error) {
	if o.trouble.Load() {
		return nil, errors.New("no connection")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[key]++
	return o.keys[key], nil
}

// adoptFrom makes an engine adopt keys into an API, as Open does with Config.Adopt.
func (w *world) adoptFrom(o *oldService, api string) {
	w.t.Helper()
	a, err := w.openAdopter(w.t.Context(), &Adoption{API: api, Ask: o.ask})
	if err != nil {
		w.t.Fatal(err)
	}
	w.adopter = a
}

func newOldService(keys map[string]*latchkey.Key) *oldService {
	return &oldService{keys: keys, asked: map[string]int{}}
}

// TestAdoptedKeysAreKeptWithTheirFacts: a key is asked for once, has what the old service knew
// of it, and is this service's own from then on.
func TestAdoptedKeysAreKeptWithTheirFacts(t *testing.T) {
	w := newWorld(t)
	limit := latchkey.Ratelimit{Name: "requests", Limit: 7, Duration: latchkey.Per(time.Minute),
		AutoApply: true}
	shared := latchkey.Ratelimit{Name: "shared", Limit: 9, Duration: latchkey.Per(time.Minute),
		AutoApply: true}
	old := newOldService(map[string]*latchkey.Key{
		"sk_full": {
			KeyID: "key_old", Start: "sk_fu", Enabled: true, Name: "n", Meta: `{"a":1}`,
			Permissions: []string{"docs.read"}, Roles: []string{"reader"},
			Expires: latchkey.At(w.now().Add(time.Hour)),
			Credits: &latchkey.Credits{Remaining: latchkey.Set[int64](3)},
			Identity: &latchkey.Identity{
				ExternalID: "user", Meta: `{"b":2}`, Ratelimits: []latchkey.Ratelimit{shared},
			},
			Ratelimits: []latchkey.Ratelimit{limit},
		},
		"sk_off": {KeyID: "key_off", Enabled: false},
		"sk_bad": {KeyID: "key_bad", Enabled: true, Permissions: []string{"not a slug"}},
	})
	api := w.newAPI()
	own := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	w.adoptFrom(old, api)
	for range 2 {
		v := w.verify("sk_full")
		if v.Code != latchkey.Valid || v.Name != "n" || v.Meta != `{"a":1}` ||
			len(v.Permissions) != 1 || len(v.Roles) != 1 || v.Expires.IsZero() ||
			v.Identity == nil || v.Identity.Meta != `{"b":2}` || len(v.Ratelimits) != 2 {
			t.Fatalf("%+v", v)
		}
	}
	if v := w.verify("sk_full"); v.Credits.Or(-1) != 0 {
		t.Errorf("%d credits are left of 3 after 3 verifications", v.Credits.Or(-1))
	}
	if v := w.verify("sk_off"); v.Code != latchkey.Disabled {
		t.Errorf("a disabled key is %s", v.Code)
	}
	if v := w.verify(own.Key); !v.Valid || old.asked[own.Key] != 0 {
		t.Errorf("a known key is %s, asked for %d times", v.Code, old.asked[own.Key])
	}
	for range 3 {
		if v := w.verify("sk_nobody"); v.Code != latchkey.NotFound {
			t.Errorf("a key that nobody knows is %s", v.Code)
		}
	}
	for key, n := range old.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", key, n)
		}
	}
	w.refused(w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: "sk_bad"},
		http.StatusServiceUnavailable, "service_unavailable")
	must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{
		KeyID: w.verify("sk_full").KeyID, Permanent: true,
	})
	if v := w.verify("sk_full"); v.Code != latchkey.NotFound || old.asked["sk_full"] != 1 {
		t.Errorf("after its deletion it is %s, asked for %d times", v.Code, old.asked["sk_full"])
	}
}

// TestTroubleIsNeverNotFound: while the old service can't be asked, verifications of unknown
// keys fail, and nothing is kept of that; what nobody knows is asked for again later.
func TestTroubleIsNeverNotFound(t *testing.T) {
	w := newWorld(t)
	old := newOldService(map[string]*latchkey.Key{"sk_a": {KeyID: "key_a", Enabled: true}})
	w.adoptFrom(old, w.newAPI())
	old.trouble.Store(true)
	for range 3 {
		w.refused(w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: "sk_a"},
			http.StatusServiceUnavailable, "service_unavailable")
	}
	if n := w.number("SELECT COUNT(*) FROM adoptions"); n != 0 {
		t.Errorf("%d rows are kept", n)
	}
	old.trouble.Store(false)
	if v := w.verify("sk_a"); !v.Valid {
		t.Errorf("after the trouble it is %s", v.Code)
	}
	if v := w.verify("sk_later"); v.Code != latchkey.NotFound {
		t.Errorf("an unknown key is %s", v.Code)
	}
	old.mu.Lock()
	old.keys["sk_later"] = &latchkey.Key{KeyID: "key_later", Enabled: true}
	old.mu.Unlock()
	w.advance(unknownFor + time.Second)
	if v := w.verify("sk_later"); !v.Valid {
		t.Errorf("a key that was created since is %s", v.Code)
	}
	if v := w.verify("sk_gone"); v.Code != latchkey.NotFound {
		t.Errorf("an unknown key is %s", v.Code)
	}
	w.advance(unknownFor + time.Second)
	if err := w.dropUnknownAdoptions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.number("SELECT COUNT(*) FROM adoptions"); n != 2 {
		t.Errorf("%d rows are kept, want those of 2 adopted keys", n)
	}
}

// TestOthersDoNotAdopt: root keys of another workspace don't ask.
func TestOthersDoNotAdopt(t *testing.T) {
	w := newWorld(t)
	old := newOldService(map[string]*latchkey.Key{"sk_a": {KeyID: "key_a", Enabled: true}})
	w.adoptFrom(old, w.newAPI())
	v := must[latchkey.Verification](w, w.otherWorkspace(), "keys.verifyKey",
		latchkey.VerifyKeyRequest{Key: "sk_a"})
	if v.Code != latchkey.NotFound || len(old.asked) != 0 {
		t.Errorf("another workspace's key is %s, asked for %v", v.Code, old.asked)
	}
}

// TestEveryKeyIsAskedForAtMostOnceInTheCluster verifies the same keys on all nodes at once.
func TestEveryKeyIsAskedForAtMostOnceInTheCluster(t *testing.T) {
	nodes := newNodes(t, 3, nil)
	old := newOldService(map[string]*latchkey.Key{})
	api := nodes[0].newAPI()
	const keys = 60
	for i := range keys {
		old.keys[fmt.Sprint("sk_", i)] = &latchkey.Key{KeyID: fmt.Sprint("key_", i), Enabled: true}
	}
	var all sync.WaitGroup
	for _, w := range nodes {
		w.adoptFrom(old, api)
		all.Go(func() {
			for i := range keys {
				r, err := w.do(w.who, "keys.verifyKey",
					latchkey.VerifyKeyRequest{Key: fmt.Sprint("sk_", i)})
				if v, _ := r.Data.(latchkey.Verification); err != nil || !v.Valid {
					t.Errorf("key %d is %s, %v", i, v.Code, err)
				}
			}
		})
	}
	all.Wait()
	for key, n := range old.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", key, n)
		}
	}
	if len(old.asked) != keys {
		t.Errorf("%d keys were asked for, want %d", len(old.asked), keys)
	}
}

// TestAdoptionGivesNothingThatAKeyHadNot: a key that was erased here isn't adopted, an owner
// stays suspended, and what a key has by its role it loses with the role.
func TestAdoptionGivesNothingThatAKeyHadNot(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	own := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole", latchkey.CreateRoleRequest{
		Name: "editor", Permissions: []string{"docs.write"},
	})
	old := newOldService(map[string]*latchkey.Key{
		own.Key: {KeyID: "key_own", Enabled: true},
		"sk_suspended": {KeyID: "key_suspended", Enabled: true, Identity: &latchkey.Identity{
			ExternalID: "user", Disabled: true,
		}},
		"sk_editor": {KeyID: "key_editor", Enabled: true, Roles: []string{"editor"},
			Permissions: []string{"docs.read", "docs.write"}},
	})
	w.adoptFrom(old, api)
	must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{
		KeyID: own.KeyID, Permanent: true,
	})
	if v := w.verify(own.Key); v.Code != latchkey.NotFound || old.asked[own.Key] != 0 {
		t.Errorf("an erased key is %s, asked for %d times", v.Code, old.asked[own.Key])
	}
	if v := w.verify("sk_suspended"); v.Code != latchkey.Disabled {
		t.Errorf("the key of a suspended owner is %s", v.Code)
	}
	v := w.verify("sk_editor")
	must[[]latchkey.Role](w, w.who, "keys.removeRoles", latchkey.RemoveRolesRequest{
		KeyID: v.KeyID, Roles: []string{"editor"},
	})
	if after := w.verify("sk_editor"); len(v.Permissions) != 2 || len(after.Permissions) != 1 {
		t.Errorf("permissions %v, and %v without the role", v.Permissions, after.Permissions)
	}
}
