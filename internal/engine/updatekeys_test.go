package engine

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// updateAll repeats a request with its cursor, as clients do.
func (w *world) updateAll(who Caller, r latchkey.UpdateKeysRequest) (updated int) {
	w.t.Helper()
	for {
		done := must[latchkey.UpdatedKeys](w, who, "keys.updateKeys", r)
		updated += done.Updated
		if done.HasMore != (done.Cursor != "") {
			w.t.Fatalf("%+v: a cursor comes with hasMore", done)
		}
		if !done.HasMore {
			return updated
		}
		r.Cursor = done.Cursor
	}
}

// TestUpdateKeysChangesWhatListKeysFinds compares changes by filters with the keys that a
// list with the same filters has: these are changed, and no others.
func TestUpdateKeysChangesWhatListKeysFinds(t *testing.T) {
	w := newWorld(t)
	keys := manyKeys(t, w)
	all := latchkey.FindKeysRequest{}
	rapid.Check(t, func(rt *rapid.T) {
		one := rapid.SampledFrom(keys).Draw(rt, "key")
		filters := map[string]func(*latchkey.FindKeysRequest){
			"api":    func(r *latchkey.FindKeysRequest) { r.APIID = one.api },
			"owner":  func(r *latchkey.FindKeysRequest) { r.ExternalID = "anna" },
			"start":  func(r *latchkey.FindKeysRequest) { r.Start = one.Start[:1] },
			"name":   func(r *latchkey.FindKeysRequest) { r.Name = "twin" },
			"role":   func(r *latchkey.FindKeysRequest) { r.Role = "reader" },
			"before": func(r *latchkey.FindKeysRequest) { r.ExpiresBefore = latchkey.AtMilli(4e12) },
			"is":     func(r *latchkey.FindKeysRequest) { r.Enabled = latchkey.Set(one.Enabled) },
		}
		var find latchkey.FindKeysRequest
		names := slices.Sorted(maps.Keys(filters))
		for _, name := range rapid.SliceOfNDistinct(
			rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(rt, "filters") {
			filters[name](&find)
		}
		filter := filterOf(&find)
		r := latchkey.UpdateKeysRequest{Filter: &filter}
		switch rapid.IntRange(0, 2).Draw(rt, "change") {
		case 0:
			r.Enabled = latchkey.Set(rapid.Bool().Draw(rt, "enabled"))
		case 1:
			r.Expires = latchkey.Set(latchkey.AtMilli(int64(4e12 - rapid.IntRange(0, 9).Draw(rt, "at"))))
		default:
			r.ExternalID = latchkey.Set("anna")
		}
		want := w.findAll(find)
		before := w.keysByID(all)
		r.DryRun = true
		if n := w.updateAll(w.who, r); n != len(want) {
			rt.Fatalf("%+v: %d keys would be changed, want %d", r.Filter, n, len(want))
		}
		r.DryRun = false
		w.advance(1e9)
		if n := w.updateAll(w.who, r); n != len(want) {
			rt.Fatalf("%+v: %d keys were changed, want %d", r.Filter, n, len(want))
		}
		for id, now := range w.keysByID(all) {
			selected := slices.Contains(want, id)
			if changed := now.UpdatedAt != before[id].UpdatedAt; changed != selected {
				rt.Fatalf("%+v: key %s changed: %v, selected: %v", r.Filter, id, changed, selected)
			}
			if selected && (now.Enabled != r.Enabled.Or(before[id].Enabled) ||
				now.Expires != r.Expires.Or(before[id].Expires) ||
				now.ExternalID() != r.ExternalID.Or(before[id].ExternalID())) {
				rt.Fatalf("%+v: %+v became %+v", r, before[id], now)
			}
		}
	})
}

// keysByID returns the keys of a search.
func (w *world) keysByID(r latchkey.FindKeysRequest) map[string]latchkey.Key {
	w.t.Helper()
	keys := map[string]latchkey.Key{}
	for _, id := range w.findAll(r) {
		keys[id] = must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: id})
	}
	return keys
}

