package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
)

// things are one of each kind, for requests to name.
type things struct {
	api, key, secret, role, permission, identity, namespace, migration, workspace, rootKey string
	webhook, delivery                                                                      string
	portal, otherKeyspace, reservation, deleted                                            string
}

func (w *world) newThings() things {
	w.t.Helper()
	var x things
	x.api = w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{
			APIID: x.api, StoreEncryptedKeys: latchkey.Set(true), StrictGrants: latchkey.Set(true),
		})
	made := w.newKey(latchkey.CreateKeyRequest{
		APIID: x.api, Recoverable: true, ExternalID: "someone", Permissions: []string{"a.read"},
		Credits: &latchkey.Credits{Remaining: latchkey.Set[int64](1000)},
	})
	x.key, x.secret = made.KeyID, made.Key
	x.role = must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "a role", Permissions: []string{"role.*"}}).RoleID
	x.permission = w.newPermission(latchkey.CreatePermissionRequest{Name: "b", Slug: "b.read"})
	x.identity = "someone"
	must[latchkey.LimitResult](w, w.who, "ratelimit.limit", ask("a namespace", "u", 10))
	must[latchkey.SetOverrideResult](w, w.who, "ratelimit.setOverride", object{
		"namespace": "a namespace", "identifier": "gone", "limit": 1, "duration": 1000})
	x.namespace = "a namespace"
	x.migration = must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	x.workspace = must[latchkey.CreatedWorkspace](w, w.who, "workspaces.createWorkspace",
		latchkey.CreateWorkspaceRequest{Name: "a workspace"}).WorkspaceID
	x.rootKey = w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api"},
	}).RootKeyID
	x.portal = w.newPortal(x.api, "a-portal")
	x.webhook = w.newWebhook(w.who, "https://hooks.invalid/", latchkey.EventKeyCreated)
	x.delivery = must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
		latchkey.SendTestWebhookRequest{WebhookID: x.webhook}).DeliveryID
	x.otherKeyspace = w.keyspace(w.newAPI())
	x.reservation = w.reserve(time.Hour, costOf(w.prepaid("a budget", 9), 1)...).Reservation.ID
	x.deleted = w.newKey(latchkey.CreateKeyRequest{APIID: x.api}).KeyID
	must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": x.deleted})
	return x
}

// object is a request as JSON.
type object = map[string]any

