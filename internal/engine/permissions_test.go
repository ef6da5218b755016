package engine

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

func (w *world) newPermission(r latchkey.CreatePermissionRequest) string {
	w.t.Helper()
	return must[latchkey.CreatedPermission](w, w.who, "permissions.createPermission",
		r).PermissionID
}

func getPermission(name string) latchkey.GetPermissionRequest {
	return latchkey.GetPermissionRequest{Permission: name}
}

func TestGetPermissionReturnsWhatWasCreated(t *testing.T) {
	w := newWorld(t)
	id := w.newPermission(latchkey.CreatePermissionRequest{
		Name: "Read ünï\n", Slug: "Docs.read", Description: "to read",
	})
	want := latchkey.Permission{
		ID: id, Name: "Read ünï\n", Slug: "Docs.read", Description: "to read",
	}
	for _, name := range []string{id, "Docs.read", "docs.READ"} {
		diff(t,
			must[latchkey.Permission](w, w.who, "permissions.getPermission", getPermission(name)),
			want)
	}
	w.newPermission(latchkey.CreatePermissionRequest{Name: "Read ünï\n", Slug: "docs.write"})
	w.refused(w.who, "permissions.getPermission", getPermission(swapCase(id)), 404,
		"permission_not_found")
	w.refused(w.who, "permissions.getPermission", getPermission("docs.*"), 404,
		"permission_not_found")
	w.refused(w.otherWorkspace(), "permissions.getPermission", getPermission(id), 404,
		"permission_not_found")
}

// swapCase changes the letter case of an id, but not of its prefix.
func swapCase(id string) string {
	prefix, rest, _ := strings.Cut(id, "_")
	swapped := strings.Map(func(r rune) rune {
		if r >= 'a' {
			return r - 'a' + 'A'
		}
		return r
	}, rest)
	if swapped == rest {
		swapped = strings.ToLower(rest) + "x"
	}
	return prefix + "_" + swapped
}

func TestSlugsAreUniqueInAnyCase(t *testing.T) {
	w := newWorld(t)
	w.newPermission(latchkey.CreatePermissionRequest{Name: "a", Slug: "docs.read"})
	w.refused(w.who, "permissions.createPermission",
		latchkey.CreatePermissionRequest{Name: "b", Slug: "Docs.Read"}, 409,
		"permission_already_exists")
	must[latchkey.CreatedPermission](w, w.otherWorkspace(), "permissions.createPermission",
		latchkey.CreatePermissionRequest{Name: "a", Slug: "docs.read"})
	diff(t, w.outcomes(10, func(i int) (string, any) {
		return "permissions.createPermission", latchkey.CreatePermissionRequest{
			Name: "race", Slug: []string{"race", "RACE"}[i%2],
		}
	}), map[int]int{200: 1, 409: 9})
}

func TestPermissionOperationsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	w.newPermission(latchkey.CreatePermissionRequest{Name: "a", Slug: "taken"})
	admin := "unkey:v1:" + w.who.WorkspaceID() + ":**#*"
	for _, n := range []need{
		{"permissions.createPermission", latchkey.CreatePermissionRequest{Name: "a", Slug: "taken"},
			[][]string{{"rbac.*.create_permission"}}, [][]string{{"rbac.*.*"}, {admin}}},
		{
			"permissions.getPermission", getPermission("unknown"),
			[][]string{{"rbac.*.read_permission"}},
			[][]string{{"rbac.*.create_permission"}, {admin}},
		},
		{"permissions.listPermissions", latchkey.ListPermissionsRequest{},
			[][]string{{"rbac.*.read_permission"}}, [][]string{{"rbac.*.read_role"}, {admin}}},
		{"permissions.deletePermission", getPermission("unknown"),
			[][]string{{"rbac.*.delete_permission"}}, [][]string{{"rbac.*.delete_role"}, {admin}}},
	} {
		n.holds(w)
	}
}

func TestDeletedPermissionIsRevokedFromKeysAndRolesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.newRole(latchkey.CreateRoleRequest{
		Name: "editor", Permissions: []string{"docs.read", "docs.write"},
	})
	direct := w.newKey(latchkey.CreateKeyRequest{Permissions: []string{"docs.read", "other"}})
	byRole := w.newKey(latchkey.CreateKeyRequest{Roles: []string{"editor"}})
	diff(t, w.verify(direct.Key).Permissions, []string{"docs.read", "other"})
	diff(t, w.verify(byRole.Key).Permissions, []string{"docs.read", "docs.write"})

	old := must[latchkey.Permission](w, w.who, "permissions.getPermission",
		getPermission("docs.read")).ID
	must[latchkey.Empty](w, w.who, "permissions.deletePermission", getPermission("DOCS.read"))
	diff(t, w.verify(direct.Key).Permissions, []string{"other"})
	diff(t, w.verify(byRole.Key).Permissions, []string{"docs.write"})
	w.refused(w.who, "permissions.deletePermission", getPermission("docs.read"), 404,
		"permission_not_found")
	if roles, err := w.db.RolesWithPermission(t.Context(), old, maxRows); err != nil ||
		len(roles) > 0 {
		t.Errorf("roles still refer to it: %v, %v", roles, err)
	}

	w.newPermission(latchkey.CreatePermissionRequest{Name: "again", Slug: "docs.read"})
	diff(t, w.verify(direct.Key).Permissions, []string{"other"})
	diff(t, w.verify(byRole.Key).Permissions, []string{"docs.write"})
}

