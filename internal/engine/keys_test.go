package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// ofEveryKind makes n keys of an API that hold all sorts of things, every third
// one for the same identity.
func (w *world) ofEveryKind(api string, n int) {
	w.t.Helper()
	limit := func(name string) []latchkey.RatelimitRequest {
		return []latchkey.RatelimitRequest{{Name: name, Limit: 5, Duration: latchkey.Per(time.Minute)}}
	}
	must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity", latchkey.CreateIdentityRequest{ExternalID: "shared", Ratelimits: limit("ours")})
	for _, role := range []string{"reader", "writer"} {
		must[latchkey.CreatedRole](w, w.who, "permissions.createRole", latchkey.CreateRoleRequest{Name: role, Permissions: []string{"docs." + role, "docs.list"}})
	}
	for i := range n {
		r := latchkey.CreateKeyRequest{APIID: api, Name: fmt.Sprintf("the key %d", i)}
		switch i % 6 {
		case 1:
			r.Permissions = []string{"files.read", "docs.list"}
		case 2:
			r.Roles, r.Permissions = []string{"writer", "reader"}, []string{"files.write"}
		case 3:
			r.Ratelimits = limit("mine")
		}
		if i%3 == 0 {
			r.ExternalID = "shared"
		}
		w.newKey(r)
	}
}

// TestAPageSaysOfEachKeyWhatGetKeySays: what the keys of a page hold is read
// with one query and must be what is read of each of them alone, whatever the
// other keys and APIs hold.
func TestAPageSaysOfEachKeyWhatGetKeySays(t *testing.T) {
	w := newWorld(t)
	api, other := w.newAPI(), w.newAPI()
	w.ofEveryKind(api, 30)
	w.newKey(latchkey.CreateKeyRequest{APIID: other, ExternalID: "shared", Permissions: []string{"files.read"}})
	for externalID, want := range map[string]int{"": 30, "shared": 10, "nobody": 0} {
		request, seen := latchkey.ListKeysRequest{APIID: api, ExternalID: externalID, Limit: 7}, 0
		for more := true; more; {
			page, err := w.ListKeys(t.Context(), w.who, &request)
			if err != nil {
				t.Fatal(err)
			}
			for _, listed := range page.Data {
				alone := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: listed.KeyID})
				if diff := cmp.Diff(alone, listed, cmpopts.EquateComparable(latchkey.Duration{})); diff != "" {
					t.Errorf("%s (-alone +listed):\n%s", listed.KeyID, diff)
				}
			}
			seen += len(page.Data)
			request.Cursor, more = page.Pagination.Cursor, page.Pagination.HasMore
		}
		if seen != want {
			t.Errorf("%d keys of %q, want %d", seen, externalID, want)
		}
	}
}

// recoverableAPI creates an API that keeps recoverable keys.
func (w *world) recoverableAPI() string {
	w.t.Helper()
	api := w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, StoreEncryptedKeys: latchkey.Set(true),
	})
	return api
}

// tablesWith returns the tables that have an id as the value of a text column,
// in order.
func (w *world) tablesWith(id string) []string {
	w.t.Helper()
	db := w.raw()
	defer db.Close()
	catalog := `SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND c.type = 'TEXT'`
	if w.db.Shared() {
		catalog = `SELECT table_name, column_name FROM information_schema.columns
			WHERE table_schema = current_schema() AND data_type = 'text'`
	}
	columns, err := db.QueryContext(w.t.Context(), catalog)
	if err != nil {
		w.t.Fatal(err)
	}
	defer columns.Close()
	var found []string
	for columns.Next() {
		var table, column string
		var there bool
		err := columns.Scan(&table, &column)
		if err == nil {
			err = db.QueryRowContext(w.t.Context(),
				"SELECT COUNT(*) > 0 FROM "+table+" WHERE "+column+" = $1", id).Scan(&there)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if there {
			found = append(found, table)
		}
	}
	if err := columns.Err(); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestPermanentDeletionLeavesNoRow: neither the sealed secret of a key nor
// anything else of it stays. All tables are searched, whatever their names.
func TestPermanentDeletionLeavesNoRow(t *testing.T) {
	w := newWorld(t)
	w.newRole(latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"docs.read"}})
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: w.recoverableAPI(), Recoverable: true, ExternalID: "user_1",
		Roles: []string{"reader"}, Permissions: []string{"docs.list"},
		Ratelimits: []latchkey.RatelimitRequest{
			{Name: "requests", Limit: 5, Duration: latchkey.Per(time.Minute)},
		},
	})
	want := []string{"key_permissions", "key_roles", "keys", "limits", "sealed_keys"}
	if diff := cmp.Diff(want, w.tablesWith(key.KeyID)); diff != "" {
		t.Fatalf("before the deletion (-want +got):\n%s", diff)
	}
	must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{
		KeyID: key.KeyID, Permanent: true,
	})
	if left := w.tablesWith(key.KeyID); left != nil {
		t.Errorf("rows are left in %v", left)
	}
}

// plaintextOf returns what keys.getKey shows of a recoverable key, or the status
// of the error.
func (w *world) plaintextOf(who Caller, id string) (text string, status int) {
	w.t.Helper()
	answer, err := w.do(who, "keys.getKey", latchkey.GetKeyRequest{KeyID: id, Decrypt: true})
	var refused *latchkey.Error
	if errors.As(err, &refused) {
		return "", refused.Status
	}
	return answer.Data.(latchkey.Key).Plaintext, 200
}

// TestSealedKeyOpensOnlyInItsRow: whoever can write to the database still can't
// have the secret of one key shown as that of another key or workspace.
func TestSealedKeyOpensOnlyInItsRow(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	var keys [2]latchkey.CreatedKey
	var sealed [2][]byte
	for i := range keys {
		keys[i] = w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
		if text, _ := w.plaintextOf(w.who, keys[i].KeyID); text != keys[i].Key {
			t.Fatalf("key %d isn't shown", i)
		}
		var err error
		if sealed[i], err = w.db.SealedKey(t.Context(), keys[i].KeyID); err != nil {
			t.Fatal(err)
		}
	}
	place := func(key int, value []byte) {
		t.Helper()
		err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			if err := tx.DeleteSealedKey(ctx, keys[key].KeyID); err != nil {
				return err
			}
			return tx.InsertSealedKey(ctx, keys[key].KeyID, value)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, k := range keys {
		place(i, sealed[1-i])
		if text, status := w.plaintextOf(w.who, k.KeyID); status != 500 || text != "" {
			t.Errorf("with the value of the other row: status %d, %d characters", status, len(text))
		}
		place(i, sealed[i])
	}
	other := w.otherWorkspace()
	for _, table := range []string{"keys", "apis"} {
		w.exec("UPDATE "+table+" SET workspace_id = $1", other.WorkspaceID())
	}
	if text, status := w.plaintextOf(other, keys[0].KeyID); status != 500 || text != "" {
		t.Errorf("in another workspace: status %d, %d characters", status, len(text))
	}
}
