package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// event is a kind of change that the audit log records.
type event int

const (
	workspaceCreated event = iota
	workspaceUpdated
	workspaceDeleted
	rootKeyCreated
	rootKeyUpdated
	rootKeyRerolled
	rootKeyDeleted
	rootKeyReset
	apiCreated
	apiUpdated
	apiDeleted
	keyCreated
	keyUpdated
	keyCreditsUpdated
	keyRefilled
	keyRerolled
	keyMigrated
	keyDeleted
	keyRestored
	keyDecrypted
	keysExported
	keyPermissionConnected
	keyPermissionDisconnected
	keyRoleConnected
	keyRoleDisconnected
	identityCreated
	identityUpdated
	identityDeleted
	limitCreated
	limitUpdated
	limitDeleted
	permissionCreated
	permissionUpdated
	permissionDeleted
	roleCreated
	roleUpdated
	roleDeleted
	rolePermissionConnected
	rolePermissionDisconnected
	namespaceCreated
	namespaceUpdated
	namespaceDeleted
	overrideSet
	overrideDeleted
	migrationCreated
	portalCreated
	portalUpdated
	portalDeleted
	portalSessionCreated
	portalSessionExchanged
	portalSessionRevoked
	webhookCreated
	webhookUpdated
	webhookDeleted
	webhookRotated
	webhookTested
	webhookResent
	webhookDisabled
	budgetCreated
	budgetUpdated
	budgetDeleted
	budgetGranted
	budgetAttached
	budgetDetached
)

