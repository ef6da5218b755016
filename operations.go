package latchkey

import (
	"iter"
	"slices"
	"strings"
)

// Operation describes one operation of the API.
type Operation struct {
	// Name is its path under /v2/, such as keys.createKey.
	Name string
	// Effect says whether the operation is safe to repeat.
	Effect Effect
	// Public operations need no root key.
	Public bool
	// GET operations are GETs without a body; all others are POSTs.
	GET bool
	// BodyOptional says that a request without a body is one without fields.
	BodyOptional bool
	// Scope is the scope that a portal session must have. An operation with a scope is called
	// with a portal session instead of a root key, and its rules are about the root key that
	// created the session. It is "" for operations that a root key calls.
	Scope string
	// Holder operations are called with an API key in place of a root key, by whoever has it,
	// and are about that key alone. An API offers none of them until it says so.
	Holder bool
	// Paged operations respond with one page of a list.
	Paged bool
	// Bare says that the response has the members of its data beside meta, not below data.
	Bare bool
	// Problems says that every error is sent as application/problem+json, because
	// published clients recognize the errors of this operation by it.
	Problems bool
	// Plain429 says that a 429 is sent like other errors. A 429 of all other operations is
	// sent as application/problem+json, because published clients recognize it by that.
	Plain429 bool
	// Refusals are the statuses of its errors besides those that all operations
	// share: 400, 401, 403, 413, 429, 500 and 503.
	Refusals []int
	// maxBody is what MaxBody returns, if it isn't the default.
	maxBody int64
	// Rules are the permissions that the root key needs. All rules that apply must be
	// satisfied.
	Rules []Rule
	// Delegates says that the operation creates, changes or deletes a root key, so the
	// caller also needs every permission that this root key has or gets.
	Delegates bool
}

// Effect says whether an operation is safe to repeat. The zero value is EffectWrites.
type Effect uint8

// The effects.
const (
	// EffectWrites changes something, and a repeated call can change it again.
	EffectWrites Effect = iota
	// EffectReads changes nothing, so it is safe to repeat.
	EffectReads
	// EffectCounts takes from a balance or a limit. It is as unsafe to repeat as a
	// change, but the client sends no Idempotency-Key by itself: saving the response
	// costs the service a write to disk, and these calls must be fast.
	EffectCounts
	// EffectRepeats changes something, but the same call once more changes nothing and gets
	// the same response, so it is safe to repeat without an Idempotency-Key.
	EffectRepeats
)

// The largest request bodies in bytes, if an operation has no other.
const (
	maxShortBody = 64 << 10        // of operations that read or count
	maxLongBody  = 1<<20 + 256<<10 // of changes: 1 MiB of metadata and everything else
	maxOpenBody  = 16 << 10        // of operations that need no root key
)

// MaxBody returns the largest request body of the operation in bytes. The service
// responds to a longer one with 413.
func (op *Operation) MaxBody() int64 {
	switch {
	case op.GET:
		return 0
	case op.maxBody > 0:
		return op.maxBody
	case op.Public || op.Scope != "" || op.Holder:
		return maxOpenBody
	case op.Effect == EffectWrites:
		return maxLongBody
	}
	return maxShortBody
}

// Rule lists permissions of which an operation needs some.
//
// A permission is a pattern, in which {apiId} and the like are ids of the request.
// The tuple api.{apiId}.read_key is satisfied by api.*.read_key and by
// api.<the id>.read_key. A pattern with a # is a resource name without its
// beginning, unkey:v1:<workspaceId>:.
type Rule struct {
	// When is the condition under which the rule applies; "" is always.
	When Condition
	// AnyOf are alternatives: the root key needs all permissions of one of them.
	AnyOf [][]string
	// Masked says that a root key that doesn't satisfy the rule gets the error of
	// something that doesn't exist, instead of 403.
	Masked bool
}

// Condition says when a rule applies, in words that follow "when".
type Condition string