// TestUpdateKeysWorksInParts: a request changes at most 100 keys, each with its record, and
// a repeated request with the same Idempotency-Key changes no others.
func TestUpdateKeysWorksInParts(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	var keys []latchkey.CreatedKey
	for range maxUpdated + keysAtOnce/2 {
		keys = append(keys, w.newKey(latchkey.CreateKeyRequest{APIID: api}))
	}
	for _, k := range keys {
		if v := w.verify(k.Key); !v.Valid {
			t.Fatalf("%+v", v)
		}
	}
	filter := &latchkey.KeyFilter{APIID: api, Enabled: latchkey.Set(true)}
	r := latchkey.UpdateKeysRequest{Filter: filter, Enabled: latchkey.Set(false)}
	who := w.who
	who.IdempotencyKey = "once"
	for range 2 {
		who.requestHash = "the same"
		done := must[latchkey.UpdatedKeys](w, who, "keys.updateKeys", r)
		if done.Updated != maxUpdated || !done.HasMore {
			t.Fatalf("%+v, want %d and more", done, maxUpdated)
		}
		if n := w.number("SELECT COUNT(*) FROM audit_logs WHERE event = 'key.update'"); n != maxUpdated {
			t.Fatalf("%d records, want one for each of %d keys", n, maxUpdated)
		}
	}
	if n := w.updateAll(w.who, r); n != keysAtOnce/2 {
		t.Errorf("%d keys were left, want %d", n, keysAtOnce/2)
	}
	for _, k := range keys {
		if v := w.verify(k.Key); v.Code != latchkey.Disabled {
			t.Errorf("a disabled key is %s", v.Code)
		}
	}
}

func TestUpdateKeysNeedsPermissionForAllKeys(t *testing.T) {
	w := newWorld(t)
	api, other := w.newAPI(), w.newAPI()
	a := w.newKey(latchkey.CreateKeyRequest{APIID: api}).KeyID
	b := w.newKey(latchkey.CreateKeyRequest{APIID: other}).KeyID
	off := latchkey.Set(false)
	ofAPI := func(id string) latchkey.UpdateKeysRequest {
		return latchkey.UpdateKeysRequest{Filter: &latchkey.KeyFilter{APIID: id}, Enabled: off}
	}
	named := func(ids ...string) latchkey.UpdateKeysRequest {
		return latchkey.UpdateKeysRequest{KeyIDs: ids, Enabled: off}
	}
	updates, reads := "api."+api+".update_key", "api."+api+".read_key"
	writer, both := w.grant(updates), w.grant(updates, reads)
	const forbidden, code = http.StatusForbidden, "insufficient_permissions"
	const op = "keys.updateKeys"
	w.refused(writer, op, ofAPI(api), forbidden, code)
	w.refused(both, op, ofAPI(other), forbidden, code)
	w.refused(both, op, latchkey.UpdateKeysRequest{
		Filter: &latchkey.KeyFilter{Enabled: latchkey.Set(true)}, Enabled: off,
	}, forbidden, code)
	w.refused(writer, op, named(a, b), forbidden, code)
	w.refused(w.otherWorkspace(), op, named(a), http.StatusNotFound, "key_not_found")
	w.refused(w.who, op, named(a, "key_doesNotExist"), http.StatusNotFound, "key_not_found")
	if n := w.number("SELECT COUNT(*) FROM keys WHERE NOT enabled"); n != 0 {
		t.Fatalf("%d keys are disabled", n)
	}
	if n := w.updateAll(both, ofAPI(api)); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	if n := w.updateAll(writer, named(a, a)); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	if n := w.updateAll(w.otherWorkspace(), latchkey.UpdateKeysRequest{
		Filter: &latchkey.KeyFilter{Enabled: latchkey.Set(true)}, Enabled: off,
	}); n != 0 {
		t.Errorf("%d keys of another workspace", n)
	}
}