// events has all events of the audit log: the name of the event, its
// description, in which %[n]s is the id of the nth target, and the types of its
// targets, in order; one with a + can repeat. The names are Unkey's, whose log
// calls root keys keys too.
var auditEvents = [...]struct {
	name, when, targets string
}{
	workspaceCreated: {"workspace.create", "Created workspace %[1]s", "workspace"},
	workspaceUpdated: {"workspace.update", "Updated workspace %[1]s", "workspace"},
	workspaceDeleted: {"workspace.delete", "Deleted workspace %[1]s", "workspace"},

	rootKeyCreated:  {"key.create", "Created root key %[1]s", "rootKey"},
	rootKeyUpdated:  {"key.update", "Updated root key %[1]s", "rootKey"},
	rootKeyRerolled: {"key.reroll", "Made the root key %[1]s in place of %[2]s", "rootKey rootKey"},
	rootKeyDeleted:  {"key.delete", "Deleted root key %[1]s", "rootKey"},
	rootKeyReset:    {"root_key.reset", "Reset the operator's root key to %[1]s", "rootKey"},

	apiCreated: {"api.create", "Created API %[1]s", "api"},
	apiUpdated: {"api.update", "Updated API %[1]s", "api"},
	apiDeleted: {"api.delete", "Deleted API %[1]s", "api"},

	keyCreated:        {"key.create", "Created the key %[1]s", "key api"},
	keyUpdated:        {"key.update", "Changed the key %[1]s", "key api"},
	keyCreditsUpdated: {"key.update", "Changed the credits of %[1]s", "key api"},
	keyRefilled:       {"key.update", "Refilled the credits of %[1]s", "key"},
	keyRerolled:       {"key.reroll", "Made the key %[1]s in place of %[2]s", "key key api"},
	keyMigrated:       {"key.update", "Completed the migration of the key %[1]s", "key"},
	keyDeleted:        {"key.delete", "Deleted the key %[1]s", "key api"},
	keyRestored:       {"key.restore", "Restored the deleted key %[1]s", "key api"},
	keysExported:      {"key.export", "Exported keys of the API %[1]s", "api"},
	keyDecrypted:      {"key.decrypt", "Decrypted keys of the API %[1]s", "api key+"},

	keyPermissionConnected: {
		"authorization.connect_permission_and_key",
		"Connected permission %[2]s and key %[1]s", "key permission+",
	},
	keyPermissionDisconnected: {
		"authorization.disconnect_permission_and_key",
		"Disconnected permission %[2]s and key %[1]s", "key permission+",
	},
	keyRoleConnected: {
		"authorization.connect_role_and_key",
		"Connected role %[2]s and key %[1]s", "key role+",
	},
	keyRoleDisconnected: {
		"authorization.disconnect_role_and_key",
		"Disconnected role %[2]s and key %[1]s", "key role+",
	},

	identityCreated: {"identity.create", "Created identity %[1]s", "identity"},
	identityUpdated: {"identity.update", "Updated identity %[1]s", "identity"},
	identityDeleted: {"identity.delete", "Deleted identity %[1]s", "identity"},

	limitCreated: {"ratelimit.create", "Created rate limit %[1]s", "ratelimit key|identity"},
	limitUpdated: {"ratelimit.update", "Updated rate limit %[1]s", "ratelimit key|identity"},
	limitDeleted: {"ratelimit.delete", "Deleted rate limit %[1]s", "ratelimit key|identity"},

	permissionCreated: {"permission.create", "Created permission %[1]s", "permission+"},
	permissionUpdated: {"permission.update", "Updated permission %[1]s", "permission"},
	permissionDeleted: {"permission.delete", "Deleted permission %[1]s", "permission"},

	roleCreated: {"role.create", "Created role %[1]s", "role"},
	roleUpdated: {"role.update", "Updated role %[1]s", "role"},
	roleDeleted: {"role.delete", "Deleted role %[1]s", "role"},
	rolePermissionConnected: {
		"authorization.connect_role_and_permission",
		"Connected role %[1]s and permission %[2]s", "role permission+",
	},
	rolePermissionDisconnected: {
		"authorization.disconnect_role_and_permissions",
		"Disconnected role %[1]s and permission %[2]s", "role permission+",
	},

	namespaceCreated: {"ratelimitNamespace.create", "Created namespace %[1]s",
		"ratelimitNamespace"},
	namespaceUpdated: {"ratelimitNamespace.update", "Updated namespace %[1]s",
		"ratelimitNamespace"},
	namespaceDeleted: {"ratelimitNamespace.delete", "Deleted namespace %[1]s",
		"ratelimitNamespace"},
	overrideSet: {
		"ratelimit.set_override", "Set override %[1]s", "ratelimitOverride ratelimitNamespace",
	},
	overrideDeleted: {
		"ratelimit.delete_override", "Deleted override %[1]s",
		"ratelimitOverride ratelimitNamespace",
	},

	migrationCreated: {"migration.create", "Created migration %[1]s", "migration"},

	portalCreated: {"portal.create", "Created portal %[1]s", "portal api"},
	portalUpdated: {"portal.update", "Updated portal %[1]s", "portal"},
	portalDeleted: {"portal.delete", "Deleted portal %[1]s", "portal"},
	portalSessionCreated: {"portal.session.create",
		"Created session %[1]s in portal %[2]s", "portalSession portal"},
	portalSessionExchanged: {"portal.session.exchange",
		"Exchanged the code of session %[1]s", "portalSession"},
	portalSessionRevoked: {"portal.session.revoke",
		"Revoked session %[1]s in portal %[2]s", "portalSession portal"},

	webhookCreated: {"webhook.create", "Created webhook %[1]s", "webhook"},
	webhookUpdated: {"webhook.update", "Updated webhook %[1]s", "webhook"},
	webhookDeleted: {"webhook.delete", "Deleted webhook %[1]s", "webhook"},
	webhookRotated: {"webhook.rotate_secret", "Replaced the secret of webhook %[1]s", "webhook"},
	webhookTested:  {"webhook.test", "Sent a test event to webhook %[1]s", "webhook"},
	webhookResent: {"webhook.resend", "Sent event %[2]s to webhook %[1]s again",
		"webhook webhookDelivery"},
	webhookDisabled: {"webhook.disable", "Disabled webhook %[1]s", "webhook"},
	budgetCreated:   {"budget.create", "Created budget %[1]s", "budget"},
	budgetUpdated:   {"budget.update", "Changed budget %[1]s", "budget"},
	budgetDeleted:   {"budget.delete", "Deleted budget %[1]s", "budget"},
	budgetGranted:   {"budget.grant", "Changed the balance of budget %[1]s", "budget"},
	budgetAttached:  {"budget.attach", "Attached budget %[1]s to %[2]s", "budget key|identity"},
	budgetDetached:  {"budget.detach", "Detached budget %[1]s from %[2]s", "budget key|identity"},
}