// The conditions.
const (
	// WhenRecoverable is that the new key is stored encrypted.
	WhenRecoverable Condition = "the new key is recoverable"
	// WhenDecrypt is that the request asks for the plaintext of keys.
	WhenDecrypt Condition = "decrypt is set"
	// WhenPermissions is that the request names permissions.
	WhenPermissions Condition = "the request has permissions"
	// WhenNewPermissions is that the request names permissions that don't exist, which
	// it creates.
	WhenNewPermissions Condition = "a permission is to be created"
	// WhenWildcard is that a permission whose slug has a * is granted.
	WhenWildcard Condition = "a permission with a * is granted"
	// WhenStrict is that the API of the key has the setting strictGrants.
	WhenStrict Condition = "the API has strictGrants"
	// WhenStrictPermissions is WhenStrict for a request that has permissions.
	WhenStrictPermissions Condition = "the API has strictGrants and the request has permissions"
	// WhenStrictRoles is WhenStrict for a request that has roles.
	WhenStrictRoles Condition = "the API has strictGrants and the request has roles"
	// WhenFilter is that the request selects keys by a filter.
	WhenFilter Condition = "the request has a filter"
	// WhenNewNamespace is that the request names a namespace that doesn't exist, which
	// it creates.
	WhenNewNamespace Condition = "a namespace is to be created"
	// WhenEnding is that the request ends the key that it replaces, now or later.
	WhenEnding Condition = "expiration isn't null"
	// WhenRepointed is that the request says which keyspace a portal is for.
	WhenRepointed Condition = "keyspaceId is set"
	// WhenKeysRead is that the session can list keys.
	WhenKeysRead Condition = "scopes has keys:read"
	// WhenKeysReroll is that the session can replace keys.
	WhenKeysReroll Condition = "scopes has keys:reroll"
	// WhenRerollRecoverable is that the session can replace keys that are stored encrypted.
	WhenRerollRecoverable Condition = "scopes has keys:reroll and the API stores encrypted keys"
	// WhenRerollStrict is that the session can replace keys of an API with strictGrants.
	WhenRerollStrict Condition = "scopes has keys:reroll and the API has strictGrants"
	// WhenAnalyticsRead is that the session can see verifications.
	WhenAnalyticsRead Condition = "scopes has analytics:read"
	// WhenVerifications is that the request is about verifications.
	WhenVerifications Condition = "kind is verifications"
	// WhenRatelimits is that the request is about decisions on rate limits.
	WhenRatelimits Condition = "kind is ratelimits"
	// WhenOtherWorkspace is that the request is about another workspace.
	WhenOtherWorkspace Condition = "it is about another workspace"
	// WhenBudgetsReserved is that budgets.reserve made the reservation.
	WhenBudgetsReserved Condition = "budgets.reserve made the reservation"
)

// Operator is the permission of the operator's root key. It includes every
// permission in every workspace.
const Operator = "operator"

// Operations returns all operations of the API in the order of its reference.
func Operations() iter.Seq[*Operation] {
	return func(yield func(*Operation) bool) {
		for i := range operations {
			op := operations[i]
			if !yield(&op) {
				return
			}
		}
	}
}

// LookupOperation returns the operation of that name.
func LookupOperation(name string) (*Operation, bool) {
	op, known := byName[name]
	if !known {
		return nil, false
	}
	found := *op
	return &found, true
}

// AllPermissions returns the permissions that a root key needs to call every
// operation in its workspace, which are all but the operator's.
func AllPermissions() []string {
	var all []string
	for op := range Operations() {
		for _, tuple := range op.tuples() {
			if !slices.Contains(all, tuple) && tuple != Operator {
				all = append(all, tuple)
			}
		}
	}
	return all
}

// tuples returns the tuples that satisfy the rules for every id.
func (op *Operation) tuples() []string {
	var tuples []string
	for _, rule := range op.Rules {
		for _, pattern := range slices.Concat(rule.AnyOf...) {
			if !strings.Contains(pattern, "#") {
				tuples = append(tuples, everyID(pattern))
			}
		}
	}
	return tuples
}

// everyID puts a * in place of the id in a tuple.
func everyID(pattern string) string {
	before, rest, found := strings.Cut(pattern, "{")
	if !found {
		return pattern
	}
	_, after, _ := strings.Cut(rest, "}")
	return before + "*" + after
}

// byName finds operations of the table, for the client.
var byName = func() map[string]*Operation {
	m := make(map[string]*Operation, len(operations))
	for i := range operations {
		m[operations[i].Name] = &operations[i]
	}
	return m
}()

// effectOf returns the effect of an operation. One that this client doesn't know
// is a change.
func effectOf(operation string) Effect {
	if op := byName[operation]; op != nil {
		return op.Effect
	}
	return EffectWrites
}

// isGET reports whether an operation is a GET.
func isGET(operation string) bool {
	op := byName[operation]
	return op != nil && op.GET
}

// needs is the rule to hold any one of the permissions.
func needs(anyOf ...string) Rule {
	r := Rule{AnyOf: make([][]string, len(anyOf))}
	for i, permission := range anyOf {
		r.AnyOf[i] = []string{permission}
	}
	return r
}

