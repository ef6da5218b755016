package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// reroll replaces a key, which stays valid for the grace period.
func (w *world) reroll(id string, grace time.Duration) latchkey.CreatedKey {
	w.t.Helper()
	return must[latchkey.CreatedKey](w, w.who, "keys.rerollKey",
		object{"keyId": id, "expiration": grace.Milliseconds()})
}

func (w *world) remaining(id string) int64 {
	w.t.Helper()
	key := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: id})
	if key.Credits == nil {
		return -1
	}
	return key.Credits.Remaining.Or(-1)
}

// naiveFamily is the model of a key and those that replaced it: a number, however
// many keys spend from it.
type naiveFamily struct {
	balance, given, spent int64
	keys                  []latchkey.CreatedKey // not deleted, the newest last
	ended                 map[string]bool       // by id: the expiry has passed
}

// TestRerollsConserveCredits rerolls, spends, tops up, refills and deletes in random
// order, and compares each balance and response with the model.
func TestRerollsConserveCredits(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	rapid.Check(t, func(rt *rapid.T) {
		const refill = 20
		m := &naiveFamily{ended: map[string]bool{}}
		m.balance = rapid.Int64Range(0, 10).Draw(rt, "credits")
		m.given = m.balance
		m.keys = []latchkey.CreatedKey{w.newKey(latchkey.CreateKeyRequest{
			APIID: api, Credits: &latchkey.Credits{
				Remaining: latchkey.Set(m.balance),
				Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: refill},
			},
		})}
		any := func() latchkey.CreatedKey { return rapid.SampledFrom(m.keys).Draw(rt, "key") }
		steps := map[string]func(){
			"spend": func() {
				key, had := any(), m.balance
				v := w.verify(key.Key)
				switch {
				case m.ended[key.KeyID]:
					if v.Code != latchkey.Expired {
						rt.Fatalf("an old key that ended is %s", v.Code)
					}
				case v.Valid:
					m.balance, m.spent = m.balance-1, m.spent+1
					fallthrough
				default:
					if v.Valid != (had > 0) || v.Credits.Or(-1) != m.balance {
						rt.Fatalf("%s with %d left: %v", v.Code, had, v.Credits)
					}
				}
			},
			"reroll": func() {
				key := any()
				grace := rapid.SampledFrom([]time.Duration{0, time.Hour, 72 * time.Hour}).
					Draw(rt, "grace")
				made := w.reroll(key.KeyID, grace)
				m.ended[made.KeyID] = m.ended[key.KeyID] // the expiry is copied
				m.ended[key.KeyID] = m.ended[key.KeyID] || grace == 0
				m.keys = append(m.keys, made)
			},
			"delete": func() {
				if len(m.keys) == 1 {
					return
				}
				key := any()
				must[latchkey.Empty](w, w.who, "keys.deleteKey", object{
					"keyId": key.KeyID, "permanent": rapid.Bool().Draw(rt, "permanent"),
				})
				if code := w.verify(key.Key).Code; code != latchkey.NotFound {
					rt.Fatalf("a deleted key is %s", code)
				}
				m.keys = slices.DeleteFunc(m.keys, func(k latchkey.CreatedKey) bool {
					return k == key
				})
			},
			"top up": func() {
				n := rapid.Int64Range(1, 5).Draw(rt, "more")
				must[latchkey.Credits](w, w.who, "keys.updateCredits",
					object{"keyId": any().KeyID, "operation": "increment", "value": n})
				m.balance, m.given = m.balance+n, m.given+n
			},
			"set": func() {
				n := rapid.Int64Range(0, 5).Draw(rt, "balance")
				must[latchkey.Empty](w, w.who, "keys.updateKey",
					object{"keyId": any().KeyID, "credits": object{"remaining": n}})
				m.given += max(0, n-m.balance)
				m.balance = n
			},
		}
		names := []string{"spend", "spend", "spend", "reroll", "delete", "top up", "set"}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			steps[rapid.SampledFrom(names).Draw(rt, "step")]()
			for _, key := range m.keys {
				if left := w.remaining(key.KeyID); left != m.balance {
					rt.Fatalf("a key of the family has %d left, want %d", left, m.balance)
				}
			}
			if m.spent > m.given {
				rt.Fatalf("%d were spent of %d", m.spent, m.given)
			}
		}
	})
}

