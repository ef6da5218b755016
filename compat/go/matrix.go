package main

import (
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// target holds the ids and names that calls use. With real ones a call succeeds for a root key
// with permissions, with unknown ones it finds nothing, and with empty ones it is malformed.
type target struct {
	api, key, secret, identity, permission, role, namespace, identifier, migration string
}

func unknownTarget() target {
	const name = "unknown_12345"
	return target{name, name, name, name, name, name, name, name, name}
}

// realTarget creates one object of each kind.
func (s *suite) realTarget() target {
	t := target{api: s.newAPI(), identity: unique("user"), permission: unique("docs.read"),
		role:      s.newRole(),
		namespace: unique("namespace"), identifier: "user_1",
		migration: latchkey("migrations", "create", "sha256")}
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: t.api, ExternalID: &t.identity,
		Permissions: []string{t.permission}})
	t.key, t.secret = created.KeyID, created.Key
	s.limit(limitRequest(t.namespace, t.identifier, 1))
	must(s.un.Ratelimit.SetOverride(s.ctx, components.V2RatelimitSetOverrideRequestBody{
		Namespace: t.namespace, Identifier: t.identifier, Limit: 1, Duration: day}))
	return t
}

// errorsOfAll makes every operation fail in each shared way, and checks that the SDK returns
// its own error type.
func (s *suite) errorsOfAll() {
	limited := s.client(latchkey("workspaces", "create", unique("limited"), "--requests-per-minute",
		"0"))
	powerless := s.client(rootKey("ratelimit.*.read_analytics"))
	unknownKey := s.client(unique("latchkey"))
	real, unknown := s.realTarget(), unknownTarget()
	for name, call := range s.calls() {
		s.fails(name+" malformed", call(s.un, target{}), badRequest)
		s.fails(name+" with an unknown root key", call(unknownKey, unknown), unauthorized)
		s.fails(name+" without permission", call(powerless, real), withoutPermission(name))
		s.fails(name+" above the workspace's limit", call(limited, unknown), tooManyRequests)
		if findsNothing[name] {
			s.fails(name+" of nothing", call(s.un, unknown), ofNothing(name))
		}
	}
	s.same("operations made to fail", len(s.calls()), sdkOperations)
}

// withoutPermission returns the error of an operation for a root key without its permission.
// Some operations mask it as not found.
func withoutPermission(operation string) sdkError {
	switch operation {
	case "apis.listKeys", "keys.createKey", "keys.whoami", "ratelimit.getOverride":
		return notFound
	case "keys.verifyKey":
		return sdkError{Class: "no error"}
	}
	return forbidden
}

// ofNothing returns the error of an operation on an object that does not exist. The SDK has no
// type for this error of deleteRole.
func ofNothing(operation string) sdkError {
	if operation == "permissions.deleteRole" {
		return sdkError{"APIError", 404, ""}
	}
	return notFound
}

// findsNothing lists the operations on an object that must exist.
var findsNothing = map[string]bool{
	"apis.getApi":                  true,
	"apis.deleteApi":               true,
	"apis.listKeys":                true,
	"identities.getIdentity":       true,
	"identities.updateIdentity":    true,
	"identities.deleteIdentity":    true,
	"keys.createKey":               true,
	"keys.getKey":                  true,
	"keys.whoami":                  true,
	"keys.updateKey":               true,
	"keys.deleteKey":               true,
	"keys.rerollKey":               true,
	"keys.updateCredits":           true,
	"keys.addPermissions":          true,
	"keys.removePermissions":       true,
	"keys.setPermissions":          true,
	"keys.addRoles":                true,
	"keys.removeRoles":             true,
	"keys.setRoles":                true,
	"keys.migrateKeys":             true,
	"permissions.getPermission":    true,
	"permissions.deletePermission": true,
	"permissions.getRole":          true,
	"permissions.deleteRole":       true,
	"ratelimit.setOverride":        true,
	"ratelimit.getOverride":        true,
	"ratelimit.listOverrides":      true,
	"ratelimit.deleteOverride":     true,
}

// calls returns every operation of the SDK as a function of its target.
func (s *suite) calls() map[string]func(*unkey.Unkey, target) error {
	all := map[string]func(*unkey.Unkey, target) error{}
	s.apiCalls(all)
	s.identityCalls(all)
	s.keyCalls(all)
	s.grantCalls(all)
	s.permissionCalls(all)
	s.ratelimitCalls(all)
	return all
}
