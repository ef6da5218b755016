package main

import (
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

type calls = map[string]func(*unkey.Unkey, target) error

// size returns a page size that is valid if the name is: an empty name gives a page size of 0,
// which is invalid too.
func size(name string) *int64 { return unkey.Pointer(int64(min(len(name), 100))) }

func (s *suite) apiCalls(all calls) {
	all["apis.createApi"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Apis.CreateAPI(s.ctx, components.V2ApisCreateAPIRequestBody{Name: t.api})
		return err
	}
	all["apis.getApi"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: t.api})
		return err
	}
	all["apis.deleteApi"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Apis.DeleteAPI(s.ctx, components.V2ApisDeleteAPIRequestBody{APIID: t.api})
		return err
	}
	all["apis.listKeys"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Apis.ListKeys(s.ctx, components.V2ApisListKeysRequestBody{APIID: t.api})
		return err
	}
}

func (s *suite) identityCalls(all calls) {
	all["identities.createIdentity"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Identities.CreateIdentity(s.ctx,
			components.V2IdentitiesCreateIdentityRequestBody{ExternalID: t.identity})
		return err
	}
	all["identities.getIdentity"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Identities.GetIdentity(s.ctx,
			components.V2IdentitiesGetIdentityRequestBody{Identity: t.identity})
		return err
	}
	all["identities.listIdentities"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Identities.ListIdentities(s.ctx,
			components.V2IdentitiesListIdentitiesRequestBody{Limit: size(t.identity)})
		return err
	}
	all["identities.updateIdentity"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Identities.UpdateIdentity(s.ctx,
			components.V2IdentitiesUpdateIdentityRequestBody{Identity: t.identity})
		return err
	}
	all["identities.deleteIdentity"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Identities.DeleteIdentity(s.ctx,
			components.V2IdentitiesDeleteIdentityRequestBody{Identity: t.identity})
		return err
	}
}

func (s *suite) keyCalls(all calls) {
	all["keys.createKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: t.api})
		return err
	}
	all["keys.getKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.GetKey(s.ctx, components.V2KeysGetKeyRequestBody{KeyID: t.key})
		return err
	}
	all["keys.whoami"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.Whoami(s.ctx, components.V2KeysWhoamiRequestBody{Key: t.secret})
		return err
	}
	all["keys.updateKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.UpdateKey(s.ctx, components.V2KeysUpdateKeyRequestBody{KeyID: t.key})
		return err
	}
	all["keys.deleteKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.DeleteKey(s.ctx, components.V2KeysDeleteKeyRequestBody{KeyID: t.key})
		return err
	}
	all["keys.verifyKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.VerifyKey(s.ctx, components.V2KeysVerifyKeyRequestBody{Key: t.secret})
		return err
	}
	all["keys.rerollKey"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.RerollKey(s.ctx, components.V2KeysRerollKeyRequestBody{KeyID: t.key})
		return err
	}
	all["keys.updateCredits"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.UpdateCredits(s.ctx,
			components.V2KeysUpdateCreditsRequestBody{KeyID: t.key,
				Operation: components.OperationSet})
		return err
	}
	all["keys.migrateKeys"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.MigrateKeys(s.ctx,
			components.V2KeysMigrateKeysRequestBody{MigrationID: t.migration, APIID: t.api,
				Keys: []components.V2KeysMigrateKeyData{{Hash: hashOf("a key of another system")}}})
		return err
	}
}

func (s *suite) grantCalls(all calls) {
	all["keys.addPermissions"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.AddPermissions(s.ctx,
			components.V2KeysAddPermissionsRequestBody{KeyID: t.key,
				Permissions: []string{t.permission}})
		return err
	}
	all["keys.removePermissions"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.RemovePermissions(s.ctx,
			components.V2KeysRemovePermissionsRequestBody{KeyID: t.key,
				Permissions: []string{t.permission}})
		return err
	}
	all["keys.setPermissions"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.SetPermissions(s.ctx,
			components.V2KeysSetPermissionsRequestBody{KeyID: t.key,
				Permissions: []string{t.permission}})
		return err
	}
	all["keys.addRoles"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.AddRoles(s.ctx,
			components.V2KeysAddRolesRequestBody{KeyID: t.key, Roles: []string{t.role}})
		return err
	}
	all["keys.removeRoles"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.RemoveRoles(s.ctx,
			components.V2KeysRemoveRolesRequestBody{KeyID: t.key, Roles: []string{t.role}})
		return err
	}
	all["keys.setRoles"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Keys.SetRoles(s.ctx,
			components.V2KeysSetRolesRequestBody{KeyID: t.key, Roles: []string{t.role}})
		return err
	}
}

func (s *suite) permissionCalls(all calls) {
	all["permissions.createPermission"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.CreatePermission(s.ctx,
			components.V2PermissionsCreatePermissionRequestBody{Name: t.permission,
				Slug: t.permission})
		return err
	}
	all["permissions.getPermission"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.GetPermission(s.ctx,
			components.V2PermissionsGetPermissionRequestBody{Permission: t.permission})
		return err
	}
	all["permissions.listPermissions"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.ListPermissions(s.ctx,
			components.V2PermissionsListPermissionsRequestBody{Limit: size(t.permission)})
		return err
	}
	all["permissions.deletePermission"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.DeletePermission(s.ctx,
			components.V2PermissionsDeletePermissionRequestBody{Permission: t.permission})
		return err
	}
	all["permissions.createRole"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.CreateRole(s.ctx,
			components.V2PermissionsCreateRoleRequestBody{Name: t.role})
		return err
	}
	all["permissions.getRole"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.GetRole(s.ctx,
			components.V2PermissionsGetRoleRequestBody{Role: t.role})
		return err
	}
	all["permissions.listRoles"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.ListRoles(s.ctx,
			components.V2PermissionsListRolesRequestBody{Limit: size(t.role)})
		return err
	}
	all["permissions.deleteRole"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Permissions.DeleteRole(s.ctx,
			components.V2PermissionsDeleteRoleRequestBody{Role: t.role})
		return err
	}
}

func (s *suite) ratelimitCalls(all calls) {
	all["ratelimit.limit"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.Limit(s.ctx, limitRequest(t.namespace, t.identifier, 1))
		return err
	}
	all["ratelimit.multiLimit"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.MultiLimit(s.ctx,
			[]components.V2RatelimitLimitRequestBody{limitRequest(t.namespace, t.identifier, 1)})
		return err
	}
	all["ratelimit.setOverride"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.SetOverride(s.ctx,
			components.V2RatelimitSetOverrideRequestBody{Namespace: t.namespace,
				Identifier: t.identifier, Limit: 1, Duration: day})
		return err
	}
	all["ratelimit.getOverride"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.GetOverride(s.ctx,
			components.V2RatelimitGetOverrideRequestBody{Namespace: t.namespace,
				Identifier: t.identifier})
		return err
	}
	all["ratelimit.listOverrides"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.ListOverrides(s.ctx,
			components.V2RatelimitListOverridesRequestBody{Namespace: t.namespace})
		return err
	}
	all["ratelimit.deleteOverride"] = func(un *unkey.Unkey, t target) error {
		_, err := un.Ratelimit.DeleteOverride(s.ctx,
			components.V2RatelimitDeleteOverrideRequestBody{Namespace: t.namespace,
				Identifier: t.identifier})
		return err
	}
}
