package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

func (w *world) newRole(r latchkey.CreateRoleRequest) string {
	w.t.Helper()
	return must[latchkey.CreatedRole](w, w.who, "permissions.createRole", r).RoleID
}

func (w *world) role(name string) latchkey.Role {
	w.t.Helper()
	return must[latchkey.Role](w, w.who, "permissions.getRole", getRole(name))
}

func (w *world) setRole(id string, slugs ...string) []latchkey.Permission {
	w.t.Helper()
	return must[[]latchkey.Permission](w, w.who, "permissions.setRolePermissions",
		setRole(id, slugs...))
}

func getRole(name string) latchkey.GetRoleRequest { return latchkey.GetRoleRequest{Role: name} }

func setRole(id string, slugs ...string) latchkey.SetRolePermissionsRequest {
	return latchkey.SetRolePermissionsRequest{RoleID: id, Permissions: append([]string{}, slugs...)}
}

func slugsOf(permissions []latchkey.Permission) []string {
	slugs := []string{}
	for _, p := range permissions {
		slugs = append(slugs, p.Slug)
	}
	return slugs
}

func TestGetRoleReturnsWhatWasCreated(t *testing.T) {
	w := newWorld(t)
	bare := w.newRole(latchkey.CreateRoleRequest{Name: "bare"})
	diff(t, w.role("BARE"), latchkey.Role{ID: bare, Name: "bare"})

	known := w.newPermission(latchkey.CreatePermissionRequest{
		Name: "Known", Slug: "docs.read", Description: "d",
	})
	asked := []string{"new.b", "DOCS.read", "new.a", "New.B"}
	id := w.newRole(latchkey.CreateRoleRequest{
		Name: "Éditeur ", Description: "edits", Permissions: asked,
	})
	diff(t, asked, []string{"new.b", "DOCS.read", "new.a", "New.B"})
	got := w.role(id)
	diff(t, slugsOf(got.Permissions), []string{"docs.read", "new.a", "new.b"})
	diff(t, got.Permissions[0], latchkey.Permission{
		ID: known, Name: "Known", Slug: "docs.read", Description: "d",
	})
	got.Permissions = nil
	diff(t, got, latchkey.Role{ID: id, Name: "Éditeur ", Description: "edits"})
	diff(t, w.role("éDITEUR "), w.role(id))
	w.refused(w.who, "permissions.getRole", getRole("Éditeur"), 404, "role_not_found")
	w.refused(w.otherWorkspace(), "permissions.getRole", getRole(id), 404, "role_not_found")
}

func TestRoleNamesAreUniqueInAnyCaseButNotInAccents(t *testing.T) {
	w := newWorld(t)
	w.newRole(latchkey.CreateRoleRequest{Name: "Ünï straße"})
	for _, same := range []string{"ünï straße", "ÜNÏ STRASSE", "U\u0308ni\u0308 straße"} {
		w.refused(w.who, "permissions.createRole", latchkey.CreateRoleRequest{Name: same}, 409,
			"role_already_exists")
	}
	w.newRole(latchkey.CreateRoleRequest{Name: "Uni straße"})
	diff(t, w.outcomes(10, func(i int) (string, any) {
		return "permissions.createRole", latchkey.CreateRoleRequest{
			Name: []string{"race", "RACE"}[i%2], Permissions: []string{"same", fmt.Sprint(i)},
		}
	}), map[int]int{200: 1, 409: 9})
	if n := len(w.role("race").Permissions); n != 2 {
		t.Errorf("%d permissions after a race, want those of the winner", n)
	}
	diff(
		t,
		len(must[[]latchkey.Permission](w, w.who, "permissions.listPermissions",
			latchkey.ListPermissionsRequest{})),
		2,
	)
}

func TestRoleOperationsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	id := w.newRole(latchkey.CreateRoleRequest{Name: "taken", Permissions: []string{"known"}})
	ws := "unkey:v1:" + w.who.WorkspaceID() + ":"
	create, permission := "rbac.*.create_role", "rbac.*.create_permission"
	add, remove := "rbac.*.add_permission_to_role", "rbac.*.remove_permission_from_role"
	role := func(name string, slugs ...string) latchkey.CreateRoleRequest {
		return latchkey.CreateRoleRequest{Name: name, Permissions: slugs}
	}
	for _, n := range []need{
		{"permissions.createRole", role("plain"), [][]string{{create}},
			[][]string{{permission, add}, {ws + "**#*"}}},
		{"permissions.createRole", role("a", "known"), [][]string{{create, add}},
			[][]string{{create}, {add}}},
		{"permissions.createRole", role("b", "KNOWN", "new.1"),
			[][]string{{create, add, permission}}, [][]string{{create, add}, {create, permission}}},
		{"permissions.getRole", getRole("unknown"), [][]string{{"rbac.*.read_role"}},
			[][]string{{"rbac.*.read_permission"}}},
		{"permissions.listRoles", latchkey.ListRolesRequest{}, [][]string{{"rbac.*.read_role"}},
			[][]string{{"rbac.*.read_permission"}}},
		{"permissions.deleteRole", getRole("unknown"), [][]string{{"rbac.*.delete_role"}},
			[][]string{{"rbac.*.delete_permission"}}},
		{"permissions.setRolePermissions", setRole("role_unknown"), [][]string{{add, remove}},
			[][]string{{add}, {remove}}},
		{"permissions.setRolePermissions", setRole(id, "known"), [][]string{{add, remove}},
			[][]string{{add}, {remove}}},
		{"permissions.setRolePermissions", setRole(id, "new.2"),
			[][]string{{add, remove, permission}}, [][]string{{add, remove}}},
		{
			"permissions.setRolePermissions", setRole(id, "new.3"),
			[][]string{{add, remove, ws + "rbac/permissions/*#create_permission"}},
			[][]string{{add, remove}},
		},
	} {
		n.holds(w)
	}
	w.refused(w.grant(add, remove), "permissions.setRolePermissions",
		setRole("role_unknown", "new.4"), 404, "role_not_found")
}

func TestFailedCreateRoleCreatesNothing(t *testing.T) {
	w := newWorld(t)
	diff(t, w.recorded(func() {
		w.refused(w.who, "permissions.setRolePermissions", setRole("role_unknown", "new"), 404,
			"role_not_found")
	}), []string{})
	w.newRole(latchkey.CreateRoleRequest{Name: "taken"})
	who := w.grant("rbac.*.create_role", "rbac.*.add_permission_to_role")
	diff(t, w.recorded(func() {
		w.refused(w.who, "permissions.createRole",
			latchkey.CreateRoleRequest{Name: "Taken", Permissions: []string{"new"}}, 409,
			"role_already_exists")
		w.refused(who, "permissions.createRole",
			latchkey.CreateRoleRequest{Name: "free", Permissions: []string{"new"}}, 403,
			"insufficient_permissions")
	}), []string{})
	w.refused(w.who, "permissions.getRole", getRole("free"), 404, "role_not_found")
	w.refused(w.who, "permissions.getPermission", getPermission("new"), 404, "permission_not_found")
}

func TestSetRolePermissionsReplacesTheSet(t *testing.T) {
	w := newWorld(t)
	id := w.newRole(latchkey.CreateRoleRequest{Name: "role", Permissions: []string{"a", "b"}})
	diff(t, slugsOf(w.setRole("ROLE", "c")), []string{"c"})
	w.refused(w.otherWorkspace(), "permissions.setRolePermissions", setRole(id, "c"), 404,
		"role_not_found")
	diff(t, slugsOf(w.setRole(id, "d", "B", "c", "D")), []string{"b", "c", "d"})
	diff(t, slugsOf(w.role(id).Permissions), []string{"b", "c", "d"})
	if cleared := w.setRole(id); cleared == nil || len(cleared) != 0 {
		t.Errorf("cleared to %v", cleared)
	}
	diff(t, w.role(id), latchkey.Role{ID: id, Name: "role"})
	must[latchkey.Permission](w, w.who, "permissions.getPermission", getPermission("a"))
}

