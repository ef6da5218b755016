package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// eventOf finds a record in the table of events: by name, words and targets.
func eventOf(log latchkey.AuditLog) (event, bool) {
	ids := make([]any, len(log.Targets))
	for i, t := range log.Targets {
		ids[i] = t.ID
	}
	for what, e := range auditEvents {
		types := strings.Fields(e.targets)
		if last, repeats := strings.CutSuffix(types[len(types)-1], "+"); repeats {
			types[len(types)-1] = last
			for len(types) < len(ids) {
				types = append(types, last)
			}
		}
		if e.name != log.Event || len(types) != len(ids) ||
			!strings.HasPrefix(log.Description, fmt.Sprintf(e.when, ids...)) {
			continue
		}
		for i, t := range log.Targets {
			if !strings.Contains("|"+types[i]+"|", "|"+t.Type+"|") {
				return 0, false
			}
		}
		return event(what), true
	}
	return 0, false
}

// TestEveryEventIsAuditedAsDeclared makes a change of every kind, and looks
// at the records of both workspaces.
func TestEveryEventIsAuditedAsDeclared(t *testing.T) {
	w := newWorld(t)
	run := func(name, request string, args ...any) {
		t.Helper()
		if _, err := w.do(w.who, name, json.RawMessage(fmt.Sprintf(request, args...))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	limits := `"ratelimits":[{"name":"requests","limit":%d,"duration":60000,"autoApply":false}]`

	workspace := w.newWorkspace("other")
	run("workspaces.updateWorkspace", `{"workspaceId":%q,"name":"another"}`, workspace)
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}}).RootKeyID
	run("rootKeys.updateRootKey", `{"rootKeyId":%q,"name":"another"}`, root)
	run("rootKeys.rerollKey", `{"keyId":%q,"expiration":0}`, root)
	run("rootKeys.deleteRootKey", `{"rootKeyId":%q}`, root)
	if _, _, err := ResetOperator(t.Context(), w.db, true); err != nil {
		t.Fatal(err)
	}

	api := w.newAPI()
	run("apis.updateApi", `{"apiId":%q,"defaultPrefix":"app"}`, api)
	run("apis.updateApi", `{"apiId":%q,"storeEncryptedKeys":true}`, api)
	sealed := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
	run("keys.getKey", `{"keyId":%q,"decrypt":true}`, sealed.KeyID)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api, Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](0),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 5},
	}})
	run("keys.updateKey", `{"keyId":%q,`+limits+`}`, key.KeyID, 5)
	run("keys.updateKey", `{"keyId":%q,`+limits+`}`, key.KeyID, 6)
	run("keys.updateKey", `{"keyId":%q,"ratelimits":[]}`, key.KeyID)
	run("keys.updateCredits", `{"keyId":%q,"operation":"increment","value":1}`, key.KeyID)
	w.advance(24 * time.Hour)
	w.verify(key.Key)
	run("keys.rerollKey", `{"keyId":%q,"expiration":0}`, key.KeyID)

	run("permissions.createPermission", `{"name":"Read","slug":"docs.read"}`)
	run("permissions.updatePermission", `{"permission":"docs.read","name":"Reading"}`)
	run("permissions.createRole", `{"name":"reader","permissions":["docs.read"]}`)
	run("permissions.updateRole", `{"role":"reader","description":"reads"}`)
	run("keys.addPermissions", `{"keyId":%q,"permissions":["docs.read"]}`, key.KeyID)
	run("keys.removePermissions", `{"keyId":%q,"permissions":["docs.read"]}`, key.KeyID)
	run("keys.addRoles", `{"keyId":%q,"roles":["reader"]}`, key.KeyID)
	run("keys.removeRoles", `{"keyId":%q,"roles":["reader"]}`, key.KeyID)
	run("permissions.setRolePermissions", `{"roleId":%q,"permissions":[]}`, w.role("reader").ID)
	run("permissions.deleteRole", `{"role":"reader"}`)
	run("permissions.deletePermission", `{"permission":"docs.read"}`)

	run("identities.createIdentity", `{"externalId":"user_1",`+limits+`}`, 5)
	run("identities.updateIdentity", `{"identity":"user_1","meta":{"plan":"pro"}}`)
	run("identities.deleteIdentity", `{"identity":"user_1"}`)

	w.limit(w.who, ask("emails", "u", 5))
	run("ratelimit.updateNamespace", `{"namespace":"emails","whenDegraded":"refuse"}`)
	run("ratelimit.setOverride",
		`{"namespace":"emails","identifier":"u","limit":1,"duration":60000}`)
	run("ratelimit.deleteOverride", `{"namespace":"emails","identifier":"u"}`)
	run("ratelimit.deleteNamespace", `{"namespace":"emails"}`)

	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigratePrefixedAPIKey}).MigrationID
	sum := sha256.Sum256([]byte("long"))
	run("keys.migrateKeys", `{"migrationId":%q,"apiId":%q,"keys":[{"hash":%q}]}`,
		migration, api, hex.EncodeToString(sum[:]))
	run("keys.verifyKey", `{"key":"app_short_long","migrationId":%q}`, migration)

	run("keys.exportKeys", `{"apiId":%q}`, api)
	portal := w.newPortal(api, "a-portal")
	run("portal.updatePortal", `{"portal":%q,"displayName":"Other"}`, portal)
	w.newSession(w.who, portal, "user_2")
	run("portal.revokeSession", `{"portal":%q,"externalId":"user_2"}`, portal)

	budget := w.prepaid("tokens", 5)
	run("budgets.updateBudget", `{"budget":%q,"unit":"tokens"}`, budget)
	run("budgets.attach", `{"budget":%q,"keyId":%q}`, budget, key.KeyID)
	run("budgets.detach", `{"budget":%q,"keyId":%q}`, budget, key.KeyID)
	run("budgets.attach", `{"budget":%q,"externalId":"user_3"}`, budget)
	run("budgets.deleteBudget", `{"budget":%q}`, budget)

	hook := w.newWebhook(w.who, "https://hooks.invalid/", latchkey.EventKeyCreated)
	run("webhooks.updateWebhook", `{"webhookId":%q,"expiringDays":3}`, hook)
	run("webhooks.rotateSecret", `{"webhookId":%q}`, hook)
	delivery := must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
		latchkey.SendTestWebhookRequest{WebhookID: hook}).DeliveryID
	run("webhooks.resendDelivery", `{"webhookId":%q,"deliveryId":%q}`, hook, delivery)
	w.disableWebhook(hook)
	run("webhooks.deleteWebhook", `{"webhookId":%q}`, hook)

	run("keys.deleteKey", `{"keyId":%q}`, key.KeyID)
	run("keys.restoreKey", `{"keyId":%q}`, key.KeyID)
	run("apis.deleteApi", `{"apiId":%q}`, api)

	logs := append(w.auditLogs(w.who.WorkspaceID()), w.auditLogs(workspace)...)
	run("workspaces.deleteWorkspace", `{"workspaceId":%q}`, workspace)
	logs = append(logs, w.auditLogs(w.who.WorkspaceID())...)
	seen := map[event]bool{}
	for _, log := range logs {
		what, ok := eventOf(log)
		if !ok {
			t.Errorf("not in the table: %s %q %+v", log.Event, log.Description, log.Targets)
		}
		seen[what] = true
	}
	for what, e := range auditEvents {
		if !seen[event(what)] {
			t.Errorf("no record says %s: %s", e.name, e.when)
		}
	}
}
