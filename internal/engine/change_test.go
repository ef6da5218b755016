package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// TestIdempotencyKeyIsForOneOperation: two operations with the same request
// body are two requests, so the second is refused and changes nothing.
func TestIdempotencyKeyIsForOneOperation(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	who := w.who
	who.IdempotencyKey = "attempt-1"
	slugs := []string{"docs.read"}
	must[[]latchkey.Permission](w, who, "keys.addPermissions",
		latchkey.AddPermissionsRequest{KeyID: key.KeyID, Permissions: slugs})
	w.refused(who, "keys.removePermissions",
		latchkey.RemovePermissionsRequest{KeyID: key.KeyID, Permissions: slugs}, 409,
		"idempotency_key_reused")
	got := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: key.KeyID})
	if diff := cmp.Diff(slugs, got.Permissions); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestChangeWithoutAuditRecordIsRolledBack: a change whose audit record can't
// be written fails and changes nothing.
func TestChangeWithoutAuditRecordIsRolledBack(t *testing.T) {
	w := newWorld(t)
	create := latchkey.CreateAPIRequest{Name: "unaudited"}
	w.exec("ALTER TABLE audit_logs RENAME TO elsewhere")
	w.refused(w.who, "apis.createApi", create, 500, "unexpected_error")
	w.exec("ALTER TABLE elsewhere RENAME TO audit_logs")
	list := func() []latchkey.APISettings {
		return must[[]latchkey.APISettings](w, w.who, "apis.listApis", latchkey.ListAPIsRequest{})
	}
	if apis := list(); len(apis) != 0 {
		t.Errorf("there is %+v", apis)
	}
	w.wantEvents(w.who.WorkspaceID())
	must[latchkey.CreatedAPI](w, w.who, "apis.createApi", create)
	if apis := list(); len(apis) != 1 {
		t.Errorf("%d APIs once the log can be written, want 1", len(apis))
	}
	w.wantEvents(w.who.WorkspaceID(), "api.create")
}
