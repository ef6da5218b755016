package engine

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// numberedSlugs makes slugs that no other call makes.
func numberedSlugs(prefix string, n int) []string {
	slugs := make([]string, n)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("%s.%d", prefix, i)
	}
	return slugs
}

// A key has a thousand permissions, whichever operation gives them to it, and taking some
// away is never refused.
func TestKeysHaveAThousandPermissionsAfterRoles(t *testing.T) {
	w := newWorld(t)
	const status, code = http.StatusBadRequest, "invalid_input"
	role := must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "r", Permissions: numberedSlugs("role", 600)})
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, Roles: []string{"r"}, Permissions: numberedSlugs("own", 400),
	}).KeyID
	roles, one := []string{"r"}, []string{"one"}
	w.refused(w.who, "keys.createKey", latchkey.CreateKeyRequest{
		APIID: api, Roles: roles, Permissions: numberedSlugs("own", 401),
	}, status, code)
	w.refused(w.who, "keys.addPermissions",
		latchkey.AddPermissionsRequest{KeyID: key, Permissions: one}, status, code)
	w.refused(w.who, "keys.setPermissions",
		latchkey.SetPermissionsRequest{KeyID: key, Permissions: numberedSlugs("own", 401)}, status, code)
	w.refused(w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
		KeyID: key, Permissions: latchkey.Set(numberedSlugs("own", 401)),
	}, status, code)
	other := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, Permissions: numberedSlugs("own", 401),
	}).KeyID
	w.refused(w.who, "keys.addRoles",
		latchkey.AddRolesRequest{KeyID: other, Roles: roles}, status, code)
	w.refused(w.who, "keys.setRoles",
		latchkey.SetRolesRequest{KeyID: other, Roles: roles}, status, code)

	must[[]latchkey.Permission](w, w.who, "permissions.setRolePermissions",
		latchkey.SetRolePermissionsRequest{
			RoleID: role.RoleID, Permissions: numberedSlugs("role", 1000),
		})
	must[[]latchkey.Permission](w, w.who, "keys.removePermissions",
		latchkey.RemovePermissionsRequest{KeyID: key, Permissions: numberedSlugs("own", 1)})
	must[[]latchkey.Permission](w, w.who, "keys.setPermissions",
		latchkey.SetPermissionsRequest{KeyID: key, Permissions: []string{}})
}

func TestNamespacesHaveAThousandOverrides(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("space", "u", 1))
	set := func(identifier string) latchkey.SetOverrideRequest {
		return override("space", identifier, 1, 60_000_000_000)
	}
	for i := range maxOverrides {
		w.setOverride(set(fmt.Sprintf("%d*", i)))
	}
	w.setOverride(set("7*")) // that is there
	w.refused(w.who, "ratelimit.setOverride", set("new"), http.StatusBadRequest, "invalid_input")
	must[latchkey.Empty](w, w.who, "ratelimit.deleteOverride",
		latchkey.DeleteOverrideRequest{Namespace: "space", Identifier: "7*"})
	w.setOverride(set("new"))
}