func TestParallelSetRolePermissionsLeaveOneSet(t *testing.T) {
	w := newWorld(t)
	id := w.newRole(latchkey.CreateRoleRequest{Name: "role"})
	w.outcomes(10, func(i int) (string, any) {
		return "permissions.setRolePermissions", setRole(id, fmt.Sprintf("one.%d", i),
			fmt.Sprintf("two.%d", i))
	})
	slugs := slugsOf(w.role(id).Permissions)
	if len(slugs) != 2 ||
		strings.TrimPrefix(slugs[0], "one.") != strings.TrimPrefix(slugs[1], "two.") {
		t.Errorf("permissions of different requests: %v", slugs)
	}
}

// Random changes of roles and permissions against plain sets. What a cached key
// may do has to be right after each change, and so do the roles themselves.
func TestKeysHaveThePermissionsOfTheirRoles(t *testing.T) {
	w := newWorld(t)
	slugs := rapid.SampledFrom([]string{"p.a", "p.b", "p.c", "p.d"})
	rapid.Check(t, func(t *rapid.T) {
		roles := make(map[string]map[string]bool) // by id
		var names []string
		for i := range 2 {
			name := NewID("name") + fmt.Sprint(i)
			names = append(names, name)
			roles[w.newRole(latchkey.CreateRoleRequest{Name: name})] = map[string]bool{}
		}
		key := w.newKey(latchkey.CreateKeyRequest{Roles: names})
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			ids := slices.Sorted(maps.Keys(roles))
			switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
			case what <= 3 && len(ids) > 0:
				id := ids[rapid.IntRange(0, len(ids)-1).Draw(t, "role")]
				set := rapid.SliceOfN(slugs, 0, 4).Draw(t, "set")
				roles[id] = map[string]bool{}
				for _, slug := range set {
					roles[id][slug] = true
				}
				if got := slugsOf(w.setRole(id, set...)); !slices.Equal(
					got, slices.Sorted(maps.Keys(roles[id])),
				) {
					t.Fatalf("set %v, answered %v", set, got)
				}
			case what == 4:
				slug := slugs.Draw(t, "slug")
				_, err := w.do(w.who, "permissions.deletePermission", getPermission(slug))
				if status(err) != 200 && status(err) != 404 {
					t.Fatal(err)
				}
				for _, set := range roles {
					delete(set, slug)
				}
			case len(ids) > 1:
				must[latchkey.Empty](w, w.who, "permissions.deleteRole", getRole(ids[0]))
				delete(roles, ids[0])
			}
			held := make(map[string]bool)
			for id, set := range roles {
				maps.Copy(held, set)
				if got := slugsOf(w.role(id).Permissions); !slices.Equal(
					got, slices.Sorted(maps.Keys(set)),
				) {
					t.Fatalf("role %s grants %v, want %v", id, got, set)
				}
			}
			if got := w.verify(key.Key).Permissions; !slices.Equal(
				got, slices.Sorted(maps.Keys(held)),
			) {
				t.Fatalf("the key holds %v, want %v", got, held)
			}
		}
	})
}

func TestDeletedRoleIsRemovedFromItsKeysAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.newRole(latchkey.CreateRoleRequest{Name: "editor", Permissions: []string{"docs.write"}})
	key := w.newKey(latchkey.CreateKeyRequest{
		Roles: []string{"editor"}, Permissions: []string{"own"},
	})
	diff(t, w.verify(key.Key).Permissions, []string{"docs.write", "own"})
	must[latchkey.Empty](w, w.who, "permissions.deleteRole", getRole("EDITOR"))
	v := w.verify(key.Key)
	diff(t, v.Permissions, []string{"own"})
	diff(t, len(v.Roles), 0)
	w.refused(w.who, "permissions.deleteRole", getRole(id), 404, "role_not_found")
	w.refused(w.who, "permissions.getRole", getRole(id), 404, "role_not_found")
	must[latchkey.Permission](w, w.who, "permissions.getPermission", getPermission("docs.write"))
	if n := w.number("SELECT COUNT(*) FROM key_roles"); n != 0 {
		t.Errorf("%d keys are still linked to the role", n)
	}
	w.newRole(latchkey.CreateRoleRequest{Name: "editor", Permissions: []string{"docs.write"}})
	diff(t, w.verify(key.Key).Permissions, []string{"own"})
}

