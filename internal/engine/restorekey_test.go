package engine

import (
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// TestDeletingAndRestoringLosesNoCredits deletes, restores, rerolls and spends in random
// order: a restored key has the balance that its family has, and a deleted one spends
// nothing.
func TestDeletingAndRestoringLosesNoCredits(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	rapid.Check(t, func(rt *rapid.T) {
		balance := rapid.Int64Range(0, 9).Draw(rt, "credits")
		keys := []latchkey.CreatedKey{w.newKey(latchkey.CreateKeyRequest{
			APIID: api, Credits: limitedTo(balance),
		})}
		deleted := map[string]bool{}
		erased := map[string]bool{}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			key := rapid.SampledFrom(keys).Draw(rt, "key")
			live := !deleted[key.KeyID] && !erased[key.KeyID]
			switch step := rapid.SampledFrom([]string{
				"spend", "spend", "delete", "restore", "reroll", "erase",
			}).Draw(rt, "step"); {
			case step == "spend":
				want := latchkey.NotFound
				switch {
				case live && balance > 0:
					balance, want = balance-1, latchkey.Valid
				case live:
					want = latchkey.UsageExceeded
				}
				v := w.verify(key.Key)
				if v.Code != want || live && v.Credits.Or(-1) != balance {
					rt.Fatalf("%s with %v left, want %s with %d", v.Code, v.Credits, want, balance)
				}
			case step == "restore" && deleted[key.KeyID]:
				must[latchkey.Empty](w, w.who, "keys.restoreKey", object{"keyId": key.KeyID})
				delete(deleted, key.KeyID)
			case step == "restore" && live:
				w.refused(w.who, "keys.restoreKey", object{"keyId": key.KeyID}, 412,
					"precondition_failed")
			case step == "delete" && live:
				must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
				deleted[key.KeyID] = true
			case step == "erase" && live:
				must[latchkey.Empty](w, w.who, "keys.deleteKey",
					object{"keyId": key.KeyID, "permanent": true})
				erased[key.KeyID] = true
				w.refused(w.who, "keys.restoreKey", object{"keyId": key.KeyID}, 404, "key_not_found")
			case step == "reroll" && live:
				keys = append(keys, w.reroll(key.KeyID, time.Hour))
			}
		}
	})
}

// TestARestoredKeyIsRefilledFromThenOn: a deleted key isn't refilled, and what it missed isn't
// made up for.
func TestARestoredKeyIsRefilledFromThenOn(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](2),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 10},
	}})
	must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
	w.advance(50 * time.Hour)
	if err := w.refillDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	must[latchkey.Empty](w, w.who, "keys.restoreKey", object{"keyId": key.KeyID})
	if left := w.remaining(key.KeyID); left != 2 {
		t.Errorf("%d left after the restoration, want 2", left)
	}
	w.advance(24 * time.Hour)
	if v := w.verify(key.Key); v.Credits.Or(-1) != 9 {
		t.Errorf("%v left after the next refill and a call, want 9", v.Credits)
	}
}

// TestARestoredKeyHasItsBudgets: until its record is deleted, and so do the keys of its family.
func TestARestoredKeyHasItsBudgets(t *testing.T) {
	w := newWorld(t)
	budget := w.prepaid("customer", 2)
	first := w.newKey(latchkey.CreateKeyRequest{})
	w.attach(latchkey.AttachBudgetRequest{Budget: budget, KeyID: first.KeyID})
	w.advance(time.Second)
	second := w.reroll(first.KeyID, time.Hour)
	for _, key := range []latchkey.CreatedKey{first, second} {
		must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
	}
	attached := func() []latchkey.BudgetAttachment {
		page, err := w.do(w.who, "budgets.listAttachments",
			latchkey.ListBudgetAttachmentsRequest{Budget: budget})
		if err != nil {
			t.Fatal(err)
		}
		return page.Data.([]latchkey.BudgetAttachment)
	}
	if got := attached(); len(got) != 1 || got[0].KeyID != second.KeyID {
		t.Errorf("deleted: %+v", got)
	}
	must[latchkey.Empty](w, w.who, "keys.restoreKey", object{"keyId": first.KeyID})
	for i, want := range []latchkey.Code{latchkey.Valid, latchkey.Valid, latchkey.UsageExceeded} {
		if v := w.verify(first.Key); v.Code != want {
			t.Errorf("call %d: %s, want %s", i, v.Code, want)
		}
	}
	erase := object{"keyId": first.KeyID, "permanent": true}
	must[latchkey.Empty](w, w.who, "keys.deleteKey", erase)
	if got := attached(); len(got) != 1 {
		t.Errorf("one of two records deleted: %+v", got)
	}
	must[latchkey.Empty](w, w.who, "keys.restoreKey", object{"keyId": second.KeyID})
	erase["keyId"] = second.KeyID
	must[latchkey.Empty](w, w.who, "keys.deleteKey", erase)
	if got := attached(); len(got) != 0 {
		t.Errorf("all records deleted: %+v", got)
	}
}

// TestAKeyIsRestoredForThirtyDays: to the millisecond.
func TestAKeyIsRestoredForThirtyDays(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
	w.advance(restorable)
	must[latchkey.Empty](w, w.who, "keys.restoreKey", object{"keyId": key.KeyID})
	if v := w.verify(key.Key); !v.Valid {
		t.Errorf("restored: %s", v.Code)
	}
	must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
	w.advance(restorable + time.Millisecond)
	w.refused(w.who, "keys.restoreKey", object{"keyId": key.KeyID}, 412, "precondition_failed")
}

// TestARestoredKeyCountsAgain: on the quota of the workspace, which it can exceed.
func TestARestoredKeyCountsAgain(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	api := must[latchkey.CreatedAPI](w, other, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "test"}).APIID
	allowed := w.allow(other.WorkspaceID(), 1).Quotas
	other.root.quotas = &allowed
	first := must[latchkey.CreatedKey](w, other, "keys.createKey",
		latchkey.CreateKeyRequest{APIID: api})
	must[latchkey.Empty](w, other, "keys.deleteKey", object{"keyId": first.KeyID})
	second := must[latchkey.CreatedKey](w, other, "keys.createKey",
		latchkey.CreateKeyRequest{APIID: api})
	w.refused(other, "keys.restoreKey", object{"keyId": first.KeyID}, 403,
		"workspace_quota_exceeded")
	must[latchkey.Empty](w, other, "keys.deleteKey", object{"keyId": second.KeyID})
	must[latchkey.Empty](w, other, "keys.restoreKey", object{"keyId": first.KeyID})
	w.refused(other, "keys.createKey", latchkey.CreateKeyRequest{APIID: api}, 403,
		"workspace_quota_exceeded")
}
