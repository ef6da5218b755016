package conformance

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
)

// collection is an operation that lists items in pages.
type collection struct {
	add    func(n int) (id string)
	remove func(id string)
	page   func(limit int, cursor string) ([]string, latchkey.Pagination)
}

var collections = map[string]func(*rapid.T, *latchkey.Client) collection{
	"apis.listKeys": func(t *rapid.T, c *latchkey.Client) collection {
		api := must(c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "payments"})).APIID
		return collection{
			add: func(int) string {
				return must(c.Keys.Create(t.Context(), latchkey.CreateKeyRequest{APIID: api})).KeyID
			},
			remove: func(id string) {
				check(c.Keys.Delete(t.Context(), latchkey.DeleteKeyRequest{KeyID: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.APIs.ListKeys(t.Context(),
					latchkey.ListKeysRequest{APIID: api, Limit: limit, Cursor: cursor}))
				return ids(page, func(k latchkey.Key) string { return k.KeyID }), page.Pagination
			},
		}
	},
	"keys.listKeys": func(t *rapid.T, c *latchkey.Client) collection {
		api := must(c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "payments"})).APIID
		return collection{
			add: func(int) string {
				return must(c.Keys.Create(t.Context(), latchkey.CreateKeyRequest{APIID: api})).KeyID
			},
			remove: func(id string) {
				check(c.Keys.Delete(t.Context(), latchkey.DeleteKeyRequest{KeyID: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Keys.Find(t.Context(),
					latchkey.FindKeysRequest{APIID: api, Limit: limit, Cursor: cursor}))
				return ids(page, func(k latchkey.Key) string { return k.KeyID }), page.Pagination
			},
		}
	},
	"keys.exportKeys": func(t *rapid.T, c *latchkey.Client) collection {
		api := must(c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "payments"})).APIID
		return collection{
			add: func(int) string {
				return must(c.Keys.Create(t.Context(), latchkey.CreateKeyRequest{APIID: api})).KeyID
			},
			remove: func(id string) {
				check(c.Keys.Delete(t.Context(), latchkey.DeleteKeyRequest{KeyID: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Keys.Export(t.Context(),
					latchkey.ExportKeysRequest{APIID: api, Limit: limit, Cursor: cursor}))
				return ids(page, func(k latchkey.ExportedKey) string { return k.KeyID }), page.Pagination
			},
		}
	},
	"identities.listIdentities": func(t *rapid.T, c *latchkey.Client) collection {
		return collection{
			add: func(n int) string {
				request := latchkey.CreateIdentityRequest{ExternalID: "user-" + strconv.Itoa(n)}
				return must(c.Identities.Create(t.Context(), request)).IdentityID
			},
			remove: func(id string) {
				check(c.Identities.Delete(t.Context(),
					latchkey.DeleteIdentityRequest{Identity: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Identities.List(t.Context(),
					latchkey.ListIdentitiesRequest{Limit: limit, Cursor: cursor}))
				return ids(page, func(i latchkey.Identity) string { return i.ID }), page.Pagination
			},
		}
	},
	"permissions.listPermissions": func(t *rapid.T, c *latchkey.Client) collection {
		return collection{
			add: func(n int) string {
				slug := "docs." + strconv.Itoa(n)
				return must(c.Permissions.Create(t.Context(),
					latchkey.CreatePermissionRequest{Name: slug, Slug: slug})).PermissionID
			},
			remove: func(id string) {
				check(c.Permissions.Delete(t.Context(),
					latchkey.DeletePermissionRequest{Permission: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Permissions.List(t.Context(),
					latchkey.ListPermissionsRequest{Limit: limit, Cursor: cursor}))
				return ids(page, func(p latchkey.Permission) string { return p.ID }),
					page.Pagination
			},
		}
	},
	"permissions.listRoles": func(t *rapid.T, c *latchkey.Client) collection {
		return collection{
			add: func(n int) string {
				request := latchkey.CreateRoleRequest{
					Name: "role " + strconv.Itoa(n), Permissions: []string{"a", "b"},
				}
				return must(c.Permissions.CreateRole(t.Context(), request)).RoleID
			},
			remove: func(id string) {
				check(c.Permissions.DeleteRole(t.Context(), latchkey.DeleteRoleRequest{Role: id}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Permissions.ListRoles(t.Context(),
					latchkey.ListRolesRequest{Limit: limit, Cursor: cursor}))
				return ids(page, func(r latchkey.Role) string { return r.ID }), page.Pagination
			},
		}
	},
	"ratelimit.listOverrides": func(t *rapid.T, c *latchkey.Client) collection {
		const space = "emails"
		must(c.Ratelimits.Limit(t.Context(),
			latchkey.LimitRequest{Namespace: space, Identifier: "user", Limit: 1,
				Duration: latchkey.PerMilli(1000)}))
		identifiers := map[string]string{}
		return collection{
			add: func(n int) string {
				request := latchkey.SetOverrideRequest{
					Namespace: space, Identifier: "user " + strconv.Itoa(n),
					Limit: latchkey.Int(1), Duration: latchkey.PerMilli(1000),
				}
				id := must(c.Ratelimits.SetOverride(t.Context(), request)).OverrideID
				identifiers[id] = request.Identifier
				return id
			},
			remove: func(id string) {
				check(c.Ratelimits.DeleteOverride(t.Context(),
					latchkey.DeleteOverrideRequest{Namespace: space, Identifier: identifiers[id]}))
			},
			page: func(limit int, cursor string) ([]string, latchkey.Pagination) {
				page := must(c.Ratelimits.ListOverrides(t.Context(),
					latchkey.ListOverridesRequest{Namespace: space, Limit: limit, Cursor: cursor}))
				return ids(page, func(o latchkey.Override) string { return o.OverrideID }),
					page.Pagination
			},
		}
	},
}

// TestPagesMatchASortedList compares every list with a sorted slice. A page has the items after the
// cursor, up to the limit, whatever was added or removed before.
func TestPagesMatchASortedList(t *testing.T) {
	target := open(t)
	operations := slices.Sorted(maps.Keys(collections))
	rapid.Check(t, func(t *rapid.T) {
		operation := rapid.SampledFrom(operations).Draw(t, "operation")
		w := &pager{list: collections[operation](t, newClient(t, target))}
		for range rapid.IntRange(0, 6).Draw(t, "before") {
			w.add(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": w.add, "remove": w.remove, "page": w.page,
			"begin": func(*rapid.T) { w.cursor = "" },
			"jump":  func(t *rapid.T) { w.cursor = anyCursor.Draw(t, "cursor") },
		})
	})
}

// anyCursor generates cursors that no page returned.
var anyCursor = rapid.StringMatching(`[a-z]{0,4}_[A-Za-z0-9]{0,2}`)

// pager is a collection with its expected items and the current cursor.
type pager struct {
	list    collection
	created int
	model   []string // ids, sorted
	cursor  string
}

func (w *pager) add(*rapid.T) {
	w.created++
	w.model = append(w.model, w.list.add(w.created))
	slices.Sort(w.model)
}

func (w *pager) remove(t *rapid.T) {
	if len(w.model) == 0 {
		t.Skip("there is nothing to remove")
	}
	i := rapid.IntRange(0, len(w.model)-1).Draw(t, "which")
	w.list.remove(w.model[i])
	w.model = slices.Delete(w.model, i, i+1)
}

func (w *pager) page(t *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	want, next := pageOf(w.model, limit, w.cursor)
	got, pagination := w.list.page(limit, w.cursor)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("page from %q of at most %d (-want +got):\n%s", w.cursor, limit, diff)
	}
	if pagination != (latchkey.Pagination{Cursor: next, HasMore: next != ""}) {
		t.Fatalf("pagination is %+v, want the cursor %q", pagination, next)
	}
	w.cursor = next
}

// pageOf is the naive model: it returns a page and the cursor of the next one.
func pageOf(sorted []string, limit int, cursor string) (page []string, next string) {
	for _, id := range sorted {
		switch {
		case id < cursor:
		case len(page) == limit:
			return page, id
		default:
			page = append(page, id)
		}
	}
	return page, ""
}

func ids[T any](page latchkey.Page[T], id func(T) string) []string {
	var list []string
	for _, item := range page.Data {
		list = append(list, id(item))
	}
	return list
}

// newClient returns a client in a new workspace.
func newClient(t *rapid.T, target Target) *latchkey.Client {
	as := func(rootKey string) *latchkey.Client {
		return must(latchkey.New(latchkey.Config{BaseURL: target.BaseURL, RootKey: rootKey,
			HTTPClient: target.Client}))
	}
	operator := as(target.Operator)
	workspace := must(operator.Workspaces.Create(t.Context(),
		latchkey.CreateWorkspaceRequest{Name: "pages"})).WorkspaceID
	root := must(operator.RootKeys.Create(t.Context(),
		latchkey.CreateRootKeyRequest{
			WorkspaceID: workspace, Permissions: latchkey.AllPermissions(),
		}))
	return as(root.Key)
}

// must returns value, and panics on an error, which fails the property.
func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