// audit adds a record to the audit records of the change, which are written
// before its commit, and returns it. The targets are those of the table of
// events.
func (c *Change) audit(what event, targets ...latchkey.AuditTarget) *write.InsertAuditLogParams {
	ids := make([]any, len(targets))
	for i, t := range targets {
		ids[i] = t.ID
	}
	c.audits = append(c.audits, write.InsertAuditLogParams{
		ID: NewID("log"), WorkspaceID: c.who.root.workspace, Time: c.now,
		Event: auditEvents[what].name, Description: fmt.Sprintf(auditEvents[what].when, ids...),
		Targets:   string(mustJSON(targets)),
		ActorType: c.who.root.actorType(), ActorID: c.who.root.id,
		ActorName:     clip(c.who.root.name, maxAuditName),
		RemoteIP:      clip(clean(c.who.RemoteIP), maxAuditName),
		UserAgent:     clip(clean(c.who.UserAgent), maxUserAgent),
		CorrelationID: c.correlation,
	})
	return &c.audits[len(c.audits)-1]
}

// maxUserAgent and maxAuditName are how many bytes of a user agent and of a name an audit
// record keeps. One request can write thousands of records, and each repeats them.
const (
	maxUserAgent = 256
	maxAuditName = 128
)

// maxTargets is how many things an audit record names, so that a page of the log stays
// within its bytes.
const maxTargets = 100

// auditAll is audit for the same change of many things of one owner, if they have one. It
// adds few records, which name all of them: a record of each would take half of the time
// of a change that grants many permissions.
func (c *Change) auditAll(
	what event, things []latchkey.AuditTarget, owner ...latchkey.AuditTarget,
) {
	for some := range slices.Chunk(things, maxTargets) {
		record := c.audit(what, slices.Concat(owner, some)...)
		if more := len(some) - 1; more > 0 {
			record.Description += fmt.Sprintf(", and %d more", more)
		}
	}
}

// auditUpdate is audit for an update from one form of a thing to another: see [changesText].
func (c *Change) auditUpdate(
	what event, before, after any, targets ...latchkey.AuditTarget,
) *write.InsertAuditLogParams {
	record := c.audit(what, targets...)
	record.Changes = changesText(before, after)
	return record
}

// auditIn is audit for something in another workspace than the caller's, which has
// a record of it too.
func (c *Change) auditIn(workspace string, what event, targets ...latchkey.AuditTarget) {
	c.alsoIn(workspace, c.audit(what, targets...))
}

// alsoIn adds a record to the log of another workspace than the caller's too.
func (c *Change) alsoIn(workspace string, made *write.InsertAuditLogParams) {
	record := *made
	if record.WorkspaceID == workspace {
		return
	}
	record.ID, record.WorkspaceID = NewID("log"), workspace
	c.audits = append(c.audits, record)
}

// target returns the target of an audit record. The id says what it is; a long name is cut.
func target(kind, id, name string) latchkey.AuditTarget {
	return latchkey.AuditTarget{Type: kind, ID: id, Name: clip(name, maxAuditName)}
}

// clip returns the longest beginning of a text that has at most that many bytes and
// doesn't end within a character.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// clean returns unchecked text of a request in a form that every database can
// store.
func clean(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

// writeAuditRecords writes the audit records of a change, in their order.
func (e *Engine) writeAuditRecords(ctx context.Context, c *Change) error {
	for i := range c.audits {
		c.audits[i].Seq = c.tx.NextAudit(c.now)
	}
	if err := c.tx.InsertAuditLogs(ctx, c.audits); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}
