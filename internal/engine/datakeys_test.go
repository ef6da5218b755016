package engine

import (
	"context"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// retire retires all data keys, as latchkey vault rotate does.
func (w *world) retire() {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		return tx.RetireDataKeys(ctx, w.now().UnixMilli())
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mustRun(job func(context.Context) error) {
	w.t.Helper()
	if err := job(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestDataKeysAreReplaced: after a rotation, old plaintexts can be read all the time, also
// when the job stops halfway, and end up under data keys that a copy from before doesn't have.
func TestDataKeysAreReplaced(t *testing.T) {
	w := newWorld(t)
	secrets := map[string]string{}
	var apis []string
	create := func(api string) {
		k := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
		secrets[k.KeyID] = k.Key
	}
	for range 2 {
		apis = append(apis, w.recoverableAPI())
		for range 60 {
			create(apis[len(apis)-1])
		}
	}
	// as releases before data keys had owners left one of them
	w.exec(`UPDATE data_keys SET id = owner, owner = '' WHERE id = (SELECT MIN(id) FROM data_keys
		WHERE owner <> 'answers')`)
	w.exec(`UPDATE sealed_keys SET data_key = '' WHERE data_key NOT IN (SELECT id FROM data_keys)`)
	if n := w.number("SELECT COUNT(*) FROM sealed_keys WHERE data_key = ''"); n != 60 {
		t.Fatalf("%d values of an earlier release, want 60", n)
	}
	readable := func(when string) {
		t.Helper()
		for id, secret := range secrets {
			if text, status := w.plaintextOf(w.who, id); text != secret {
				t.Fatalf("%s: %d %q, want %q", when, status, text, secret)
			}
		}
	}
	before, err := w.db.DataKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.retire()
	create(apis[0])
	readable("after the rotation")
	pending := func() int {
		return w.number(`SELECT COUNT(*) FROM sealed_keys WHERE data_key = '' OR data_key IN
			(SELECT id FROM data_keys WHERE retired_at <> 0)`)
	}
	for n := int64(20); pending() == 120; n += 20 {
		hurried := &leavesAfter{Context: t.Context()}
		hurried.left.Store(n)
		if err := w.replaceDataKeys(hurried); err == nil {
			t.Fatal("the job didn't stop")
		}
	}
	readable("halfway")
	w.mustRun(w.replaceDataKeys)
	w.advance(time.Minute)
	w.mustRun(w.replaceDataKeys)
	readable("at the end")
	if n := w.number("SELECT COUNT(*) FROM data_keys" +
		" WHERE retired_at <> 0 AND owner <> 'answers'"); n != 0 {
		t.Errorf("%d old data keys of keyspaces are kept", n)
	}
	for id := range secrets {
		row, err := w.db.SealedKey(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range before {
			_, err := w.vault.Unseal(key.Wrapped, row.Sealed, w.who.root.workspace, id)
			if err == nil {
				t.Fatalf("a data key of before opens %s", id)
			}
		}
	}
}

// TestADamagedValueKeepsItsDataKey and doesn't keep the others from being replaced.
func TestADamagedValueKeepsItsDataKey(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	var keys []latchkey.CreatedKey
	for range 3 {
		keys = append(keys, w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true}))
	}
	damaged, err := w.db.SealedKey(t.Context(), keys[1].KeyID)
	if err != nil {
		t.Fatal(err)
	}
	w.exec("UPDATE sealed_keys SET sealed = $1 WHERE key_id = $2", []byte("damaged"), keys[1].KeyID)
	w.retire()
	for range 2 {
		if err := w.replaceDataKeys(t.Context()); err == nil {
			t.Error("nobody hears of it")
		}
		w.advance(time.Minute)
	}
	if n := w.resealPending.Load(); n != 1 {
		t.Errorf("%d are pending", n)
	}
	w.exec("UPDATE sealed_keys SET sealed = $1 WHERE key_id = $2", damaged.Sealed, keys[1].KeyID)
	for _, k := range keys {
		if text, status := w.plaintextOf(w.who, k.KeyID); text != k.Key {
			t.Errorf("%d %q, want %q", status, text, k.Key)
		}
	}
	w.mustRun(w.replaceDataKeys)
	if n := w.resealPending.Load(); n != 0 {
		t.Errorf("%d are pending at the end", n)
	}
}

// TestSavedResponsesOutliveTheirDataKey: a repeated request gets its response for a day,
// after a rotation too, and on a node that has not noticed it.
func TestSavedResponsesOutliveTheirDataKey(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	send := func(request string) string {
		who := w.who
		who.IdempotencyKey = request
		return must[latchkey.CreatedKey](w, who, "keys.createKey", object{"apiId": api}).Key
	}
	first := send("first")
	w.retire()
	unnoticed := send("unnoticed")
	w.mustRun(w.replaceDataKeys)
	last := send("last")
	w.advance(24*time.Hour - time.Second)
	w.mustRun(w.replaceDataKeys)
	w.mustRun(w.dropIdempotencyRecords)
	if send("first") != first || send("unnoticed") != unnoticed || send("last") != last {
		t.Error("a saved response is lost")
	}
	w.advance(2 * time.Hour)
	w.mustRun(w.replaceDataKeys)
	if n := w.number("SELECT COUNT(*) FROM data_keys WHERE owner = 'answers'"); n != 1 {
		t.Errorf("%d data keys of saved responses", n)
	}
}

// TestADataKeyIsNotUsedTooOften: random nonces are safe for 2^32 values.
func TestADataKeyIsNotUsedTooOften(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	create := func() latchkey.CreatedKey {
		return w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
	}
	first := create()
	const keys = "SELECT COUNT(*) FROM data_keys WHERE owner <> 'answers'"
	w.exec("UPDATE data_keys SET uses = $1 WHERE owner <> 'answers'", maxUses-1)
	create()
	if n := w.number(keys); n != 1 {
		t.Errorf("%d data keys before the bound", n)
	}
	create()
	if n := w.number(keys + " AND retired_at <> 0 AND uses = 2147483648"); n != 1 {
		t.Errorf("%d data keys are retired at the bound", n)
	}
	w.mustRun(w.replaceDataKeys)
	w.advance(time.Minute)
	w.mustRun(w.replaceDataKeys)
	if text, status := w.plaintextOf(w.who, first.KeyID); text != first.Key {
		t.Errorf("%d %q, want %q", status, text, first.Key)
	}
	if n := w.number(keys + " AND uses = 3"); n != 1 {
		t.Errorf("the new data key doesn't count its 3 uses")
	}
}

// TestThePlaintextOfARerolledKeyEndsWithIt, when its grace period does, but not that of a key
// whose end was put off or that was not replaced.
func TestThePlaintextOfARerolledKeyEndsWithIt(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	create := func() string {
		return w.newKey(latchkey.CreateKeyRequest{
			APIID: api, Recoverable: true, Expires: latchkey.At(w.now().Add(24 * time.Hour)),
		}).KeyID
	}
	old, putOff, plain := create(), create(), create()
	w.reroll(old, time.Hour)
	w.reroll(putOff, time.Hour)
	must[latchkey.Empty](w, w.who, "keys.updateKey", object{
		"keyId": putOff, "expires": w.now().Add(48 * time.Hour).UnixMilli(),
	})
	for _, step := range []struct {
		after             time.Duration
		old, putOff, rest bool
	}{
		{0, true, true, true}, {time.Hour, true, true, true},
		{time.Minute, false, true, true}, {46 * time.Hour, false, true, true},
		{2 * time.Hour, false, false, true},
	} {
		w.advance(step.after)
		w.mustRun(w.dropEndedPlaintexts)
		for id, want := range map[string]bool{
			old: step.old, putOff: step.putOff, plain: step.rest,
		} {
			if text, status := w.plaintextOf(w.who, id); (text != "") != want {
				t.Errorf("%v later: key %d of 3: %d %q", step.after, status, status, text)
			}
		}
	}
}