// when returns the rule as one that applies under a condition.
func (r Rule) when(c Condition) Rule {
	r.When = c
	return r
}

// masked returns the rule as one that hides what it protects.
func (r Rule) masked() Rule {
	r.Masked = true
	return r
}

// Resource names have two forms. The older ones end in the action of the tuple, such as
// #create_key. The newer ones are below a project, of which each workspace has one, and
// end in read, write, delete or what plain returns for the action. Package rbac reads the
// id of the project as a *.

// The paths of the newer form.
const (
	inKeyspace  = "projects/*/keyspaces/{keyspaceId}"
	inNamespace = "projects/*/ratelimits/namespaces/{namespaceId}"
	inRBAC      = "projects/*/rbac/"
	inPortals   = "projects/*/portals/"
)

// plain returns the action of the newer form.
func plain(action string) string {
	switch verb, _, _ := strings.Cut(action, "_"); verb {
	case "read", "delete", "verify", "decrypt", "limit":
		return verb
	}
	return "write"
}

// on is the permission for an action on something: as a tuple, or as the newer resource
// name of the path.
func on(tuple, path string) Rule {
	return needs(tuple, path+"#"+plain(tuple[strings.LastIndexByte(tuple, '.')+1:]))
}

// onAPI is the permission for an action on an API.
func onAPI(action string) Rule { return on("api.{apiId}."+action, inKeyspace) }

// onNewKeys is the permission for creating keys in an API, as a tuple or on its keyspace.
func onNewKeys() Rule {
	return needs("api.{apiId}.create_key", "keyspaces/{keyspaceId}#create_key",
		inKeyspace+"/keys/*#write")
}

// onKeys is the permission for an action on every key of an API.
func onKeys(action string) Rule {
	return needs("api.{apiId}."+action, "keyspaces/{keyspaceId}/keys/*#"+action,
		inKeyspace+"/keys/*#"+plain(action))
}

// onKey is the permission for an action on a key.
func onKey(action string) Rule {
	return needs("api.{apiId}."+action, "keyspaces/{keyspaceId}/keys/{keyId}#"+action,
		inKeyspace+"/keys/{keyId}#"+plain(action))
}

// onGrants are the rules for changing what a key holds. The resource name of the
// key takes the place of the tuples for permissions and roles.
func onGrants(tuples ...string) []Rule {
	rules := []Rule{onKey("update_key")}
	for _, tuple := range tuples {
		rules = append(rules, needs(tuple, "keyspaces/{keyspaceId}/keys/{keyId}#update_key",
			inKeyspace+"/keys/{keyId}#write"))
	}
	return rules
}

// grants are the rules for granting permissions and roles to a key, besides the
// permission to create or update it.
func grants(extra ...Rule) []Rule {
	return append(extra,
		onPermissions(addPermission).when(WhenWildcard),
		onPermissions(addPermission).when(WhenStrictPermissions),
		onRoles().when(WhenStrictRoles),
	)
}

// The permissions for granting and revoking what keys have.
const (
	addPermission    = "rbac.*.add_permission_to_key"
	removePermission = "rbac.*.remove_permission_from_key"
	addRole          = "rbac.*.add_role_to_key"
)

// onPermissions is the permission for granting or revoking permissions of whichever key.
func onPermissions(tuple string) Rule { return onRBAC("permissions", tuple) }

// onRoles is the permission for granting roles to whichever key.
func onRoles() Rule { return onRBAC("roles", addRole) }

// onWildcardRoles is the permission for granting a role that has a permission with a *
// by an operation that needs the permission for granting roles.
func onWildcardRoles() Rule {
	r := onRoles()
	r.AnyOf = append(r.AnyOf, onPermissions(addPermission).AnyOf...)
	return r.when(WhenWildcard)
}

func onRBAC(kind, tuple string) Rule {
	return needs(tuple, "rbac/"+kind+"/*#"+strings.TrimPrefix(tuple, "rbac.*."),
		inRBAC+kind+"/*#write")
}

// newPermissions is the rule for creating permissions on the way.
func newPermissions() Rule {
	return needs("rbac.*.create_permission", "rbac/permissions/*#create_permission",
		inRBAC+"permissions/*#write").when(WhenNewPermissions)
}

// onIdentities is the permission for an action on whichever identity.
func onIdentities(action string) Rule {
	return needs("identity.*."+action, "projects/*/identities/*#"+action,
		"projects/*/identities/*#"+plain(action))
}

// onIdentity is the permission for an action on one identity.
func onIdentity(action string) Rule {
	return needs("identity.{identityId}."+action, "projects/*/identities/*#"+action,
		"projects/*/identities/{identityId}#"+plain(action))
}