// requests returns one request for every operation that saves its response, such
// that each rule of the operation applies to it.
func (x things) requests() map[string]object {
	key := func(more object) object { more["keyId"] = x.key; return more }
	within := func(more object) object { more["namespace"] = x.namespace; return more }
	slugs, roles := []string{"new.read", "new.*"}, []string{"a role"}
	return map[string]object{
		"apis.createApi": {"name": "an api"},
		"apis.deleteApi": {"apiId": x.api},
		"apis.updateApi": {"apiId": x.api, "defaultPrefix": "p"},
		"keys.createKey": {
			"apiId": x.api, "recoverable": true, "permissions": slugs, "roles": roles,
		},
		"keys.updateKeys":        {"filter": object{"apiId": x.api}, "enabled": true},
		"keys.updateKey":         key(object{"permissions": slugs, "roles": roles}),
		"keys.deleteKey":         key(object{"permanent": true}),
		"keys.restoreKey":        {"keyId": x.deleted},
		"keys.verifyKey":         {"key": x.secret},
		"keys.rerollKey":         key(object{"expiration": 0}),
		"keys.updateCredits":     key(object{"operation": "increment", "value": 1}),
		"keys.addPermissions":    key(object{"permissions": slugs}),
		"keys.removePermissions": key(object{"permissions": []string{"a.read"}}),
		"keys.setPermissions":    key(object{"permissions": slugs}),
		"keys.addRoles":          key(object{"roles": roles}),
		"keys.removeRoles":       key(object{"roles": roles}),
		"keys.setRoles":          key(object{"roles": roles}),
		"keys.migrateKeys": {
			"apiId": x.api, "migrationId": x.migration, "keys": []object{
				{"hash": hashText("abc"), "permissions": slugs, "roles": roles},
			},
		},
		"identities.createIdentity":      {"externalId": "other"},
		"identities.updateIdentity":      {"identity": x.identity, "meta": object{"a": 1}},
		"identities.deleteIdentity":      {"identity": x.identity},
		"permissions.createPermission":   {"name": "c", "slug": "c.read"},
		"permissions.updatePermission":   {"permission": x.permission, "slug": "d.*"},
		"permissions.deletePermission":   {"permission": x.permission},
		"permissions.createRole":         {"name": "new", "permissions": slugs},
		"permissions.updateRole":         {"role": x.role, "name": "other"},
		"permissions.deleteRole":         {"role": x.role},
		"permissions.setRolePermissions": {"roleId": x.role, "permissions": slugs},
		"ratelimit.limit": within(object{
			"identifier": "u", "limit": 10, "duration": 60000,
		}),
		"ratelimit.multiLimit": nil, // a list, see below
		"ratelimit.setOverride": within(object{
			"identifier": "u", "limit": 1, "duration": 1000,
		}),
		"ratelimit.deleteOverride":   within(object{"identifier": "gone"}),
		"ratelimit.updateNamespace":  within(object{"whenDegraded": "refuse"}),
		"ratelimit.deleteNamespace":  within(object{}),
		"workspaces.createWorkspace": {"name": "w"},
		"workspaces.updateWorkspace": {"workspaceId": x.workspace, "name": "w"},
		"workspaces.deleteWorkspace": {"workspaceId": x.workspace},
		"rootKeys.createKey":         {"permissions": []string{"api.*.delete_key"}},
		"rootKeys.updateKey": {
			"keyId": x.rootKey, "permissions": []string{"api.*.delete_key"},
		},
		"rootKeys.rerollKey":     {"keyId": x.rootKey, "expiration": 0},
		"rootKeys.deleteKey":     {"keyId": x.rootKey},
		"rootKeys.createRootKey": {"permissions": []string{"api.*.delete_key"}},
		"rootKeys.updateRootKey": {
			"rootKeyId": x.rootKey, "permissions": []string{"api.*.delete_key"},
		},
		"rootKeys.deleteRootKey":     {"rootKeyId": x.rootKey},
		"migrations.createMigration": {"algorithm": "sha256"},
		"budgets.createBudget":       {"name": "another budget"},
		"budgets.updateBudget":       {"budget": "a budget", "unit": "tokens"},
		"budgets.deleteBudget":       {"budget": "a budget"},
		"budgets.grant":              {"budget": "a budget", "amount": 5},
		"budgets.attach":             key(object{"budget": "a budget"}),
		"budgets.detach":             key(object{"budget": "a budget"}),
		"budgets.spend":              {"budgets": []object{{"budget": "a budget"}}},
		"budgets.reserve":            {"budgets": []object{{"budget": "a budget"}}, "ttl": 1000},
		"budgets.settle":             {"reservationId": x.reservation},
		"budgets.release":            {"reservationId": x.reservation},
		"budgets.extend":             {"reservationId": x.reservation, "ttl": 1000},
		"webhooks.createWebhook": {
			"url": "https://hooks.invalid/", "events": []string{"key.created"},
		},
		"webhooks.updateWebhook":  {"webhookId": x.webhook, "description": "d"},
		"webhooks.deleteWebhook":  {"webhookId": x.webhook},
		"webhooks.rotateSecret":   {"webhookId": x.webhook},
		"webhooks.sendTest":       {"webhookId": x.webhook},
		"webhooks.resendDelivery": {"webhookId": x.webhook, "deliveryId": x.delivery},
		"portal.createPortal": {
			"slug": "other", "displayName": "Other", "keyspaceId": x.otherKeyspace,
		},
		"portal.updatePortal": {"portal": x.portal, "keyspaceId": x.otherKeyspace},
		"portal.deletePortal": {"portal": x.portal},
		"portal.createSession": {
			"portal": x.portal, "externalId": x.identity,
			"scopes": []string{"keys:read", "keys:reroll", "analytics:read"},
		},
		"portal.revokeSession": {"portal": x.portal, "externalId": x.identity},
		"portal.rerollKey":     key(object{"expiration": 0}),
	}
}

// repeater repeats one request with one Idempotency-Key by one root key, whose
// permissions change.
type repeater struct {
	*world
	id, token string
	operation string
	request   any
	session   string // the access token of a portal session that repeats it; "" for none
}

// hold replaces the permissions of the root key.
func (r *repeater) hold(permissions []string) {
	r.t.Helper()
	must[latchkey.RootKey](r.world, r.who, "rootKeys.updateRootKey",
		latchkey.UpdateRootKeyRequest{RootKeyID: r.id, Permissions: latchkey.Set(permissions)})
}

