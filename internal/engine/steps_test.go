package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// TestWhatManyHoldIsDeletedInSteps: a permission, a role and an identity of more keys than
// one change writes are deleted whole, with one record, and a repeated request is
// answered as the first one.
func TestWhatManyHoldIsDeletedInSteps(t *testing.T) {
	const holders = 2*maxRows + 500
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Permissions: []string{"held"}, ExternalID: "owner"})
	roleID := w.newRole(latchkey.CreateRoleRequest{Name: "role", Permissions: []string{"held"}})
	must[[]latchkey.Role](w, w.who, "keys.addRoles",
		latchkey.AddRolesRequest{KeyID: key.KeyID, Roles: []string{"role"}})
	permission := must[latchkey.Permission](w, w.who, "permissions.getPermission",
		getPermission("held")).ID
	identity := w.identity("owner").ID
	err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for i := range holders {
			id := fmt.Sprint("key_", i)
			if err := tx.InsertKeyPermissions(ctx, id, []string{permission}); err != nil {
				return err
			}
			if err := tx.InsertKeyRoles(ctx, id, []string{roleID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO keys (id, workspace_id, api_id, identity_id, hash, migration_id,
		start, name, meta, enabled, created_at)
		SELECT 'key_of_' || key_id, 'w', 'a', $1, key_id, '', '', '', '', TRUE, 0
		FROM key_roles`, identity)
	left := func() int {
		return w.number(`SELECT (SELECT COUNT(*) FROM key_permissions)
			+ (SELECT COUNT(*) FROM key_roles) + (SELECT COUNT(*) FROM role_permissions)
			+ (SELECT COUNT(*) FROM keys WHERE identity_id <> '')`)
	}
	if n := left(); n != 3*holders+5 {
		t.Fatalf("%d rows, want %d", n, 3*holders+5)
	}
	must[latchkey.Permission](w, w.who, "permissions.updatePermission",
		latchkey.UpdatePermissionRequest{Permission: permission, Slug: latchkey.Set("renamed")})
	if v := w.verify(key.Key); len(v.Permissions) != 1 || v.Permissions[0] != "renamed" {
		t.Errorf("the key verifies with %v, want the new slug", v.Permissions)
	}
	for _, step := range []struct {
		operation string
		request   any
		want      int // rows left
		then      string
	}{
		{"permissions.deletePermission", getPermission("renamed"), 2*holders + 3,
			"permission_not_found"},
		{"permissions.deleteRole", latchkey.DeleteRoleRequest{Role: "role"}, holders + 2,
			"role_not_found"},
		{"identities.deleteIdentity", latchkey.DeleteIdentityRequest{Identity: "owner"}, 0,
			"identity_not_found"},
	} {
		who := w.who
		who.IdempotencyKey = step.operation
		before := len(w.auditLogs(w.who.WorkspaceID()))
		for range 2 {
			if _, err := w.do(who, step.operation, step.request); err != nil {
				t.Errorf("%s: %v", step.operation, err)
			}
		}
		if n := left(); n != step.want {
			t.Errorf("%s left %d rows, want %d", step.operation, n, step.want)
		}
		if n := len(w.auditLogs(w.who.WorkspaceID())) - before; n != 1 {
			t.Errorf("%s has %d records, want 1", step.operation, n)
		}
		w.refused(w.who, step.operation, step.request, 404, step.then)
	}
	if v := w.verify(key.Key); len(v.Permissions) > 0 || len(v.Roles) > 0 || v.Identity != nil {
		t.Errorf("the key still verifies with %v, %v, %v", v.Permissions, v.Roles, v.Identity)
	}
}

// TestManyNewPermissionsAreCreatedInParts: what a request creates before the quota is
// reached stays, and the same request continues when it is repeated. A request that names
// few new ones creates nothing if it fails.
func TestManyNewPermissionsAreCreatedInParts(t *testing.T) {
	w := newWorld(t)
	slugs := func(what string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint(what, ".", i))
		}
		return all
	}
	key, role := w.newKey(latchkey.CreateKeyRequest{}).KeyID, w.newRole(latchkey.CreateRoleRequest{
		Name: "role",
	})
	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	api := w.newAPI()
	held := 0
	for operation, request := range map[string]func(slugs []string) any{
		"keys.createKey": func(slugs []string) any {
			return latchkey.CreateKeyRequest{APIID: api, Permissions: slugs}
		},
		"keys.updateKey": func(slugs []string) any {
			return latchkey.UpdateKeyRequest{KeyID: key, Permissions: latchkey.Set(slugs)}
		},
		"keys.setPermissions": func(slugs []string) any {
			return latchkey.SetPermissionsRequest{KeyID: key, Permissions: slugs}
		},
		"permissions.createRole": func(slugs []string) any {
			return latchkey.CreateRoleRequest{Name: "role of " + slugs[0], Permissions: slugs}
		},
		"permissions.setRolePermissions": func(slugs []string) any {
			return latchkey.SetRolePermissionsRequest{RoleID: role, Permissions: slugs}
		},
		"keys.migrateKeys": func(slugs []string) any {
			sum := sha256.Sum256([]byte(slugs[0]))
			return latchkey.MigrateKeysRequest{MigrationID: migration, APIID: api,
				Keys: []latchkey.MigrateKey{{
					Hash: base64.StdEncoding.EncodeToString(sum[:]), Permissions: slugs,
				}}}
		},
	} {
		t.Run(operation, func(t *testing.T) {
			who := w.who
			quotas, err := effectiveQuotas("")
			if err != nil {
				t.Fatal(err)
			}
			quotas.Permissions = latchkey.Set(int64(held + 2*maxRows + 10))
			own := w.who.root
			root := &rootKey{
				Dependencies: own.Dependencies, id: own.id, name: own.name, workspace: own.workspace,
				workspaceHash: own.workspaceHash, grants: own.grants, enabled: own.enabled,
				expires: own.expires, requestsPerMinute: own.requestsPerMinute, quotas: &quotas,
			}
			who.root = root
			who.IdempotencyKey = operation
			many := request(slugs(operation, 1000))
			w.refused(who, operation, many, 403, "workspace_quota_exceeded")
			if n := w.number("SELECT COUNT(*) FROM permissions"); n != held+2*maxRows {
				t.Errorf("%d permissions, want two parts of %d", n-held, maxRows)
			}
			w.refused(who, operation, request(slugs(operation+"-more", fewSlugs)), 403,
				"workspace_quota_exceeded")
			if n := w.number("SELECT COUNT(*) FROM permissions"); n != held+2*maxRows {
				t.Errorf("%d permissions after a request that failed whole, want %d", n-held, 2*maxRows)
			}
			root.quotas = nil
			var answers [2]string
			for i := range answers {
				response, err := w.do(who, operation, many)
				if err != nil {
					t.Fatal(err)
				}
				answers[i] = fmt.Sprintf("%+v", response)
			}
			if answers[0] != answers[1] {
				t.Error("the repeated request is answered in another way")
			}
			held += 1000
			if n := w.number("SELECT COUNT(*) FROM permissions"); n != held {
				t.Errorf("%d permissions, want %d", n, held)
			}
		})
	}
}

// TestAKeyHoldsABoundedNumber: what a change of a key costs doesn't grow without end.
func TestAKeyHoldsABoundedNumber(t *testing.T) {
	w := newWorld(t)
	slugs := func(from, to int) (all []string) {
		for i := from; i < to; i++ {
			all = append(all, fmt.Sprint("slug.", i))
		}
		return all
	}
	key := w.newKey(latchkey.CreateKeyRequest{Permissions: slugs(0, 999)}).KeyID
	add := func(slugs ...string) latchkey.AddPermissionsRequest {
		return latchkey.AddPermissionsRequest{KeyID: key, Permissions: slugs}
	}
	must[[]latchkey.Permission](w, w.who, "keys.addPermissions", add(slugs(0, 999)...))
	fault := w.faultOf(w.who, "keys.addPermissions", add("slug.999", "slug.1000"))
	if !strings.Contains(fault.Message, "1000") || fault.Location != "/properties" {
		t.Errorf("%+v", fault)
	}
	if held := must[[]latchkey.Permission](
		w, w.who, "keys.addPermissions", add("slug.999"),
	); len(held) != 1000 {
		t.Errorf("it has %d, want 1000", len(held))
	}
	held := must[[]latchkey.Permission](w, w.who, "keys.setPermissions",
		latchkey.SetPermissionsRequest{KeyID: key, Permissions: slugs(500, 1500)})
	if len(held) != 1000 || held[0].Slug != "slug.1000" {
		t.Errorf("it has %d, beginning with %+v", len(held), held[0])
	}
	rest := must[[]latchkey.Permission](w, w.who, "keys.removePermissions",
		latchkey.RemovePermissionsRequest{KeyID: key, Permissions: slugs(500, 1490)})
	if len(rest) != 10 {
		t.Errorf("it has %d, want 10", len(rest))
	}

	var names []string
	for i := range 101 {
		names = append(names, fmt.Sprint("role ", i))
		w.newRole(latchkey.CreateRoleRequest{Name: names[i]})
	}
	must[[]latchkey.Role](w, w.who, "keys.setRoles", latchkey.SetRolesRequest{
		KeyID: key, Roles: names[:100],
	})
	must[[]latchkey.Role](w, w.who, "keys.addRoles", latchkey.AddRolesRequest{
		KeyID: key, Roles: names[:1],
	})
	fault = w.faultOf(w.who, "keys.addRoles", latchkey.AddRolesRequest{
		KeyID: key, Roles: names[100:],
	})
	if !strings.Contains(fault.Message, "100 roles") || fault.Location != "/properties/roles" {
		t.Errorf("%+v", fault)
	}
}

// TestResponsesAboutRolesAreBounded: when the roles of a key got more permissions than a key
// can be given, the response to a removal has the roles alone.
func TestResponsesAboutRolesAreBounded(t *testing.T) {
	w := newWorld(t)
	slugs := make([]string, maxHeld)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("%0120d", i)
	}
	key := w.newKey(latchkey.CreateKeyRequest{}).KeyID
	names := []string{"gone", "one", "two"}
	for _, name := range names {
		w.newRole(latchkey.CreateRoleRequest{Name: name})
	}
	must[[]latchkey.Role](w, w.who, "keys.addRoles",
		latchkey.AddRolesRequest{KeyID: key, Roles: names})
	remove := func() []latchkey.Role {
		return must[[]latchkey.Role](w, w.who, "keys.removeRoles",
			latchkey.RemoveRolesRequest{KeyID: key, Roles: names[:1]})
	}
	w.setRole(w.role("one").ID, slugs...)
	if roles := remove(); len(roles) != 2 || len(roles[0].Permissions) != maxHeld {
		t.Errorf("%d roles, want 2, of which one has %d permissions", len(roles), maxHeld)
	}
	w.setRole(w.role("two").ID, slugs[0])
	if roles := remove(); len(roles) != 2 || roles[0].Permissions != nil ||
		roles[1].Permissions != nil {
		t.Errorf("%d roles with %d permissions, want 2 with none", len(roles),
			len(roles[0].Permissions)+len(roles[1].Permissions))
	}
}