func TestRoleListsShowPermissionsPageByPage(t *testing.T) {
	w := newWorld(t)
	var want []latchkey.Role
	for i := range 7 {
		r := latchkey.CreateRoleRequest{Name: fmt.Sprintf("Role %d", i)}
		for n := range i % 3 {
			r.Permissions = append(r.Permissions, fmt.Sprintf("p.%d", n))
		}
		want = append(want, w.role(w.newRole(r)))
	}
	slices.SortFunc(want, func(a, b latchkey.Role) int { return strings.Compare(a.ID, b.ID) })
	var got []latchkey.Role
	for cursor, more := "", true; more; {
		answer, err := w.do(w.who, "permissions.listRoles", latchkey.ListRolesRequest{
			Limit: 3, Cursor: cursor, Search: "role ",
		})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, answer.Data.([]latchkey.Role)...)
		cursor, more = answer.Pagination.Cursor, answer.Pagination.HasMore
	}
	diff(t, got, want)
	if none := must[[]latchkey.Role](w, w.who, "permissions.listRoles", latchkey.ListRolesRequest{
		Search: "nothing",
	}); none == nil || len(none) != 0 {
		t.Errorf("an empty list is %v", none)
	}
}

func TestRolesAreResolvedByNameOnce(t *testing.T) {
	w := newWorld(t)
	b := w.newRole(latchkey.CreateRoleRequest{Name: "b", Permissions: []string{"docs.read"}})
	a := w.newRole(latchkey.CreateRoleRequest{Name: "A"})
	resolve := func(
		how func(*Change, context.Context, []string) ([]latchkey.Role, error), names ...string,
	) ([]latchkey.Role, error) {
		return change(
			t.Context(), w.Engine, w.who,
			func(ctx context.Context, c *Change) ([]latchkey.Role, error) {
				return how(c, ctx, names)
			},
		)
	}
	found, err := resolve((*Change).rolesNamed, "B", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	withoutPermissions := w.role(b)
	withoutPermissions.Permissions = nil
	diff(t, found, []latchkey.Role{w.role(a), withoutPermissions})
	if _, err := resolve((*Change).rolesNamed, "b", "zzz", "yyy"); status(err) != 404 ||
		!strings.Contains(err.Error(), `"zzz"`) {
		t.Errorf("error %v, want a 404 that names the first unknown role", err)
	}
	if _, err := resolve((*Change).rolesNamed, a); status(err) != 404 {
		t.Errorf("an id passes for a name: %v", err)
	}
	diff(t, w.recorded(func() {
		made, err := resolve((*Change).rolesFor, "new", "b", "NEW")
		if err != nil || len(made) != 2 || made[0].ID != b || made[1].Name != "new" ||
			made[1].ID != w.role("new").ID {
			t.Errorf("made %v, %v", made, err)
		}
	}), []string{"role.create"})
}

func TestRoleChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	var id string
	connect := "authorization.connect_role_and_permission"
	disconnect := "authorization.disconnect_role_and_permissions"
	diff(t, w.recorded(func() {
		id = w.newRole(latchkey.CreateRoleRequest{Name: "role", Permissions: []string{"a", "b"}})
	}), []string{"permission.create", "role.create", connect})
	diff(t, w.recorded(func() { w.setRole(id, "c", "b") }), []string{
		"permission.create", disconnect, connect,
	})
	diff(t, w.recorded(func() { w.setRole(id, "B", "c") }), []string{})
	diff(
		t,
		w.recorded(func() {
			must[latchkey.Empty](w, w.who, "permissions.deleteRole", getRole(id))
		}),
		[]string{"role.delete"},
	)
}
