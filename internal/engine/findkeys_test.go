package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"pgregory.net/rapid"
)

// findAll returns the ids of all pages of a search.
func (w *world) findAll(r latchkey.FindKeysRequest) (ids []string) {
	w.t.Helper()
	for {
		answer, err := w.do(w.who, "keys.listKeys", r)
		if err != nil {
			w.t.Fatal(err)
		}
		page := answer.Data.([]latchkey.Key)
		if len(page) > r.Limit && r.Limit > 0 {
			w.t.Fatalf("a page of %d keys, limit %d", len(page), r.Limit)
		}
		for _, k := range page {
			ids = append(ids, k.KeyID)
		}
		if !answer.Pagination.HasMore {
			return ids
		}
		r.Cursor = answer.Pagination.Cursor
	}
}

// TestFindKeysAgreesWithAModel compares searches with all filters and orders, page by page,
// with one that looks at every key.
func TestFindKeysAgreesWithAModel(t *testing.T) {
	w := newWorld(t)
	keys := manyKeys(t, w)
	draw := func(rt *rapid.T) (r latchkey.FindKeysRequest) {
		some := func(name string) bool { return rapid.IntRange(0, 3).Draw(rt, name) == 0 }
		one := rapid.SampledFrom(keys).Draw(rt, "key")
		if some("api") {
			r.APIID = one.api
		}
		if some("owner") {
			r.ExternalID = rapid.SampledFrom([]string{"anna", "bert", "nobody"}).Draw(rt, "of")
		}
		if some("start") {
			r.Start = one.Start[:rapid.IntRange(1, len(one.Start)).Draw(rt, "n")]
		}
		if some("name") {
			r.Name = "twin"
		}
		if some("enabled") {
			r.Enabled = latchkey.Set(rapid.Bool().Draw(rt, "is"))
		}
		if some("after") {
			r.ExpiresAfter = one.Expires
		}
		if some("before") {
			r.ExpiresBefore = one.Expires
		}
		if some("role") {
			r.Role = "READER"
		}
		if some("permission") {
			r.Permission = rapid.SampledFrom([]string{"a.b", "c.d", "no"}).Draw(rt, "slug")
		}
		r.Sort = rapid.SampledFrom([]latchkey.KeySort{
			"", "id", "createdAt", "expires", "start",
		}).Draw(rt, "sort")
		r.Limit = rapid.IntRange(1, 100).Draw(rt, "limit")
		return r
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := draw(rt)
		got, want := w.findAll(r), model(keys, r)
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v: %d keys %v, want %d %v", r, len(got), got, len(want), want)
		}
	})
}

// modelKey is a key with what a search knows of it.
type modelKey struct {
	latchkey.Key
	api string
}

// manyKeys creates keys that differ in everything that can be searched for.
func manyKeys(t *testing.T, w *world) (keys []modelKey) {
	t.Helper()
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"c.d"}})
	apis := []string{w.newAPI(), w.newAPI()}
	for i := range 60 {
		r := latchkey.CreateKeyRequest{APIID: apis[i%2], Prefix: []string{"", "sk", "sk_live"}[i%3]}
		if i%4 == 0 {
			r.Name = "twin"
		}
		if i%5 < 2 {
			r.ExternalID = []string{"anna", "bert"}[i%5]
		}
		if i%3 == 1 {
			r.Expires = latchkey.At(w.now().Add(time.Duration(1+i%7) * time.Hour))
		}
		if i%6 == 2 {
			r.Roles = []string{"reader"}
		}
		if i%6 == 3 {
			r.Permissions = []string{"a.b", "c.d"}
		}
		r.Enabled = latchkey.Set(i%7 != 0)
		id := w.newKey(r).KeyID
		if i%9 == 8 {
			must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: id})
			continue
		}
		key := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: id})
		keys = append(keys, modelKey{key, r.APIID})
		w.advance(time.Millisecond * time.Duration(i%2))
	}
	return keys
}

// model returns the ids of the keys that satisfy a request, in its order.
func model(keys []modelKey, r latchkey.FindKeysRequest) (ids []string) {
	sort := r.Sort
	switch {
	case sort != "":
	case r.Start != "":
		sort = latchkey.SortByStart
	case !r.ExpiresAfter.IsZero() || !r.ExpiresBefore.IsZero():
		sort = latchkey.SortByExpires
	}
	var found []modelKey
	for _, k := range keys {
		expires := !k.Expires.IsZero()
		if (r.APIID == "" || r.APIID == k.api) &&
			(r.ExternalID == "" || r.ExternalID == k.ExternalID()) &&
			strings.HasPrefix(k.Start, r.Start) && (r.Name == "" || r.Name == k.Name) &&
			r.Enabled.Or(k.Enabled) == k.Enabled &&
			(r.ExpiresAfter.IsZero() || expires && !k.Expires.Before(r.ExpiresAfter.Time)) &&
			(r.ExpiresBefore.IsZero() || expires && !k.Expires.After(r.ExpiresBefore.Time)) &&
			(r.Role == "" || slices.Contains(k.Roles, "reader")) &&
			(r.Permission == "" || slices.Contains(k.Permissions, r.Permission)) &&
			(sort != latchkey.SortByExpires || expires) {
			found = append(found, k)
		}
	}
	place := func(k modelKey) string {
		switch sort {
		case latchkey.SortByStart:
			return k.Start
		case latchkey.SortByExpires:
			return fmt.Sprintf("%020d", k.Expires.UnixMilli())
		case latchkey.SortByCreatedAt:
			return fmt.Sprintf("%020d", k.CreatedAt.UnixMilli())
		}
		return ""
	}
	slices.SortFunc(found, func(a, b modelKey) int {
		return strings.Compare(place(a)+"\x00"+a.KeyID, place(b)+"\x00"+b.KeyID)
	})
	for _, k := range found {
		ids = append(ids, k.KeyID)
	}
	return ids
}

func TestFindKeysBoundsItsWork(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	for range 12 {
		w.newKey(latchkey.CreateKeyRequest{APIID: api})
	}
	last := w.newKey(latchkey.CreateKeyRequest{APIID: api, Name: "rare"}).KeyID
	if got := w.findAll(latchkey.FindKeysRequest{Name: "rare"}); !slices.Equal(got, []string{last}) {
		t.Errorf("found %v, want %s", got, last)
	}
	search := &store.KeySearch{WorkspaceID: w.who.WorkspaceID(), Order: "id", Most: 5}
	search.Name = "nobody's"
	if looked, err := w.db.FindKeys(t.Context(), search); err != nil || len(looked) != 5 {
		t.Errorf("looked at %d keys, %v; want 5", len(looked), err)
	}
}
