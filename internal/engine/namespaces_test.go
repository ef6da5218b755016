package engine

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

func TestNamespacesAreListedByIDAndFoundByText(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	w.limit(other, ask("login", "u", 5))
	for _, name := range []string{"login", "Login/EU", "upload", "old"} {
		w.limit(w.who, ask(name, "u", 5))
	}
	must[latchkey.Empty](w, w.who, "ratelimit.deleteNamespace", latchkey.DeleteNamespaceRequest{Namespace: "old"})
	upload := w.namespaceID("upload")
	for search, want := range map[string][]string{
		"": {"Login/EU", "login", "upload"}, "LOGIN": {"Login/EU", "login"}, "in/e": {"Login/EU"}, upload: {"upload"}, "old": {}, "%": {},
	} {
		page := whole[latchkey.Namespace](w, w.who, "ratelimit.listNamespaces", func(cursor string) any {
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
	w.refused(w.grant("ratelimit.*.limit"), "ratelimit.listNamespaces", latchkey.ListNamespacesRequest{}, 403, "insufficient_permissions")
}
