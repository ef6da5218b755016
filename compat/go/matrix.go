package main

import (
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// target is what a call is about. With real names it is a request that a root
// key with permissions could make, with unknown ones it finds nothing, and with
// empty ones it is malformed.
type target struct {
	api, key, secret, identity, permission, role, namespace, identifier, migration string
}

func unknownTarget() target {
	const name = "unknown_12345"
	return target{name, name, name, name, name, name, name, name, name}
}

// realTarget makes one of everything.
func (s *suite) realTarget() target {
	t := target{api: s.newAPI(), identity: unique("user"), permission: unique("docs.read"), role: s.newRole(),
		namespace: unique("namespace"), identifier: "user_1", migration: latchkey("migrations", "create", "sha256")}
	made := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: t.api, ExternalID: &t.identity, Permissions: []string{t.permission}})
	t.key, t.secret = made.KeyID, made.Key
	s.count(limitOf(t.namespace, t.identifier, 1))
	must(s.un.Ratelimit.SetOverride(s.ctx, components.V2RatelimitSetOverrideRequestBody{
		Namespace: t.namespace, Identifier: t.identifier, Limit: 1, Duration: day}))
	return t
}

// errorsOfAll makes each operation fail in each way that operations share, and
// checks that the SDK knows the error every time.
func (s *suite) errorsOfAll() {
	limited := s.client(latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0"))
	powerless := s.client(rootKey("ratelimit.*.read_analytics"))
	nobody := s.client(unique("latchkey"))
	real, unknown := s.realTarget(), unknownTarget()
	for name, call := range s.calls() {
		s.refused(name+" malformed", call(s.un, target{}), badRequest)
		s.refused(name+" with an unknown root key", call(nobody, unknown), unauthorized)
		s.refused(name+" without permission", call(powerless, real), withoutPermission(name))
		s.refused(name+" above the workspace's limit", call(limited, unknown), tooManyRequests)
		if findsNothing[name] {
			s.refused(name+" of nothing", call(s.un, unknown), ofNothing(name))
		}
	}
	s.same("operations made to fail", len(s.calls()), sdkOperations)
}

// withoutPermission is how an operation is refused to a root key that lacks its
// permission. Some hide what the caller may not know of.
func withoutPermission(operation string) refusal {
	switch operation {
	case "apis.listKeys", "keys.createKey", "keys.whoami", "ratelimit.getOverride":
		return notFound
	case "keys.verifyKey":
		return refusal{Class: "no error"}
	}
	return forbidden
}

// ofNothing is how an operation is refused that is about something which does
// not exist. The SDK has no type for that error of deleteRole.
func ofNothing(operation string) refusal {
	if operation == "permissions.deleteRole" {
		return refusal{"APIError", 404, ""}
	}
	return notFound
}

// findsNothing names the operations that are about something which may not exist.
var findsNothing = map[string]bool{
	"apis.getApi": true, "apis.deleteApi": true, "apis.listKeys": true,
	"identities.getIdentity": true, "identities.updateIdentity": true, "identities.deleteIdentity": true,
	"keys.createKey": true, "keys.getKey": true, "keys.whoami": true, "keys.updateKey": true, "keys.deleteKey": true, "keys.rerollKey": true,
	"keys.updateCredits": true, "keys.addPermissions": true, "keys.removePermissions": true, "keys.setPermissions": true,
	"keys.addRoles": true, "keys.removeRoles": true, "keys.setRoles": true, "keys.migrateKeys": true,
	"permissions.getPermission": true, "permissions.deletePermission": true, "permissions.getRole": true, "permissions.deleteRole": true,
	"ratelimit.setOverride": true, "ratelimit.getOverride": true, "ratelimit.listOverrides": true, "ratelimit.deleteOverride": true,
}

// calls is every operation of the SDK as a function of its target.
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