// repeat sends the request and returns its data as JSON, or the error.
func (r *repeater) repeat() (string, *latchkey.Error) {
	r.t.Helper()
	who := r.caller(r.token)
	if r.session != "" {
		who = r.endUser("portal.rerollKey", r.session)
	}
	who.IdempotencyKey, who.Origin = "once", "https://latchkey.test"
	answer, err := r.do(who, r.operation, r.request)
	var refused *latchkey.Error
	if err != nil && !errors.As(err, &refused) {
		r.t.Fatal(err)
	}
	text, err := json.Marshal(answer.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text), refused
}

// refusedBy checks that the request fails while the root key lacks some of its
// permissions.
func (r *repeater) refusedBy(held []string, op *Op) {
	r.t.Helper()
	r.hold(held)
	text, refused := r.repeat()
	switch {
	case op.Name == "keys.verifyKey":
		if !strings.Contains(text, `"NOT_FOUND"`) {
			r.t.Errorf("with %d permissions: %s", len(held), text)
		}
	case refused == nil:
		r.t.Errorf("with %d permissions: given out: %s", len(held), text)
	case refused.Status != 403 && !(op.rules[0].masked && refused.Status == 404):
		r.t.Errorf("with %d permissions: %d %s", len(held), refused.Status, refused.Detail)
	}
}

// TestReplayedResponsesNeedThePermissions sends a request with an
// Idempotency-Key, revokes all permissions and each one that the request
// needed, and repeats it: it fails like a new request. With the permissions
// back, the saved response is replayed, even if the objects of the request no
// longer exist.
func TestReplayedResponsesNeedThePermissions(t *testing.T) {
	for _, op := range Ops {
		if !op.SavesResponse() || op.Holder { // a holder has no permissions
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			w := newWorld(t)
			x := w.newThings()
			request, known := x.requests()[op.Name]
			if !known {
				t.Fatal("there is no request for it")
			}
			all := latchkey.AllPermissions()
			if slices.ContainsFunc(op.Rules, func(r latchkey.Rule) bool {
				return r.When == "" && r.AnyOf[0][0] == latchkey.Operator
			}) {
				all = []string{latchkey.Operator}
			}
			made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: all})
			r := &repeater{w, made.RootKeyID, made.Key, op.Name, request, ""}
			if op.Scope != "" {
				r.session = w.newSession(w.caller(made.Key), x.portal, x.identity, op.Scope)
			}
			if op.Name == "ratelimit.multiLimit" {
				r.request = []object{
					{"namespace": "fresh", "identifier": "u", "limit": 10, "duration": 60000},
				}
			}
			first, refused := r.repeat()
			if refused != nil {
				t.Fatal(refused)
			}
			r.refusedBy([]string{}, op)
			for _, rule := range op.Rules {
				if rule.When == latchkey.WhenOtherWorkspace ||
					rule.When == latchkey.WhenNewNamespace {
					continue // the request needs none of them, or no longer
				}
				every := everything.fill(rule.AnyOf[0][0])
				r.refusedBy(
					slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == every }),
					op,
				)
			}
			if op.Delegates {
				r.refusedBy(
					slices.DeleteFunc(slices.Clone(all), func(p string) bool {
						return p == "api.*.read_api" || p == "api.*.delete_key"
					}),
					op,
				)
			}
			r.hold(all)
			again, refused := r.repeat()
			if diff := cmp.Diff(first, again); diff != "" && op.Name != "keys.verifyKey" ||
				refused != nil {
				t.Errorf("the repeated request: %v\n%s", refused, diff)
			}
		})
	}
}

