package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// ofEveryKind makes n keys of an API that hold all sorts of things, every third
// one for the same identity.
func (w *world) ofEveryKind(api string, n int) {
	w.t.Helper()
	limit := func(name string) []latchkey.RatelimitRequest {
		return []latchkey.RatelimitRequest{
			{
				Name: name, Limit: 5, Duration: latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(false),
			},
		}
	}
	must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
		latchkey.CreateIdentityRequest{ExternalID: "shared", Ratelimits: limit("ours")})
	for _, role := range []string{"reader", "writer"} {
		must[latchkey.CreatedRole](w, w.who, "permissions.createRole", latchkey.CreateRoleRequest{
			Name: role, Permissions: []string{"docs." + role, "docs.list"},
		})
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

// TestListKeysAndGetKeyReturnTheSame: the grants of a page of keys are read
// with one query and must equal those of each key alone, whatever other keys
// and APIs have.
func TestListKeysAndGetKeyReturnTheSame(t *testing.T) {
	w := newWorld(t)
	api, other := w.newAPI(), w.newAPI()
	w.ofEveryKind(api, 30)
	w.newKey(latchkey.CreateKeyRequest{
		APIID: other, ExternalID: "shared", Permissions: []string{"files.read"},
	})
	for externalID, want := range map[string]int{"": 30, "shared": 10, "nobody": 0} {
		request, seen := latchkey.ListKeysRequest{APIID: api, ExternalID: externalID, Limit: 7}, 0
		for more := true; more; {
			page, err := w.ListKeys(t.Context(), w.who.calling("apis.listKeys"), &request)
			if err != nil {
				t.Fatal(err)
			}
			for _, listed := range page.Data {
				alone := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{
					KeyID: listed.KeyID,
				})
				if diff := cmp.Diff(
					alone, listed, cmpopts.EquateComparable(latchkey.Duration{}),
				); diff != "" {
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

// TestPermanentDeletionDeletesEveryRow: neither the sealed secret of a key nor
// anything else of it stays. All tables are searched, whatever their names.
func TestPermanentDeletionDeletesEveryRow(t *testing.T) {
	w := newWorld(t)
	w.newRole(latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"docs.read"}})
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: w.recoverableAPI(), Recoverable: true, ExternalID: "user_1",
		Roles: []string{"reader"}, Permissions: []string{"docs.list"},
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 5, Duration: latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(true),
			},
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

// TestEncryptedKeyDecryptsOnlyInItsRow: whoever can write to the database still can't
// have the secret of one key shown as that of another key or workspace.
func TestEncryptedKeyDecryptsOnlyInItsRow(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	var keys [2]latchkey.CreatedKey
	var sealed [2]read.SealedKeyRow
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
	place := func(key int, value read.SealedKeyRow) {
		t.Helper()
		err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			if err := tx.DeleteSealedKey(ctx, keys[key].KeyID); err != nil {
				return err
			}
			return tx.InsertSealedKey(ctx, keys[key].KeyID, value.Sealed, value.DataKey)
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

// withEveryField is a request for a key that sets every field, to something else
// than its default.
func (w *world) withEveryField() latchkey.CreateKeyRequest {
	w.newRole(latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"docs.read"}})
	return latchkey.CreateKeyRequest{
		APIID: w.recoverableAPI(), Prefix: "my_app", Name: "mobile", ByteLength: 24,
		ExternalID: "user_1",
		Meta:       `{"plan":"pro"}`, Roles: []string{"reader"}, Permissions: []string{"docs.list"},
		Expires: latchkey.At(w.now().Add(30 * 24 * time.Hour)),
		Credits: &latchkey.Credits{
			Remaining: latchkey.Set[int64](7),
			Refill:    &latchkey.Refill{Interval: latchkey.Monthly, Amount: 9, RefillDay: 31},
		},
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 5, Duration: latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(true),
				Algorithm: latchkey.TokenBucket,
			},
		},
		Enabled: latchkey.Set(false), Recoverable: true,
	}
}

// notShown are the fields of a request for a key that keys.getKey shows under
// another name, or not at all. Of a key that is migrated or updated they are
// not asked for, but for the external id.
var notShown = []string{"APIID", "Prefix", "ByteLength", "ExternalID", "Recoverable"}

// wantNoZeroField checks that the fields of a struct all have a value, except some.
func wantNoZeroField(t *testing.T, of any, except ...string) {
	t.Helper()
	v := reflect.ValueOf(of)
	for field, value := range v.Fields() {
		if value.IsZero() && !slices.Contains(except, field.Name) {
			t.Errorf("%s.%s has no value: it got lost, or is new and this test must set it",
				v.Type(), field.Name)
		}
	}
}

// TestCreateRerollMigrateAndUpdateSetEveryField: keys.getKey returns every
// field that keys.createKey accepts, also of a key created by reroll or
// migration and of an updated one. A field that is missing in one of these
// places fails here.
func TestCreateRerollMigrateAndUpdateSetEveryField(t *testing.T) {
	w := newWorld(t)
	r := w.withEveryField()
	wantNoZeroField(t, r)
	show := func(id string) latchkey.Key {
		t.Helper()
		return must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{
			KeyID: id, Decrypt: true,
		})
	}
	made := w.newKey(r)
	want := show(made.KeyID)
	wantNoZeroField(t, want, "APIID", "Enabled", "Grants", "UpdatedAt", "LastUsedAt")
	for field := range reflect.TypeFor[latchkey.CreateKeyRequest]().Fields() {
		_, shown := reflect.TypeFor[latchkey.Key]().FieldByName(field.Name)
		if !shown && !slices.Contains(notShown, field.Name) {
			t.Errorf("keys.createKey accepts %s, which keys.getKey doesn't show", field.Name)
		}
	}
	if want.Enabled || want.Plaintext != made.Key || !strings.HasPrefix(want.Start, "my_app_") {
		t.Errorf("enabled %v, start %q", want.Enabled, want.Start)
	}
	same := func(t *testing.T, got latchkey.Key) {
		t.Helper()
		diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true }),
			cmpopts.IgnoreFields(latchkey.Key{}, "KeyID", "Start", "Plaintext", "UpdatedAt"),
			cmpopts.IgnoreFields(latchkey.Ratelimit{}, "ID"))
		if diff != "" {
			t.Errorf("(-created +got)\n%s", diff)
		}
	}

	t.Run("rerolled", func(t *testing.T) {
		w.used.note(&keySnapshot{id: made.KeyID}, w.Engine.now())
		if err := w.saveUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
			KeyID: made.KeyID,
		})
		again := must[latchkey.CreatedKey](w, w.who, "keys.rerollKey", latchkey.RerollKeyRequest{
			KeyID: made.KeyID, Expiration: latchkey.Set(latchkey.Per(time.Hour)),
		})
		got := show(again.KeyID)
		same(t, got)
		if got.Plaintext != again.Key || !strings.HasPrefix(got.Start, "my_app_") ||
			!got.UpdatedAt.IsZero() {
			t.Errorf("start %q, updated %v", got.Start, got.UpdatedAt)
		}
	})

	t.Run("migrated", func(t *testing.T) {
		k := latchkey.MigrateKey{Hash: hashText("a key of another system"), Start: "old_1234"}
		to := reflect.ValueOf(&k).Elem()
		for field, value := range reflect.ValueOf(r).Fields() {
			if f := to.FieldByName(field.Name); f.IsValid() {
				f.Set(value)
			} else if !slices.Contains(notShown, field.Name) {
				t.Errorf("keys.createKey accepts %s, keys.migrateKeys doesn't", field.Name)
			}
		}
		wantNoZeroField(t, k)
		migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
			latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256})
		done := must[latchkey.MigratedKeys](w, w.who, "keys.migrateKeys",
			latchkey.MigrateKeysRequest{
				MigrationID: migration.MigrationID, APIID: r.APIID, Keys: []latchkey.MigrateKey{k},
			})
		got := show(done.Migrated[0].KeyID)
		if same(t, got); got.Start != k.Start {
			t.Errorf("start %q", got.Start)
		}
	})

	t.Run("updated", func(t *testing.T) {
		bare := w.newKey(latchkey.CreateKeyRequest{APIID: r.APIID})
		u := latchkey.UpdateKeyRequest{
			KeyID: bare.KeyID, Name: latchkey.Set(r.Name), ExternalID: latchkey.Set(r.ExternalID),
			Meta: latchkey.Set(r.Meta), Expires: latchkey.Set(r.Expires), Enabled: r.Enabled,
			Credits: latchkey.Set(latchkey.UpdateKeyCredits{
				Remaining: r.Credits.Remaining, Refill: latchkey.Set(*r.Credits.Refill),
			}),
			Ratelimits: latchkey.Set(r.Ratelimits), Roles: latchkey.Set(r.Roles),
			Permissions: latchkey.Set(r.Permissions),
		}
		wantNoZeroField(t, u)
		for field := range reflect.TypeOf(r).Fields() {
			_, ok := reflect.TypeOf(u).FieldByName(field.Name)
			if !ok && !slices.Contains(notShown, field.Name) {
				t.Errorf("keys.createKey accepts %s, keys.updateKey doesn't", field.Name)
			}
		}
		must[latchkey.Empty](w, w.who, "keys.updateKey", u)
		same(t, show(bare.KeyID))
	})
}

