package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func from(address string) *Caller { return &Caller{Request: Request{RemoteIP: address}} }

// look makes n lookups in turn and returns how long they took.
func look(t *testing.T, m *misses, who *Caller, n int, found bool) time.Duration {
	t.Helper()
	before := time.Now()
	for range n {
		err := m.lookUp(t.Context(), who, func() (bool, error) { return found, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(before)
}

// overdraw makes the caller have too many misses.
func overdraw(m *misses, who *Caller) {
	for _, b := range m.bucketsOf(who) {
		if b != nil {
			b.Store(int64(time.Since(m.pace.began) + missBurst + longestDelay/4))
		}
	}
}

func TestMissesAreSlowedDownToTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		if took := look(t, m, from("198.51.100.1"), 200, false); took != 0 {
			t.Errorf("the burst took %v", took)
		}
		if took := look(t, m, from("198.51.100.1"), 1000, false); took < 9*time.Second {
			t.Errorf("1000 more misses took %v, want about 10s", took)
		}
		if took := look(t, m, from("198.51.100.2"), 100, false); took != 0 {
			t.Errorf("another address waited %v", took)
		}
		root := from("198.51.100.3")
		root.root = &rootKey{id: "rk_1"}
		look(t, m, root, 201, false)
		root.RemoteIP = "198.51.100.4"
		if took := look(t, m, root, 1, false); took == 0 {
			t.Error("the misses of a root key from several addresses don't add up")
		}
		time.Sleep(4 * time.Second)
		if took := look(t, m, from("198.51.100.1"), 100, false); took != 0 {
			t.Errorf("after a pause, misses waited %v", took)
		}
	})
}

func TestFoundKeysNeitherCountNorWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		if took := look(t, m, from("198.51.100.1"), 10_000, true); took != 0 {
			t.Errorf("10,000 lookups of keys that exist took %v", took)
		}
		overdraw(m, from("198.51.100.1"))
		if took := look(t, m, from("198.51.100.1"), 1000, true); took != 0 {
			t.Errorf("after too many misses, keys that exist waited %v", took)
		}
	})
}

func TestAddressesOfAnIPv6NetworkCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		for i := range 250 {
			look(t, m, from(fmt.Sprintf("2001:db8::%x", i+1)), 1, false)
		}
		if took := look(t, m, from("2001:db8::ffff"), 1, false); took == 0 {
			t.Error("another address of the same /64 has a burst of its own")
		}
		if took := look(t, m, from("2001:db8:0:1::1"), 1, false); took != 0 {
			t.Errorf("an address of another /64 waited %v", took)
		}
	})
}

func TestLookupsAfterTooManyMissesAreFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		who := from("198.51.100.1")
		overdraw(m, who)
		var running, most atomic.Int32
		find := func() (bool, error) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(10 * time.Millisecond)
			running.Add(-1)
			return true, nil
		}
		for range 50 {
			go func() {
				if err := m.lookUp(t.Context(), who, find); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if took := look(t, m, from("198.51.100.9"), 1, true); took != 0 {
			t.Errorf("another address waited %v", took)
		}
		time.Sleep(200 * time.Millisecond)
		if most.Load() != 4 || running.Load() != 0 {
			t.Errorf("%d lookups at a time, %d left", most.Load(), running.Load())
		}
	})
}

func TestALookupWithoutAPlaceIsNotACertainMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		who := from("198.51.100.1")
		overdraw(m, who)
		find := func() (bool, error) {
			time.Sleep(5 * time.Second)
			return true, nil
		}
		for range 4 {
			go func() {
				if err := m.lookUp(t.Context(), who, find); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		before := time.Now()
		err := m.lookUp(t.Context(), who, func() (bool, error) { return true, nil })
		var refusal *latchkey.Error
		if !errors.As(err, &refusal) || refusal.Status != 429 || refusal.RetryAfter <= 0 {
			t.Errorf("%v, want 429 with Retry-After", err)
		}
		if took := time.Since(before); took != time.Second {
			t.Errorf("waited %v", took)
		}
		time.Sleep(5 * time.Second)
	})
}

func TestAMissThatGaveUpHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		who := from("198.51.100.1")
		overdraw(m, who)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := time.Now()
		for range 1000 {
			_ = m.lookUp(ctx, who, func() (bool, error) { return false, nil })
		}
		if took := time.Since(before); took != 0 || len(m.lookups) != 0 || len(m.delays) != 0 {
			t.Errorf("took %v, places held: %d, %d", took, len(m.lookups), len(m.delays))
		}
	})
}

func TestDelayedResponsesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMisses()
		who := from("198.51.100.1")
		overdraw(m, who)
		for range 1000 {
			go func() {
				_ = m.lookUp(t.Context(), who, func() (bool, error) { return false, nil })
			}()
		}
		synctest.Wait()
		if waiting := len(m.delays); waiting != 256 {
			t.Errorf("%d responses are delayed, want 256", waiting)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestAKeyThatExistsIsFoundAfterTooManyMisses(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.RemoteIP = "198.51.100.1"
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI()}).Key
	}
	for _, key := range keys {
		overdraw(w.misses, &who)
		v := must[latchkey.Verification](w, who, "keys.verifyKey",
			latchkey.VerifyKeyRequest{Key: key})
		if !v.Valid {
			t.Fatalf("%+v", v)
		}
		must[latchkey.Key](w, who, "keys.whoami", latchkey.WhoamiRequest{Key: key})
	}
	for range 5 {
		root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
		overdraw(w.misses, &who)
		if err := w.authenticate(t.Context(), root.Key, &Caller{Request: who.Request}); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.misses.delayed.Load(); n != 0 {
		t.Errorf("%d responses were delayed", n)
	}
}

func TestEveryLookupOfAMadeUpKeyCounts(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.RemoteIP = "198.51.100.1"
	delayed := func(what string, call func()) {
		t.Helper()
		overdraw(w.misses, &who)
		before := w.misses.delayed.Load()
		call()
		if w.misses.delayed.Load() != before+1 {
			t.Errorf("%s: a miss was not delayed", what)
		}
	}
	delayed("verifyKey", func() {
		must[latchkey.Verification](w, who, "keys.verifyKey",
			latchkey.VerifyKeyRequest{Key: "made up"})
	})
	delayed("verifyKey with a migration", func() {
		must[latchkey.Verification](w, who, "keys.verifyKey",
			latchkey.VerifyKeyRequest{Key: "made up", MigrationID: "mig_1"})
	})
	delayed("whoami", func() {
		w.refused(who, "keys.whoami", latchkey.WhoamiRequest{Key: "made up"}, 404, "key_not_found")
	})
	delayed("root key", func() {
		if w.authenticate(t.Context(), "made-up", &Caller{Request: who.Request}) == nil {
			t.Error("a made-up root key was accepted")
		}
	})
}

func TestAWrongChecksumIsRejectedWithoutALookup(t *testing.T) {
	w := newWorld(t)
	before := w.roots.Stats()
	for i := range 20 {
		wrong := w.root[:10] + string("123456789ABCDEFGHJKL"[i]) + w.root[11:]
		if wrong == w.root {
			continue
		}
		if code := w.authenticates(wrong); code != "key_not_found" {
			t.Errorf("a root key with a wrong checksum: %q", code)
		}
	}
	if after := w.roots.Stats(); after.Misses != before.Misses {
		t.Errorf("%d lookups", after.Misses-before.Misses)
	}
}

func TestRootKeysWithoutAChecksumWork(t *testing.T) {
	w := newWorld(t)
	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	old := newSecret("latchkey", 24).text
	w.exec("UPDATE root_keys SET hash = '" + hashText(old) + "' WHERE id = '" + made.RootKeyID + "'")
	if code := w.authenticates(old); code != "" {
		t.Errorf("%s", code)
	}
	for range 1000 {
		if old := newSecret("latchkey", 24).text; latchkey.CheckRootKey(old) != nil {
			t.Fatalf("%s is rejected", old)
		}
		if made := newRootKey(); latchkey.CheckRootKey(made.text) != nil ||
			!strings.HasPrefix(made.text, made.start) || len(made.text) != 48 {
			t.Fatalf("%+v", made)
		}
	}
}