// onNamespace is the permission for an action on a rate-limit namespace.
func onNamespace(action string) Rule { return on("ratelimit.{namespaceId}."+action, inNamespace) }

// onOverrides is the permission for an action on the overrides of a namespace.
func onOverrides(action string) Rule {
	return on("ratelimit.{namespaceId}."+action, inNamespace+"/overrides/*")
}

// onRoleSet and onPermissionSet are the permissions for an action on whichever role or
// permission.
func onRoleSet(action string) Rule { return on("rbac.*."+action, inRBAC+"roles/*") }

func onPermissionSet(action string) Rule { return on("rbac.*."+action, inRBAC+"permissions/*") }

// onPortal is the permission for an action on a portal.
func onPortal(action string) Rule {
	return on("portal.{portalId}."+action, inPortals+"{portalId}").masked()
}

// onPortalSessions is the permission for the sessions of a portal.
func onPortalSessions() Rule {
	return on("portal.{portalId}.create_portal_session", inPortals+"{portalId}/sessions/*").masked()
}

// onBudgets is the permission for an action on whichever budget.
func onBudgets(action string) Rule { return needs("budget.*." + action) }

// onBudget is the permission for an action on one budget.
func onBudget(action string) Rule { return needs("budget.{budgetId}." + action) }

// onReservation are the permissions for ending or extending a reservation: who can verify the
// key can settle what its verification reserved.
func onReservation() []Rule {
	settles := onBudget("spend_budget")
	settles.AnyOf = append(settles.AnyOf, onKey("verify_key").AnyOf...)
	return []Rule{settles, onBudget("spend_budget").when(WhenBudgetsReserved)}
}

// onKeyList is the permission for listing the keys of an API.
func onKeyList() Rule {
	return Rule{AnyOf: [][]string{
		{"api.{apiId}.read_key", "api.{apiId}.read_api"},
		{"keyspaces/{keyspaceId}/keys/*#read_key", "keyspaces/{keyspaceId}#read_keyspace"},
		{inKeyspace + "/keys/*#read", inKeyspace + "#read"},
	}}
}

// onVerifications is the permission for the verifications of the keys of an API.
func onVerifications() Rule { return on("api.{apiId}.read_analytics", inKeyspace+"/logs") }

// onWebhooks is the permission for an action on whichever webhook.
func onWebhooks(action string) Rule { return on("webhook.*."+action, "webhooks/*") }

// onDecisions is the permission for the decisions on the limits of a namespace.
func onDecisions() Rule { return on("ratelimit.{namespaceId}.read_analytics", inNamespace+"/logs") }

// onEvents are the rules for events of the kind that a request names.
func onEvents() []Rule {
	either := Rule{AnyOf: slices.Concat(onVerifications().AnyOf, onDecisions().AnyOf)}
	return []Rule{
		either, onVerifications().when(WhenVerifications), onDecisions().when(WhenRatelimits),
	}
}

// newNamespace is the rule for creating a namespace on the way.
func newNamespace() Rule {
	return on("ratelimit.*.create_namespace", "projects/*/ratelimits/namespaces/*").
		when(WhenNewNamespace)
}

// onRootKeys is the permission for an action on whichever root key.
func onRootKeys(action string) Rule { return on("root_key.*."+action, "rootKeys/*") }

// onRootKey is the permission for an action on one root key.
func onRootKey(action string) Rule { return on("root_key.*."+action, "rootKeys/{rootKeyId}") }

// otherWorkspace is the rule for reaching into another workspace.
func otherWorkspace() Rule { return needs(Operator).when(WhenOtherWorkspace).masked() }

