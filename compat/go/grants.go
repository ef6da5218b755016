package main

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/go-cmp/cmp/cmpopts"
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// grants adds, sets and removes permissions and roles of a key.
func (s *suite) grants() {
	id := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: s.newAPI()}).KeyID
	s.grantPermissions(id)
	s.grantRoles(id)
}

func (s *suite) grantPermissions(id string) {
	a, b := unique("a.read"), unique("b.write")
	add := func(slugs ...string) []components.Permission {
		return must(s.un.Keys.AddPermissions(s.ctx,
			components.V2KeysAddPermissionsRequestBody{KeyID: id, Permissions: slugs})).
			V2KeysAddPermissionsResponseBody.Data
	}
	set := func(slugs ...string) []components.Permission {
		return must(s.un.Keys.SetPermissions(s.ctx,
			components.V2KeysSetPermissionsRequestBody{KeyID: id,
				Permissions: append([]string{}, slugs...)})).
			V2KeysSetPermissionsResponseBody.Data
	}
	remove := func(slugs ...string) []components.Permission {
		return must(s.un.Keys.RemovePermissions(s.ctx,
			components.V2KeysRemovePermissionsRequestBody{KeyID: id, Permissions: slugs})).
			V2KeysRemovePermissionsResponseBody.Data
	}
	// checkGrants checks the whole response, and then the permissions of the key.
	checkGrants := func(what string, got []components.Permission, want ...string) {
		s.same(what, got, s.permissionsNamed(want...),
			cmpopts.SortSlices(func(a, b components.Permission) bool { return a.Slug < b.Slug }))
		s.same(what+", read back", s.key(id).Permissions, want, anyOrder, cmpopts.EquateEmpty())
	}
	checkGrants("permissions added", add(a, b), a, b)
	checkGrants("permissions added again", add(a), a, b)
	checkGrants("a permission removed", remove(a), b)
	checkGrants("permissions set", set(a), a)
	checkGrants("permissions cleared", set())
	_, err := s.un.Keys.RemovePermissions(s.ctx,
		components.V2KeysRemovePermissionsRequestBody{KeyID: id,
			Permissions: []string{unique("nowhere")}})
	s.fails("removing a permission that does not exist", err, notFound)
}

// permissionsNamed reads permissions by their slugs.
func (s *suite) permissionsNamed(slugs ...string) []components.Permission {
	list := []components.Permission{}
	for _, slug := range slugs {
		got := must(s.un.Permissions.GetPermission(s.ctx,
			components.V2PermissionsGetPermissionRequestBody{Permission: slug}))
		list = append(list, got.V2PermissionsGetPermissionResponseBody.Data)
	}
	return list
}

func (s *suite) grantRoles(id string) {
	a, b := s.newRole(), s.newRole()
	add := func(names ...string) []components.Role {
		return must(s.un.Keys.AddRoles(s.ctx,
			components.V2KeysAddRolesRequestBody{KeyID: id,
				Roles: names})).V2KeysAddRolesResponseBody.Data
	}
	set := func(names ...string) []components.Role {
		return must(s.un.Keys.SetRoles(s.ctx,
			components.V2KeysSetRolesRequestBody{KeyID: id, Roles: append([]string{}, names...)})).
			V2KeysSetRolesResponseBody.Data
	}
	remove := func(names ...string) []components.Role {
		return must(s.un.Keys.RemoveRoles(s.ctx,
			components.V2KeysRemoveRolesRequestBody{KeyID: id,
				Roles: names})).V2KeysRemoveRolesResponseBody.Data
	}
	checkGrants := func(what string, got []components.Role, want ...string) {
		s.same(what, got, s.rolesNamed(want...),
			cmpopts.SortSlices(func(a, b components.Role) bool { return a.Name < b.Name }))
		s.same(what+", read back", s.key(id).Roles, want, anyOrder, cmpopts.EquateEmpty())
	}
	checkGrants("roles added", add(a, b), a, b)
	checkGrants("a role removed", remove(a), b)
	checkGrants("roles set", set(a), a)
	checkGrants("roles cleared", set())
	_, err := s.un.Keys.AddRoles(s.ctx, components.V2KeysAddRolesRequestBody{KeyID: id,
		Roles: []string{unique("nobody")}})
	s.fails("adding a role that does not exist", err, notFound)
}

// rolesNamed reads roles by their names.
func (s *suite) rolesNamed(names ...string) []components.Role {
	list := []components.Role{}
	for _, name := range names {
		got := must(s.un.Permissions.GetRole(s.ctx,
			components.V2PermissionsGetRoleRequestBody{Role: name}))
		list = append(list, got.V2PermissionsGetRoleResponseBody.Data)
	}
	return list
}

// hashOf returns the hash of a migrated key: base64 of its SHA-256.
func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// migration imports keys of another system by their hashes.
func (s *suite) migration() {
	api, id, external := s.newAPI(), latchkey("migrations", "create", "sha256"), unique("user")
	first, second := unique("old"), unique("old")
	full := components.V2KeysMigrateKeyData{
		Hash: hashOf(first), Name: unkey.Pointer("moved"), ExternalID: &external,
		Meta:  map[string]any{"from": "elsewhere"},
		Roles: []string{s.newRole()}, Permissions: []string{unique("docs.read")},
		Enabled:    unkey.Pointer(true),
		Credits:    &components.KeyCreditsData{Remaining: unkey.Pointer(int64(4))},
		Ratelimits: []components.RatelimitRequest{limit("requests", 10, false)},
	}
	body := components.V2KeysMigrateKeysRequestBody{MigrationID: id, APIID: api,
		Keys: []components.V2KeysMigrateKeyData{full, {Hash: hashOf(second)}}}
	got := must(s.un.Keys.MigrateKeys(s.ctx, body)).V2KeysMigrateKeysResponseBody.Data
	s.same("no key failed", got.Failed, []string{})
	s.same("the imported keys", got.Migrated,
		[]components.V2KeysMigrateKeysMigration{{Hash: full.Hash}, {Hash: hashOf(second)}},
		cmpopts.IgnoreFields(components.V2KeysMigrateKeysMigration{}, "KeyID"))
	stored := s.key(got.Migrated[0].KeyID)
	s.same("an imported key", stored, components.KeyResponseData{
		KeyID: got.Migrated[0].KeyID, Enabled: true, CreatedAt: stored.CreatedAt, Name: full.Name,
		Meta: full.Meta, Roles: full.Roles,
		Permissions: full.Permissions, Credits: full.Credits,
		Identity:   &components.Identity{ID: stored.Identity.ID, ExternalID: external},
		Ratelimits: []components.RatelimitResponse{limitResponse("requests", 10, false)},
	}, anyOrder)
	s.same("an imported key verifies", s.verify(first).Code, components.CodeValid)

	again := must(s.un.Keys.MigrateKeys(s.ctx, body)).V2KeysMigrateKeysResponseBody.Data
	s.same("no key is imported twice", again, components.V2KeysMigrateKeysResponseData{
		Migrated: []components.V2KeysMigrateKeysMigration{},
		Failed:   []string{full.Hash, hashOf(second)}}, anyOrder)
}