func TestPermissionListsAreSearchedInAllFields(t *testing.T) {
	w := newWorld(t)
	id := w.newPermission(latchkey.CreatePermissionRequest{
		Name: "Nämé", Slug: "the.slug", Description: "Described 100%",
	})
	w.newPermission(latchkey.CreatePermissionRequest{Name: "x", Slug: "x"})
	for search, want := range map[string]int{
		"": 2, " NÄMÉ ": 1, "THE.": 1, "100%": 1, id: 1, "d 1": 1, "_%": 0, "name": 0,
		"slugdesc": 0,
	} {
		page := must[[]latchkey.Permission](w, w.who, "permissions.listPermissions",
			latchkey.ListPermissionsRequest{Search: search})
		if page == nil || len(page) != want {
			t.Errorf("%q finds %v, want %d", search, page, want)
		}
	}
}

func TestPagesHaveEveryRowOnce(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		who := w.otherWorkspace()
		var ids []string
		for i := range rapid.IntRange(0, 7).Draw(t, "permissions") {
			slug := string(rune('a' + i))
			ids = append(
				ids,
				must[latchkey.CreatedPermission](w, who, "permissions.createPermission",
					latchkey.CreatePermissionRequest{Name: slug, Slug: slug}).PermissionID,
			)
		}
		slices.Sort(ids)
		got, cursor := []string{}, ""
		for more := true; more; {
			limit := rapid.IntRange(1, 4).Draw(t, "limit")
			answer, err := w.do(who, "permissions.listPermissions", latchkey.ListPermissionsRequest{
				Limit: limit, Cursor: cursor,
			})
			if err != nil {
				t.Fatal(err)
			}
			page := answer.Data.([]latchkey.Permission)
			for _, p := range page {
				got = append(got, p.ID)
			}
			cursor, more = answer.Pagination.Cursor, answer.Pagination.HasMore
			if more && len(page) != limit || more != (len(got) < len(ids)) ||
				more != (cursor != "") {
				t.Fatalf("%d of %d so far, a page of %d for %d: more=%v cursor=%q", len(got),
					len(ids), len(page), limit, more, cursor)
			}
			if next, found := slices.BinarySearch(ids, cursor); more && found &&
				rapid.Bool().Draw(t, "delete the next") {
				must[latchkey.Empty](w, who, "permissions.deletePermission", getPermission(cursor))
				ids = slices.Delete(ids, next, next+1)
				if more = len(got) < len(ids); !more {
					break
				}
			}
		}
		if !slices.Equal(got, ids) {
			t.Fatalf("pages hold %v, want %v", got, ids)
		}
	})
}

// A naive model of slugs: a map by lower case, and a scan for each question.
func TestPermissionsForFindsOrCreatesEachSlugOnce(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		who, exists := w.otherWorkspace(), make(map[string]string)
		who.op, _ = Lookup("keys.addPermissions")
		for range rapid.IntRange(1, 3).Draw(t, "requests") {
			slugs := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "A", "b.c", "B.c", "*", "d-1"}),
				0, 6).Draw(t, "slugs")
			asked, want, isNew := 0, []string{}, false
			for _, slug := range slugs {
				folded := strings.ToLower(slug)
				if _, ok := exists[folded]; !ok {
					exists[folded], isNew = slug, true
				}
				if !slices.Contains(want, exists[folded]) {
					want = append(want, exists[folded])
				}
			}
			slices.Sort(want)
			permissions, err := change(context.Background(), w.Engine, who, func(
				ctx context.Context, c *Change,
			) ([]latchkey.Permission, error) {
				permissions, err := c.permissionsFor(ctx, slugs)
				asked = len(c.checks)
				return permissions, err
			})
			got := []string{}
			for _, p := range permissions {
				got = append(got, p.Slug)
				if p.Name != p.Slug || p.ID == "" {
					t.Fatalf("made %+v", p)
				}
			}
			if err != nil || !slices.Equal(got, want) || (asked == 1) != isNew || asked > 1 {
				t.Fatalf("%v for %v, want %v; asked %d times: %v", got, slugs, want, asked, err)
			}
		}
	})
}

func TestPermissionsNamedMustExist(t *testing.T) {
	w := newWorld(t)
	w.newPermission(latchkey.CreatePermissionRequest{Name: "a", Slug: "a"})
	named := func(slugs ...string) ([]latchkey.Permission, error) {
		return change(t.Context(), w.Engine, w.who, func(
			ctx context.Context, c *Change,
		) ([]latchkey.Permission, error) {
			return c.permissionsNamed(ctx, slugs)
		})
	}
	if found, err := named("A", "a"); err != nil || len(found) != 1 || found[0].Slug != "a" {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := named("a", "z", "b"); status(err) != 404 || !strings.Contains(err.Error(), `"z"`) {
		t.Errorf("error %v, want a 404 that names the first unknown slug", err)
	}
}

func TestPermissionChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	diff(t, w.recorded(func() {
		w.newPermission(latchkey.CreatePermissionRequest{Name: "a", Slug: "a"})
		w.refused(w.who, "permissions.createPermission",
			latchkey.CreatePermissionRequest{Name: "a", Slug: "A"}, 409,
			"permission_already_exists")
		must[latchkey.Empty](w, w.who, "permissions.deletePermission", getPermission("a"))
		w.refused(w.who, "permissions.deletePermission", getPermission("a"), 404,
			"permission_not_found")
	}), []string{"permission.create", "permission.delete"})
}