// TestPermissionPatternsMatchTheirIDs asks single rules of single permissions.
func TestPermissionPatternsMatchTheirIDs(t *testing.T) {
	bound := ids{API: "api_1", Keyspace: "ks_1", Key: "key_1"}
	for _, c := range []struct {
		rule           latchkey.Rule
		held           string
		one, all, some bool
	}{
		{ruleOf("api.*.create_api"), "api.*.create_api", true, true, true},
		{ruleOf("api.*.create_api"), "api.api_1.create_api", false, false, false},
		{ruleOf("api.{apiId}.read_key"), "api.*.read_key", true, true, true},
		{ruleOf("api.{apiId}.read_key"), "api.api_1.read_key", true, false, true},
		{ruleOf("api.{apiId}.read_key"), "api.api_2.read_key", false, false, true},
		{ruleOf("api.{apiId}.read_key"), "api.api_1.read_api", false, false, false},
		{ruleOf("api.{apiId}.read_key"), "api.*.*", false, false, false},
		{ruleOf("keyspaces/{keyspaceId}/keys/{keyId}#read_key"),
			"unkey:v1:ws:keyspaces/ks_1/keys/key_1#read_key", true, false, true},
		{ruleOf("keyspaces/{keyspaceId}/keys/{keyId}#read_key"),
			"unkey:v1:ws:keyspaces/ks_1/keys/*#read_key", true, false, true},
		{ruleOf("keyspaces/{keyspaceId}/keys/{keyId}#read_key"),
			"unkey:v1:ws:keyspaces/**#read_key", true, true, true},
		{ruleOf("keyspaces/{keyspaceId}/keys/{keyId}#read_key"),
			"unkey:v1:ws:keyspaces/ks_1#read_key", false, false, false},
		{ruleOf("keyspaces/{keyspaceId}/keys/{keyId}#read_key"), "unkey:v1:other:**#*", false,
			false, false},
		{ruleOf("keyspaces/{keyspaceId}/keys/*#read_key"),
			"unkey:v1:ws:keyspaces/ks_1/keys/key_1#read_key", false, false, false},
		{ruleOf("api.{apiId}.read_key"), rbac.Operator, true, true, true},
	} {
		r, err := compileRule(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		grants := rbac.NewGrants("ws", []string{c.held})
		one, all, some := r.satisfied(grants, &bound), r.satisfied(grants,
			&everything), r.satisfiedForSome(grants)
		if one != c.one || all != c.all || some != c.some {
			t.Errorf("%s of %s: one %v, all %v, some %v; want %v, %v, %v", c.rule.AnyOf, c.held,
				one, all, some, c.one, c.all, c.some)
		}
	}
	if _, err := compileRule(ruleOf("api.{appId}.read_key")); err == nil {
		t.Error("an id that nobody knows is accepted")
	}
}

func ruleOf(pattern string) latchkey.Rule { return latchkey.Rule{AnyOf: [][]string{{pattern}}} }

// TestAWildcardNeedsTheRightToGrant grants permissions with and without a * in
// every way that a key can get them.
func TestAWildcardNeedsTheRightToGrant(t *testing.T) {
	w := newWorld(t)
	x := w.newThings()
	must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: x.api, StrictGrants: latchkey.Set(false)})
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "plain role", Permissions: []string{"plain"}})
	held := []string{
		"api.*.create_key", "api.*.encrypt_key", "api.*.update_key", "rbac.*.update_permission",
		w.resource("keyspaces/**", "update_key"), // stands for the tuples of addPermissions
		w.resource("rbac/permissions/*", "create_permission"),
	}
	weak, strong := w.grant(held...), w.grant(
		w.resource("**", "*"), "rbac.*.update_permission", "api.*.create_key",
	)
	hash := 0
	for _, c := range []struct {
		operation string
		request   func(slug, role string) object
	}{
		{"keys.createKey", func(slug, _ string) object {
			return object{"apiId": x.api, "permissions": []string{slug}}
		}},
		{"keys.createKey", func(_, role string) object {
			return object{"apiId": x.api, "roles": []string{role}}
		}},
		{"keys.updateKey", func(slug, _ string) object {
			return object{"keyId": x.key, "permissions": []string{slug}}
		}},
		{"keys.updateKey", func(_, role string) object {
			return object{"keyId": x.key, "roles": []string{role}}
		}},
		{"keys.addPermissions", func(slug, _ string) object {
			return object{"keyId": x.key, "permissions": []string{slug}}
		}},
		{"keys.setPermissions", func(slug, _ string) object {
			return object{"keyId": x.key, "permissions": []string{slug}}
		}},
		{"keys.addRoles", func(_, role string) object {
			return object{"keyId": x.key, "roles": []string{role}}
		}},
		{"keys.setRoles", func(_, role string) object {
			return object{"keyId": x.key, "roles": []string{role}}
		}},
		{"keys.migrateKeys", func(slug, _ string) object {
			hash++
			return object{"apiId": x.api, "migrationId": x.migration, "keys": []object{
				{"hash": hashText(fmt.Sprint(hash)), "permissions": []string{slug}},
			}}
		}},
		{"keys.migrateKeys", func(_, role string) object {
			hash++
			return object{"apiId": x.api, "migrationId": x.migration, "keys": []object{
				{"hash": hashText(fmt.Sprint(hash)), "roles": []string{role}},
			}}
		}},
		{"permissions.updatePermission", func(slug, _ string) object {
			return object{"permission": x.permission, "slug": "of." + slug}
		}},
	} {
		clear := func() {
			must[[]latchkey.Permission](w, w.who, "keys.setPermissions",
				object{"keyId": x.key, "permissions": []string{}})
			must[[]latchkey.Role](w, w.who, "keys.setRoles",
				object{"keyId": x.key, "roles": []string{}})
		}
		clear()
		w.refused(weak, c.operation, c.request("all.*", "a role"), 403, "insufficient_permissions")
		for who, request := range map[*Caller]object{
			&weak: c.request("plain", "plain role"), &strong: c.request("all.*", "a role"),
		} {
			clear()
			if _, err := w.do(*who, c.operation, request); err != nil {
				t.Errorf("%s %v: %v", c.operation, request, err)
			}
		}
		if c.operation != "permissions.updatePermission" && c.operation != "keys.migrateKeys" {
			// what the key has already is not granted
			if _, err := w.do(strong, c.operation, c.request("all.*", "a role")); err != nil {
				t.Error(err)
			}
			if c.operation != "keys.createKey" {
				if _, err := w.do(weak, c.operation, c.request("all.*", "a role")); err != nil {
					t.Errorf("%s of what the key has: %v", c.operation, err)
				}
			}
		}
	}
	if _, err := w.do(weak, "keys.rerollKey", object{"keyId": x.key, "expiration": 0}); err != nil {
		t.Errorf("a reroll's own copy: %v", err)
	}
}

