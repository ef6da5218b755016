package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// listedRootKey returns the root key as rootKeys.listKeys shows it.
func (w *world) listedRootKey(id string) latchkey.ListedRootKey {
	w.t.Helper()
	page := must[[]latchkey.ListedRootKey](w, w.who, "rootKeys.listKeys",
		latchkey.RootKeysListKeysRequest{})
	i := slices.IndexFunc(page, func(k latchkey.ListedRootKey) bool { return k.KeyID == id })
	if i < 0 {
		w.t.Fatalf("%s is not listed", id)
	}
	return page[i]
}

func TestRootKeysShowWhenTheyWereLastUsed(t *testing.T) {
	w := newWorld(t)
	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	op, _ := Lookup("rootKeys.whoami")
	var callers CallerCache
	use := func() {
		t.Helper()
		call := &Call{Token: made.Key, Callers: &callers, Body: []byte("{}")}
		if status, code := w.serve(op, call); status != 200 {
			t.Fatal(status, code)
		}
	}
	save := func() time.Time {
		t.Helper()
		w.advance(time.Minute)
		if err := w.saveUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.now()
	}
	want := func(when string, at time.Time) {
		t.Helper()
		if got := w.listedRootKey(made.RootKeyID).LastUsedAt; !got.Equal(at) {
			t.Errorf("%s: last used %v, want %v", when, got, at)
		}
	}
	save()
	want("never used", time.UnixMilli(0))
	use()
	use()
	first := save()
	want("used", first)
	save()
	want("not used again", first)
	use()
	want("used again", save())
}

// Both names of an operation do the same to a root key.
func TestRerolledRootKeyIsItsPredecessor(t *testing.T) {
	w := newWorld(t)
	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Name: "n", Permissions: []string{"api.*.read_api"}, Expires: latchkey.At(w.now().Add(time.Hour)),
	})
	old := w.listedRootKey(made.RootKeyID)
	w.advance(time.Minute)
	again := must[latchkey.CreatedKey](w, w.who, "rootKeys.rerollKey",
		latchkey.RootKeysRerollKeyRequest{
			KeyID: made.RootKeyID, Expiration: latchkey.Set(latchkey.Per(time.Minute)),
		})
	got := w.listedRootKey(again.KeyID)
	if got.End != again.Key[len(again.Key)-4:] || got.Start != again.Key[:len(got.Start)] {
		t.Errorf("it is shown as %s…%s", got.Start, got.End)
	}
	want := old
	want.KeyID, want.Start, want.End = got.KeyID, got.Start, got.End
	want.CreatedAt = latchkey.At(w.now())
	exporter := cmp.AllowUnexported(latchkey.Opt[string]{}, latchkey.Opt[latchkey.Time]{})
	if diff := cmp.Diff(want, got, exporter); diff != "" {
		t.Errorf("(-old +new)\n%s", diff)
	}
	old.Expires = latchkey.Set(latchkey.At(w.now().Add(time.Minute)))
	if diff := cmp.Diff(old, w.listedRootKey(made.RootKeyID), exporter); diff != "" {
		t.Errorf("the old one (-want +got)\n%s", diff)
	}
}

// A page has what the root key can read, so following the cursors finds all of it.
func TestListingFindsTheReadableRootKeys(t *testing.T) {
	w := newWorld(t)
	var all []string
	for range 7 {
		all = append(all, w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
			Permissions: []string{},
		}).RootKeyID)
	}
	slices.Sort(all)
	want := []string{all[1], all[5]}
	who := w.grant(w.resource("rootKeys/"+want[0], "read"), w.resource("rootKeys/"+want[1], "read"))
	var got []string
	for cursor := ""; ; {
		answer, err := w.do(who, "rootKeys.listKeys", latchkey.RootKeysListKeysRequest{
			Limit: 2, Cursor: cursor,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range answer.Data.([]latchkey.ListedRootKey) {
			got = append(got, k.KeyID)
		}
		if cursor = answer.Pagination.Cursor; !answer.Pagination.HasMore {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