func TestAFamilyIsRefilledOnce(t *testing.T) {
	for _, deleted := range []int{-1, 0, 1} { // which of the keys; a refill needs none of them
		for _, permanent := range []bool{true, false} {
			t.Run(fmt.Sprint(deleted, permanent), func(t *testing.T) {
				w := newWorld(t)
				old := w.newKey(latchkey.CreateKeyRequest{
					APIID: w.newAPI(), Credits: &latchkey.Credits{
						Remaining: latchkey.Set[int64](2),
						Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 10},
					},
				})
				keys := []latchkey.CreatedKey{old, w.reroll(old.KeyID, 72*time.Hour)}
				if deleted >= 0 {
					must[latchkey.Empty](w, w.who, "keys.deleteKey", object{
						"keyId": keys[deleted].KeyID, "permanent": permanent,
					})
					keys = slices.Delete(keys, deleted, deleted+1)
				}
				w.advance(24 * time.Hour)
				for i, key := range keys {
					if v := w.verify(key.Key); v.Credits.Or(-1) != int64(9-i) {
						t.Errorf("key %d of %d: %s with %v left", i, len(keys), v.Code, v.Credits)
					}
				}
				w.advance(24 * time.Hour)
				if err := w.refillDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, key := range keys {
					if left := w.remaining(key.KeyID); left != 10 {
						t.Errorf("%d left after the sweep", left)
					}
				}
			})
		}
	}
}

func TestNothingStaysOfAFamilyThatIsDeletedForGood(t *testing.T) {
	w := newWorld(t)
	old := w.newKey(latchkey.CreateKeyRequest{
		APIID: w.newAPI(), Name: "secret name", Credits: &latchkey.Credits{
			Remaining: latchkey.Set[int64](2),
		},
	})
	next := w.reroll(old.KeyID, time.Hour)
	for i, key := range []latchkey.CreatedKey{old, next} {
		must[latchkey.Empty](w, w.who, "keys.deleteKey",
			object{"keyId": key.KeyID, "permanent": true})
		want := 1 - i
		if n := w.number("SELECT COUNT(*) FROM keys"); n != want {
			t.Errorf("%d keys after %d of 2 were deleted", n, i+1)
		}
		if n := w.number("SELECT COUNT(*) FROM balances"); n != want {
			t.Errorf("%d balances after %d of 2 keys were deleted", n, i+1)
		}
	}
}

// TestARerollKeepsTheCountsOfLimits uses up limits of the key and of the request.
func TestARerollKeepsTheCountsOfLimits(t *testing.T) {
	w := newWorld(t)
	old := w.newKey(latchkey.CreateKeyRequest{
		APIID: w.newAPI(), Ratelimits: []latchkey.RatelimitRequest{{
			Name: "calls", Limit: 3, Duration: latchkey.Per(time.Hour),
			AutoApply: latchkey.Set(true),
		}},
	})
	adHoc := func(key string) latchkey.Code {
		return must[latchkey.Verification](w, w.who, "keys.verifyKey", object{
			"key": key, "ratelimits": []object{
				{"name": "exports", "limit": 1, "duration": 3600000},
				{"name": "calls", "cost": 0},
			},
		}).Code
	}
	if code := adHoc(old.Key); code != latchkey.Valid {
		t.Fatal(code)
	}
	w.verify(old.Key)
	next := w.reroll(old.KeyID, time.Hour)
	if v := w.verify(old.Key); !v.Valid {
		t.Errorf("the second call: %s", v.Code)
	}
	third := w.reroll(next.KeyID, 0)
	if v := w.verify(third.Key); !v.Valid || v.Ratelimits[0].Remaining != 0 {
		t.Errorf("the third call: %s", v.Code)
	}
	for _, key := range []string{old.Key, third.Key} {
		if v := w.verify(key); v.Code != latchkey.RateLimited {
			t.Errorf("the fourth call: %s", v.Code)
		}
		if code := adHoc(key); code != latchkey.RateLimited {
			t.Errorf("the second export: %s", code)
		}
	}
	ids := func(id string) string {
		return must[latchkey.Key](w, w.who, "keys.getKey",
			latchkey.GetKeyRequest{KeyID: id}).Ratelimits[0].ID
	}
	if ids(old.KeyID) == ids(third.KeyID) {
		t.Error("two keys have a limit with the same id")
	}
}

func TestAFamilyCanBecomeUnlimitedAndBack(t *testing.T) {
	w := newWorld(t)
	old := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI()})
	next := w.reroll(old.KeyID, time.Hour)
	keys := []latchkey.CreatedKey{old, next}
	check := func(want string) {
		t.Helper()
		for _, key := range keys {
			if v := w.verify(key.Key); !v.Valid || fmt.Sprint(v.Credits.Or(-1)) != want {
				t.Errorf("%s with %v, want %s", v.Code, v.Credits, want)
			}
			if want == "-1" {
				continue
			}
			must[latchkey.Credits](w, w.who, "keys.updateCredits",
				object{"keyId": key.KeyID, "operation": "increment", "value": 1})
		}
	}
	check("-1")
	must[latchkey.Credits](w, w.who, "keys.updateCredits",
		object{"keyId": next.KeyID, "operation": "set", "value": 7})
	check("6")
	must[latchkey.Empty](w, w.who, "keys.updateKey", object{"keyId": old.KeyID, "credits": nil})
	check("-1")
}