// TestStrictGrantsAskForTheRightToGrant is about an API with the setting and one
// without.
func TestStrictGrantsAskForTheRightToGrant(t *testing.T) {
	w := newWorld(t)
	x := w.newThings()
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "plain role"})
	held := []string{
		"api.*.create_key", "api.*.update_key", w.resource("keyspaces/**", "update_key"),
		w.resource("rbac/permissions/*", "create_permission"),
	}
	weak := w.grant(held...)
	strong := w.grant(append(held, "rbac.*.add_permission_to_key",
		"rbac.*.remove_permission_from_key", "rbac.*.add_role_to_key")...)
	slugs, roles := []string{"plain"}, []string{"plain role"}
	hash := 0
	imported := func(more object) object {
		hash++
		more["hash"] = hashText(fmt.Sprint(hash))
		return object{"apiId": x.api, "migrationId": x.migration, "keys": []object{more}}
	}
	for _, c := range []struct {
		operation string
		request   func() object
	}{
		{"keys.createKey", func() object { return object{"apiId": x.api, "permissions": slugs} }},
		{"keys.createKey", func() object { return object{"apiId": x.api, "roles": roles} }},
		{"keys.updateKey", func() object { return object{"keyId": x.key, "permissions": slugs} }},
		{"keys.updateKey", func() object {
			return object{"keyId": x.key, "permissions": []string{}}
		}},
		{"keys.updateKey", func() object { return object{"keyId": x.key, "roles": roles} }},
		{"keys.addPermissions", func() object {
			return object{"keyId": x.key, "permissions": slugs}
		}},
		{"keys.setPermissions", func() object {
			return object{"keyId": x.key, "permissions": slugs}
		}},
		{"keys.addRoles", func() object { return object{"keyId": x.key, "roles": roles} }},
		{"keys.setRoles", func() object { return object{"keyId": x.key, "roles": roles} }},
		{"keys.migrateKeys", func() object { return imported(object{"permissions": slugs}) }},
		{"keys.migrateKeys", func() object { return imported(object{"roles": roles}) }},
	} {
		for _, strict := range []bool{true, false} {
			must[latchkey.APISettings](w, w.who, "apis.updateApi",
				latchkey.UpdateAPIRequest{APIID: x.api, StrictGrants: latchkey.Set(strict)})
			if strict {
				w.refused(weak, c.operation, c.request(), 403, "insufficient_permissions")
			} else if _, err := w.do(weak, c.operation, c.request()); err != nil {
				t.Errorf("%s without strictGrants: %v", c.operation, err)
			}
			if _, err := w.do(strong, c.operation, c.request()); err != nil {
				t.Errorf("%s, strict %v: %v", c.operation, strict, err)
			}
		}
	}
	must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: x.api, StrictGrants: latchkey.Set(true)})
	for _, harmless := range []object{
		{"keyId": x.key, "name": "n"}, {"keyId": x.key, "enabled": true},
	} {
		must[latchkey.Empty](w, weak, "keys.updateKey", harmless)
	}
	creator := w.grant("api.*.create_key", "api.*.encrypt_key")
	reroll := object{"keyId": x.key, "expiration": 0}
	w.refused(creator, "keys.rerollKey", reroll, 403, "insufficient_permissions")
	must[latchkey.CreatedKey](w, creator, "keys.createKey", object{"apiId": x.api})
	must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: x.api, StrictGrants: latchkey.Set(false)})
	must[latchkey.CreatedKey](w, creator, "keys.rerollKey", reroll)
}
