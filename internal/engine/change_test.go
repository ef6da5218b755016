package engine

import (
	"fmt"
	"strings"
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

// TestASavedSecretEndsWithItsKey deletes keys whose secrets are in saved responses.
func TestASavedSecretEndsWithItsKey(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	old := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	for i, c := range []struct {
		operation string
		request   object
		delete    func(response any) (string, object)
	}{
		{"keys.createKey", object{"apiId": api}, func(r any) (string, object) {
			return "keys.deleteKey", object{"keyId": r.(latchkey.CreatedKey).KeyID}
		}},
		{"keys.createKey", object{"apiId": api}, func(r any) (string, object) {
			return "keys.deleteKey", object{
				"keyId": r.(latchkey.CreatedKey).KeyID, "permanent": true,
			}
		}},
		{"keys.rerollKey", object{"keyId": old.KeyID, "expiration": 0},
			func(r any) (string, object) {
				return "keys.deleteKey", object{"keyId": r.(latchkey.CreatedKey).KeyID}
			}},
		{"rootKeys.createRootKey", object{"permissions": []string{}},
			func(r any) (string, object) {
				return "rootKeys.deleteRootKey", object{
					"rootKeyId": r.(latchkey.CreatedRootKey).RootKeyID,
				}
			}},
	} {
		who := w.who
		who.IdempotencyKey = fmt.Sprint("request ", i)
		send := func() any {
			response, err := w.do(who, c.operation, c.request)
			if err != nil {
				t.Fatal(err)
			}
			return response.Data
		}
		first := send()
		if again := send(); again != first {
			t.Errorf("%s: not the saved response: %v", c.operation, again)
		}
		operation, request := c.delete(first)
		must[latchkey.Empty](w, w.who, operation, request)
		if n := w.number("SELECT COUNT(*) FROM answers"); n != 0 {
			t.Errorf("%s: %d responses are kept", c.operation, n)
		}
		if again := send(); again == first {
			t.Errorf("%s: the secret of a deleted key is given out", c.operation)
		}
		w.exec("DELETE FROM answers")
	}
}

// TestTheMasterKeyOpensNoSavedResponse has all that a back-up and the master key have.
func TestTheMasterKeyOpensNoSavedResponse(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "request"
	made := must[latchkey.CreatedKey](w, who, "keys.createKey", object{"apiId": w.newAPI()})
	var sealed []byte
	err := w.raw().QueryRow("SELECT answer FROM answers").Scan(&sealed)
	if err != nil {
		t.Fatal(err)
	}
	key := w.recordsKey.Load().wrapped
	opened, err := w.vault.UnsealFor(who.token, key, sealed, who.root.id, "request")
	if err != nil || !strings.Contains(string(opened), made.Key) {
		t.Fatalf("with the root key: %s, %v", opened, err)
	}
	for _, secret := range []string{"", who.root.id, hashText(who.token)} {
		opened, err := w.vault.UnsealFor(secret, key, sealed, who.root.id, "request")
		if err == nil {
			t.Errorf("with %q: %s", secret, opened)
		}
	}
	if opened, err := w.vault.Unseal(key, sealed, who.root.id, "request"); err == nil {
		t.Errorf("with the data key: %s", opened)
	}
}
