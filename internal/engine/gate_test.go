package engine

import (
	"encoding/json"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// gate asks a gate of the API about a key.
func (w *world) gate(api, key string) (latchkey.Verification, error) {
	w.t.Helper()
	op, _ := Lookup("keys.verifyKey")
	call := Call{Gate: api, Value: &latchkey.VerifyKeyRequest{Key: key}}
	call.RemoteIP = "198.51.100.1"
	response, err := w.Serve(w.t.Context(), op, &call)
	v, _ := response.Data.(latchkey.Verification)
	return v, err
}

func TestGateVerifiesTheKeysOfItsAPIOnly(t *testing.T) {
	w := newWorld(t)
	x, other := w.newThings(), w.newAPI()
	foreign := w.newKey(latchkey.CreateKeyRequest{APIID: other}).Key
	for _, c := range []struct {
		api, key string
		code     latchkey.Code
	}{
		{x.api, x.secret, latchkey.Valid}, {x.api, foreign, latchkey.NotFound},
		{other, foreign, latchkey.Valid}, {other, x.secret, latchkey.NotFound},
		{x.api, w.root, latchkey.NotFound},
	} {
		v, err := w.gate(c.api, c.key)
		if err != nil || v.Code != c.code || c.code == latchkey.NotFound && v.KeyID != "" {
			t.Errorf("%s, %v; want %s", v.Code, err, c.code)
		}
	}
	for name, request := range x.requests() {
		if name == "keys.verifyKey" {
			continue
		}
		op, _ := Lookup(name)
		body, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Serve(t.Context(), op, &Call{Gate: x.api, Body: body}); err == nil {
			t.Errorf("a gate can call %s", name)
		}
	}
}

func TestMissesOfAGateCountForItAndTheAddress(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	gate := &Caller{root: &rootKey{id: api}}
	gate.RemoteIP = "198.51.100.1"
	for i, b := range w.misses.bucketsOf(gate) { // of the address and of the gate
		if b.Load() != 0 {
			t.Fatalf("bucket %d has counted before", i)
		}
	}
	if v, err := w.gate(api, "sk_unknown"); err != nil || v.Code != latchkey.NotFound {
		t.Fatalf("%s, %v", v.Code, err)
	}
	for i, b := range w.misses.bucketsOf(gate) {
		if b.Load() == 0 {
			t.Errorf("bucket %d has not counted the miss", i)
		}
	}
}

func TestGateEndsWithItsAPI(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api}).Key
	if v, err := w.gate(api, key); err != nil || !v.Valid {
		t.Fatalf("%s, %v", v.Code, err)
	}
	must[latchkey.Empty](w, w.who, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: api})
	if _, err := w.gate(api, key); err == nil {
		t.Error("the gate of a deleted API verifies keys")
	}
}

func TestVerificationsOfAGateAreBillable(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api}).Key
	for range 3 {
		if v, err := w.gate(api, key); err != nil || !v.Valid {
			t.Fatalf("%s, %v", v.Code, err)
		}
	}
	_, sums := w.used.take(0)
	if n := sums[w.who.WorkspaceID()].verifications; n != 3 {
		t.Errorf("%d verifications are counted", n)
	}
}