// TestAKeyGetsPermissionsAndRolesAsTheyAreSpelled asks in another letter case.
func TestAKeyGetsPermissionsAndRolesAsTheyAreSpelled(t *testing.T) {
	w := newWorld(t)
	x := w.newThings()
	w.newPermission(latchkey.CreatePermissionRequest{Name: "w", Slug: "billing.write"})
	other := []string{"Billing.Write"}
	for operation, request := range map[string]object{
		"keys.createKey":      {"apiId": x.api, "permissions": other},
		"keys.updateKey":      {"keyId": x.key, "permissions": other},
		"keys.addPermissions": {"keyId": x.key, "permissions": other},
		"keys.setPermissions": {"keyId": x.key, "permissions": other},
		"keys.migrateKeys": {"apiId": x.api, "migrationId": x.migration,
			"keys": []object{{"hash": hashText("hash"), "permissions": other}}},
	} {
		refused := w.refusal(w.who, operation, request)
		if refused.Status != 400 || !strings.Contains(refused.Error(), `"billing.write"`) {
			t.Errorf("%s: %v", operation, refused)
		}
	}
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
		object{"name": "biller", "permissions": other})
	for operation, request := range map[string]object{
		"keys.createKey": {"apiId": x.api, "roles": []string{"Biller"}},
		"keys.updateKey": {"keyId": x.key, "roles": []string{"Biller"}},
	} {
		w.refused(w.who, operation, request, 404, "role_not_found")
	}
	must[[]latchkey.Role](w, w.who, "keys.addRoles",
		object{"keyId": x.key, "roles": []string{"Biller"}})
}

// TestADeletedKeyHasNoPlaintext deletes a recoverable key, marked or for good, and
// ends one by a reroll.
func TestADeletedKeyHasNoPlaintext(t *testing.T) {
	w := newWorld(t)
	api := w.recoverableAPI()
	for _, permanent := range []bool{true, false} {
		key := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
		must[latchkey.Empty](w, w.who, "keys.deleteKey",
			object{"keyId": key.KeyID, "permanent": permanent})
	}
	old := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
	w.reroll(old.KeyID, 0)
	if n := w.number("SELECT COUNT(*) FROM sealed_keys"); n != 1 {
		t.Errorf("%d plaintexts are kept, want that of the new key", n)
	}
}
