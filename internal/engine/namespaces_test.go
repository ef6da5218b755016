package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

func TestNamespacesAreListedByIDAndSearched(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	w.limit(other, ask("login", "u", 5))
	for _, name := range []string{"login", "Login/EU", "upload", "old"} {
		w.limit(w.who, ask(name, "u", 5))
	}
	must[latchkey.Empty](w, w.who, "ratelimit.deleteNamespace", latchkey.DeleteNamespaceRequest{
		Namespace: "old",
	})
	upload := w.namespaceID("upload")
	for search, want := range map[string][]string{
		"": {"Login/EU", "login", "upload"}, "LOGIN": {"Login/EU", "login"}, "in/e": {"Login/EU"},
		upload: {"upload"}, "old": {}, "%": {},
	} {
		page := whole[latchkey.Namespace](w, w.who, "ratelimit.listNamespaces", func(
			cursor string,
		) any {
			return latchkey.ListNamespacesRequest{Limit: 1, Cursor: cursor, Search: search}
		})
		ids, names := []string{}, []string{}
		for _, n := range page {
			ids, names = append(ids, n.ID), append(names, n.Name)
			if !n.CreatedAt.Equal(start) {
				t.Errorf("%s was made at %v, want %v", n.Name, n.CreatedAt, start)
			}
		}
		slices.Sort(names)
		if diff := cmp.Diff(want, names); diff != "" || !slices.IsSorted(ids) {
			t.Errorf("search %q: ids %v, names (-want +got)\n%s", search, ids, diff)
		}
	}
	w.refused(w.grant("ratelimit.*.limit"), "ratelimit.listNamespaces",
		latchkey.ListNamespacesRequest{}, 403, "insufficient_permissions")
}

func TestUpdateNamespaceChangesOnlyTheGivenFields(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.limit(w.who, ask("else", "u", 5))
	id := w.namespaceID("api")
	for _, step := range []struct {
		name string
		set  latchkey.Opt[latchkey.WhenDegraded]
		want latchkey.WhenDegraded
	}{
		{name: "api", want: latchkey.WhenDegradedShare},
		{"api", latchkey.Set(latchkey.WhenDegradedRefuse), latchkey.WhenDegradedRefuse},
		{name: id, want: latchkey.WhenDegradedRefuse},
		{id, latchkey.Set(latchkey.WhenDegradedShare), latchkey.WhenDegradedShare},
	} {
		want := latchkey.Namespace{
			ID: id, Name: "api", CreatedAt: latchkey.AtMilli(start.UnixMilli()),
			WhenDegraded: step.want,
		}
		got := must[latchkey.Namespace](w, w.who, "ratelimit.updateNamespace",
			latchkey.UpdateNamespaceRequest{Namespace: step.name, WhenDegraded: step.set})
		diff(t, got, want)
		diff(
			t,
			must[[]latchkey.Namespace](w, w.who, "ratelimit.listNamespaces",
				latchkey.ListNamespacesRequest{Search: id}),
			[]latchkey.Namespace{want},
		)
		stored, err := w.db.Namespace(t.Context(), w.who.WorkspaceID(), "else")
		if err != nil || stored.WhenDegraded != "" {
			t.Errorf("another namespace has %q, error %v", stored.WhenDegraded, err)
		}
	}
	stored, err := w.db.Namespace(t.Context(), w.who.WorkspaceID(), id)
	if err != nil || stored.WhenDegraded != "" {
		t.Errorf("the default is stored as %q, error %v; want no text", stored.WhenDegraded, err)
	}
}

// TestNamespaceSettingsApplyToTheNextRequest: a namespace that is cached by
// name and by id is loaded again after a change of its settings. An override
// written past the store shows that it was cached until then.
func TestNamespaceSettingsApplyToTheNextRequest(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	id := w.namespaceID("api")
	limits := func() []int64 {
		return []int64{
			w.limit(w.who, asking(ask("api", "u", 5), 0)).Limit,
			w.limit(w.who, asking(ask(id, "u", 5), 0)).Limit,
		}
	}
	diff(t, limits(), []int64{5, 5})
	err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.SetOverride(ctx, write.SetOverrideParams{
			ID: NewID("rlor"), NamespaceID: id, Identifier: "u", Amount: 1, Duration: 60_000,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !w.db.Shared() { // where others may write, what is kept may be read anew at any time
		diff(t, limits(), []int64{5, 5})
	}
	must[latchkey.Namespace](w, w.who, "ratelimit.updateNamespace",
		latchkey.UpdateNamespaceRequest{
			Namespace: "api", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse),
		})
	diff(t, limits(), []int64{1, 1})
}

func TestNamespaceSettingsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.limit(w.who, ask("else", "u", 5))
	id, elsewhere := w.namespaceID("api"), w.namespaceID("else")
	refuse := latchkey.UpdateNamespaceRequest{
		Namespace: "api", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse),
	}
	need{
		"ratelimit.updateNamespace", refuse,
		[][]string{{"ratelimit.*.update_namespace"}, {"ratelimit." + id + ".update_namespace"}},
		[][]string{
			{"ratelimit." + elsewhere + ".update_namespace"}, {"ratelimit.api.update_namespace"},
			{"ratelimit.*.delete_namespace"},
			{"ratelimit.*.*"}, {"*"}, {"unkey:v1:" + w.who.WorkspaceID() + ":**#*"},
		},
	}.holds(w)
	other := w.otherWorkspace()
	for _, name := range []string{"api", id} {
		foreign := refuse
		foreign.Namespace = name
		w.refused(other, "ratelimit.updateNamespace", foreign, 404, "ratelimit_namespace_not_found")
	}
}

func TestNamespaceChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	diff(t, w.recorded(func() {
		w.limit(w.who, ask("api", "u", 5))
		settings := latchkey.UpdateNamespaceRequest{
			Namespace: "api", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse),
		}
		must[latchkey.Namespace](w, w.who, "ratelimit.updateNamespace", settings)
		must[latchkey.Empty](w, w.who, "ratelimit.deleteNamespace", latchkey.DeleteNamespaceRequest{
			Namespace: "api",
		})
		w.refused(w.who, "ratelimit.updateNamespace", settings, 404,
			"ratelimit_namespace_not_found")
	}), []string{
		"ratelimitNamespace.create", "ratelimitNamespace.update", "ratelimitNamespace.delete",
	})
}