// operations is the API: every operation once. Routes, the OpenAPI document, the
// command line, the client and the checks of permissions all read it. What is not
// in it does not exist, and what it declares is what the engine enforces.
var operations = []Operation{
	{Name: "apis.createApi", Rules: []Rule{on("api.*.create_api", "projects/*/keyspaces/*")}},
	{
		Name: "apis.getApi", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onAPI("read_api")},
	},
	{Name: "apis.deleteApi", Refusals: []int{404, 412}, Rules: []Rule{onAPI("delete_api")}},
	{
		Name: "apis.listKeys", Effect: EffectReads, Paged: true, Refusals: []int{404, 412},
		Rules: []Rule{
			onKeyList().masked(),
			onKeys("decrypt_key").when(WhenDecrypt),
		},
	},
	{
		Name: "apis.listApis", Effect: EffectReads, Paged: true,
		Rules: []Rule{on("api.*.read_api", "projects/*/keyspaces/*")},
	},
	{Name: "apis.updateApi", Refusals: []int{404}, Rules: []Rule{onAPI("update_api")}},

	{
		Name: "keys.createKey", Refusals: []int{404, 412},
		Rules: grants(
			onNewKeys().masked(),
			onKeys("encrypt_key").when(WhenRecoverable).masked(),
		),
	},
	{
		Name: "keys.getKey", Effect: EffectReads, Refusals: []int{404, 412},
		Rules: []Rule{
			onKey("read_key"),
			onKey("decrypt_key").when(WhenDecrypt),
		},
	},
	{
		Name: "keys.listKeys", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onKeys("read_key")},
	},
	{
		Name: "keys.whoami", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onKey("read_key").masked()},
	},
	{
		Name: "keys.updateKey", Refusals: []int{404},
		Rules: grants(
			onKey("update_key"),
			onPermissions(removePermission).when(WhenStrictPermissions),
		),
	},
	{
		Name: "keys.updateKeys", Refusals: []int{404},
		Rules: []Rule{onKey("update_key"), onKeys("read_key").when(WhenFilter)},
	},
	{Name: "keys.deleteKey", Refusals: []int{404}, Rules: []Rule{onKey("delete_key")}},
	{
		Name: "keys.restoreKey", Refusals: []int{404, 412},
		Rules: []Rule{onNewKeys(), onKey("update_key")},
	},
	{
		Name: "keys.verifyKey", Effect: EffectCounts, Refusals: []int{412},
		Rules: []Rule{onKey("verify_key").masked()},
	},
	{
		Name: "keys.explainKey", Effect: EffectReads, Refusals: []int{404, 412},
		Rules: []Rule{onKey("verify_key").masked(), onKey("read_key").masked()},
	},
	{
		Name: "keys.rerollKey", Refusals: []int{404, 412},
		Rules: []Rule{
			onNewKeys(),
			onKeys("encrypt_key").when(WhenRecoverable),
			onKey("update_key").when(WhenStrict),
		},
	},
	{Name: "keys.updateCredits", Refusals: []int{404}, Rules: []Rule{onKey("update_key")}},
	{
		Name: "keys.addPermissions", Refusals: []int{404},
		Rules: append(onGrants(addPermission), newPermissions(),
			onPermissions(addPermission).when(WhenWildcard),
			onPermissions(addPermission).when(WhenStrictPermissions),
		),
	},
	{
		Name: "keys.removePermissions", Refusals: []int{404},
		Rules: onGrants(removePermission),
	},
	{
		Name: "keys.setPermissions", Refusals: []int{404},
		Rules: append(onGrants(addPermission, removePermission), newPermissions(),
			onPermissions(addPermission).when(WhenWildcard),
			onPermissions(addPermission).when(WhenStrictPermissions),
			onPermissions(removePermission).when(WhenStrictPermissions),
		),
	},
	{
		Name: "keys.addRoles", Refusals: []int{404},
		Rules: append(onGrants(addRole),
			onWildcardRoles(),
			onRoles().when(WhenStrictRoles),
		),
	},
	{Name: "keys.removeRoles", Refusals: []int{404}, Rules: onGrants()},
	{
		Name: "keys.setRoles", Refusals: []int{404},
		Rules: append(onGrants(),
			onPermissions(addPermission).when(WhenWildcard),
			onRoles().when(WhenStrictRoles),
		),
	},
	{
		Name: "keys.exportKeys", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onKeys("read_key"), onKeys("decrypt_key")},
	},
	{
		Name: "keys.migrateKeys", Refusals: []int{404}, maxBody: 10 << 20,
		Rules: grants(on("api.{apiId}.create_key", inKeyspace+"/keys/*")),
	},

	{
		Name: "identities.createIdentity", Refusals: []int{409},
		Rules: []Rule{onIdentities("create_identity")},
	},
	{
		Name: "identities.getIdentity", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onIdentity("read_identity")},
	},
	{
		Name: "identities.listIdentities", Effect: EffectReads, Paged: true,
		Rules: []Rule{onIdentity("read_identity")},
	},
	{
		Name: "identities.updateIdentity", Refusals: []int{404},
		Rules: []Rule{onIdentities("update_identity")},
	},
	{
		Name: "identities.deleteIdentity", Problems: true, Refusals: []int{404},
		Rules: []Rule{onIdentities("delete_identity")},
	},

	{
		Name: "permissions.createPermission", Refusals: []int{409},
		Rules: []Rule{onPermissionSet("create_permission")},
	},
	{
		Name: "permissions.getPermission", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onPermissionSet("read_permission")},
	},
	{
		Name: "permissions.listPermissions", Effect: EffectReads, Paged: true,
		Rules: []Rule{onPermissionSet("read_permission")},
	},
	{
		Name: "permissions.updatePermission", Plain429: true, Refusals: []int{404, 409},
		Rules: []Rule{
			onPermissionSet("update_permission"),
			onPermissions(addPermission).when(WhenWildcard),
		},
	},
	{
		Name: "permissions.deletePermission", Refusals: []int{404},
		Rules: []Rule{onPermissionSet("delete_permission")},
	},
	{
		Name: "permissions.createRole", Refusals: []int{409},
		Rules: []Rule{
			onRoleSet("create_role"),
			onRoleSet("add_permission_to_role").when(WhenPermissions),
			onPermissionSet("create_permission").when(WhenNewPermissions),
		},
	},
	{
		Name: "permissions.getRole", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onRoleSet("read_role")},
	},
	{
		Name: "permissions.listRoles", Effect: EffectReads, Paged: true,
		Rules: []Rule{onRoleSet("read_role")},
	},
	{
		Name: "permissions.updateRole", Plain429: true, Refusals: []int{404, 409},
		Rules: []Rule{onRoleSet("update_role")},
	},
	{
		Name: "permissions.deleteRole", Refusals: []int{404},
		Rules: []Rule{onRoleSet("delete_role")},
	},
	{
		Name: "permissions.setRolePermissions", Refusals: []int{404},
		Rules: []Rule{
			onRoleSet("add_permission_to_role"),
			onRoleSet("remove_permission_from_role"),
			newPermissions(),
		},
	},

	{
		Name: "ratelimit.limit", Effect: EffectCounts, Refusals: []int{410},
		Rules: []Rule{
			onNamespace("limit"),
			newNamespace(),
		},
	},
	{
		Name: "ratelimit.multiLimit", Effect: EffectCounts, Refusals: []int{410},
		maxBody: 512 << 10, // 100 limits with names of any script
		Rules: []Rule{
			onNamespace("limit"),
			newNamespace(),
		},
	},
	{
		Name: "ratelimit.setOverride", Refusals: []int{404},
		Rules: []Rule{onOverrides("set_override")},
	},
	{
		Name: "ratelimit.getOverride", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{needs("ratelimit.{namespaceId}.read_override",
			"ratelimits/namespaces/{namespaceId}/overrides/{overrideId}#read_override",
			inNamespace+"/overrides/{overrideId}#read").masked()},
	},
	{
		Name: "ratelimit.explainOverride", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onOverrides("read_override"), onNamespace("limit")},
	},
	{
		Name: "ratelimit.listOverrides", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onOverrides("read_override")},
	},
	{
		Name: "ratelimit.deleteOverride", Refusals: []int{404},
		Rules: []Rule{onOverrides("delete_override")},
	},
	{
		Name: "ratelimit.listNamespaces", Effect: EffectReads, Paged: true,
		Rules: []Rule{on("ratelimit.*.read_namespace", "projects/*/ratelimits/namespaces/*")},
	},
	{
		Name: "ratelimit.updateNamespace", Refusals: []int{404},
		Rules: []Rule{onNamespace("update_namespace")},
	},
	{
		Name: "ratelimit.deleteNamespace", Refusals: []int{404},
		Rules: []Rule{onNamespace("delete_namespace")},
	},

	{
		Name: "analytics.getVerifications", Effect: EffectReads, Refusals: []int{412, 422},
		Rules: []Rule{onVerifications()},
	},
	{
		Name: "analytics.getRatelimits", Effect: EffectReads, Refusals: []int{412, 422},
		Rules: []Rule{onDecisions()},
	},

	{
		Name: "usage.getTotals", Effect: EffectReads, Refusals: []int{404, 412, 422},
		Rules: onEvents(),
	},
	{
		Name: "usage.getTimeseries", Effect: EffectReads, Refusals: []int{404, 412, 422},
		Rules: onEvents(),
	},
	{
		Name: "usage.listEvents", Effect: EffectReads, Paged: true,
		Refusals: []int{404, 412, 422}, Rules: onEvents(),
	},

	{
		Name: "workspace.getLimits", Effect: EffectReads, BodyOptional: true,
		Rules: []Rule{on("workspace.*.read_limits", "limits")},
	},
	{
		Name: "workspace.getUsage", Effect: EffectReads, BodyOptional: true,
		Rules: []Rule{on("workspace.*.read_usage", "usage")},
	},

	{
		Name: "system.getHealth", Effect: EffectReads, BodyOptional: true,
		Rules: []Rule{needs(Operator)},
	},

	{Name: "workspaces.createWorkspace", Rules: []Rule{needs(Operator)}},
	{
		Name: "workspaces.getWorkspace", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{needs(Operator)},
	},
	{
		Name: "workspaces.listWorkspaces", Effect: EffectReads, Paged: true,
		Rules: []Rule{needs(Operator)},
	},
	{
		Name: "workspaces.updateWorkspace", Refusals: []int{404, 412},
		Rules: []Rule{needs(Operator)},
	},
	{
		Name: "workspaces.deleteWorkspace", Refusals: []int{404, 412},
		Rules: []Rule{needs(Operator)},
	},

	{
		Name: "rootKeys.createKey", Delegates: true,
		Rules: []Rule{onRootKeys("create_root_key")},
	},
	{
		Name: "rootKeys.listKeys", Effect: EffectReads, Paged: true,
		Rules: []Rule{onRootKey("read_root_key")},
	},
	{
		Name: "rootKeys.updateKey", Refusals: []int{404, 412}, Delegates: true,
		Rules: []Rule{onRootKey("update_root_key"), otherWorkspace()},
	},
	{
		Name: "rootKeys.rerollKey", Refusals: []int{404}, Delegates: true,
		Rules: []Rule{
			onRootKey("create_root_key"),
			onRootKey("delete_root_key").when(WhenEnding),
			otherWorkspace(),
		},
	},
	{
		Name: "rootKeys.deleteKey", Refusals: []int{404, 412}, Delegates: true,
		Rules: []Rule{onRootKey("delete_root_key"), otherWorkspace()},
	},
	{
		Name: "rootKeys.createRootKey", Refusals: []int{404}, Delegates: true,
		Rules: []Rule{
			onRootKeys("create_root_key"),
			otherWorkspace(),
		},
	},
	{
		Name: "rootKeys.listRootKeys", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{
			onRootKeys("read_root_key"),
			otherWorkspace(),
		},
	},
	{
		Name: "rootKeys.updateRootKey", Refusals: []int{404, 412}, Delegates: true,
		Rules: []Rule{
			onRootKeys("update_root_key"),
			otherWorkspace(),
		},
	},
	{
		Name: "rootKeys.deleteRootKey", Refusals: []int{404, 412}, Delegates: true,
		Rules: []Rule{
			onRootKeys("delete_root_key"),
			otherWorkspace(),
		},
	},
	{Name: "rootKeys.whoami", Effect: EffectReads, BodyOptional: true},

	{Name: "migrations.createMigration", Rules: []Rule{needs("migration.*.create_migration")}},

	{
		Name: "auditLogs.listAuditLogs", Effect: EffectReads, Paged: true,
		Rules: []Rule{needs("audit_log.*.read_audit_log")},
	},
	{
		Name: "auditLogs.verifyAuditLogs", Effect: EffectReads,
		Rules: []Rule{needs("audit_log.*.read_audit_log")},
	},

	{
		Name: "portal.createPortal", Refusals: []int{404, 409},
		Rules: []Rule{
			on("portal.*.create_portal", inPortals+"*"),
			onAPI("read_api").when(WhenRepointed),
		},
	},
	{
		Name: "portal.getPortal", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onPortal("read_portal")},
	},
	{
		Name: "portal.updatePortal", Refusals: []int{404, 409},
		Rules: []Rule{
			onPortal("update_portal"),
			onAPI("read_api").when(WhenRepointed),
		},
	},
	{
		Name: "portal.deletePortal", Refusals: []int{404},
		Rules: []Rule{onPortal("delete_portal")},
	},
	{
		Name: "portal.createSession", Refusals: []int{404, 412},
		Rules: []Rule{
			onPortalSessions(),
			onKeyList().when(WhenKeysRead),
			onNewKeys().when(WhenKeysReroll),
			onKeys("encrypt_key").when(WhenRerollRecoverable),
			onKeys("update_key").when(WhenRerollStrict),
			onVerifications().when(WhenAnalyticsRead),
		},
	},
	{
		Name: "portal.listSessions", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{needs("portal.{portalId}.create_portal_session",
			inPortals+"{portalId}/sessions/*#read", inPortals+"{portalId}/sessions/*#write").masked()},
	},
	{
		Name: "portal.revokeSession", Refusals: []int{404},
		Rules: []Rule{onPortalSessions()},
	},
	{Name: "portal.exchangeCode", Public: true, Refusals: []int{401, 429, 503}},
	{
		Name: "portal.listKeys", Effect: EffectReads, Paged: true, Scope: ScopeKeysRead,
		Rules: []Rule{onKeyList()},
	},
	{
		Name: "portal.rerollKey", Scope: ScopeKeysReroll, Refusals: []int{404, 412},
		Rules: []Rule{
			onNewKeys(),
			onKeys("encrypt_key").when(WhenRecoverable),
			onKey("update_key").when(WhenStrict),
		},
	},
	{
		Name: "portal.getVerifications", Effect: EffectReads, Scope: ScopeAnalyticsRead,
		Bare: true, Refusals: []int{404, 412, 422},
		Rules: []Rule{onVerifications()},
	},

	{
		Name: "webhooks.createWebhook", Rules: []Rule{onWebhooks("create_webhook")},
	},
	{
		Name: "webhooks.getWebhook", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onWebhooks("read_webhook")},
	},
	{
		Name: "webhooks.listWebhooks", Effect: EffectReads, Paged: true,
		Rules: []Rule{onWebhooks("read_webhook")},
	},
	{
		Name: "webhooks.updateWebhook", Refusals: []int{404},
		Rules: []Rule{onWebhooks("update_webhook")},
	},
	{
		Name: "webhooks.deleteWebhook", Refusals: []int{404},
		Rules: []Rule{onWebhooks("delete_webhook")},
	},
	{
		Name: "webhooks.rotateSecret", Refusals: []int{404},
		Rules: []Rule{onWebhooks("update_webhook")},
	},
	{
		Name: "webhooks.sendTest", Refusals: []int{404, 412},
		Rules: []Rule{onWebhooks("update_webhook")},
	},
	{
		Name: "webhooks.listDeliveries", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onWebhooks("read_webhook")},
	},
	{
		Name: "webhooks.resendDelivery", Refusals: []int{404, 412},
		Rules: []Rule{onWebhooks("update_webhook")},
	},
	{
		Name: "budgets.createBudget", Refusals: []int{409},
		Rules: []Rule{onBudgets("create_budget")},
	},
	{
		Name: "budgets.getBudget", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onBudget("read_budget")},
	},
	{
		Name: "budgets.listBudgets", Effect: EffectReads, Paged: true,
		Rules: []Rule{onBudget("read_budget")},
	},
	{
		Name: "budgets.updateBudget", Refusals: []int{404, 409},
		Rules: []Rule{onBudget("update_budget")},
	},
	{
		Name: "budgets.deleteBudget", Refusals: []int{404},
		Rules: []Rule{onBudget("delete_budget")},
	},
	{
		Name: "budgets.grant", Refusals: []int{404}, Rules: []Rule{onBudget("update_budget")},
	},
	{
		Name: "budgets.attach", Refusals: []int{404}, Rules: []Rule{onBudget("update_budget")},
	},
	{
		Name: "budgets.detach", Refusals: []int{404}, Rules: []Rule{onBudget("update_budget")},
	},
	{
		Name: "budgets.listAttachments", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onBudget("read_budget")},
	},
	{
		Name: "budgets.spend", Effect: EffectCounts, Refusals: []int{404},
		Rules: []Rule{onBudget("spend_budget")},
	},
	{
		Name: "budgets.reserve", Effect: EffectCounts, Refusals: []int{404},
		Rules: []Rule{onBudget("spend_budget")},
	},
	{
		Name: "budgets.settle", Effect: EffectRepeats, Refusals: []int{404, 409},
		Rules: onReservation(),
	},
	{
		Name: "budgets.release", Effect: EffectRepeats, Refusals: []int{404, 409},
		Rules: onReservation(),
	},
	{
		Name: "budgets.extend", Effect: EffectRepeats, Refusals: []int{404, 409},
		Rules: onReservation(),
	},
	{
		Name: "budgets.getReservation", Effect: EffectReads, Refusals: []int{404},
		Rules: []Rule{onBudget("read_budget")},
	},
	{
		Name: "budgets.listReservations", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onBudget("read_budget")},
	},
	{
		Name: "budgets.listEntries", Effect: EffectReads, Paged: true, Refusals: []int{404},
		Rules: []Rule{onBudget("read_budget")},
	},

	{Name: "self.getKey", Effect: EffectReads, Holder: true, BodyOptional: true},
	{Name: "self.rerollKey", Holder: true, Refusals: []int{412}},
	{Name: "self.revokeKey", Holder: true, BodyOptional: true},

	{Name: "liveness", Effect: EffectReads, Public: true, GET: true},
}
