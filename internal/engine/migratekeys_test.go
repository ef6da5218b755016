package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// TestMigratedKeyVerifiesOnlyWithItsMigration: another migration of the workspace
// neither finds the key nor completes its migration.
func TestMigratedKeyVerifiesOnlyWithItsMigration(t *testing.T) {
	w := newWorld(t)
	migrate := func() string {
		return must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
			latchkey.CreateMigrationRequest{Algorithm: latchkey.MigratePrefixedAPIKey}).MigrationID
	}
	own, another := migrate(), migrate()
	sum := sha256.Sum256([]byte("long"))
	must[latchkey.MigratedKeys](w, w.who, "keys.migrateKeys", latchkey.MigrateKeysRequest{
		MigrationID: own, APIID: w.newAPI(),
		Keys: []latchkey.MigrateKey{{Hash: hex.EncodeToString(sum[:])}},
	})
	for _, step := range []struct {
		migration string
		want      latchkey.Code
	}{
		{another, latchkey.NotFound}, {"", latchkey.NotFound}, {own, latchkey.Valid},
		{"", latchkey.Valid},
	} {
		v := must[latchkey.Verification](w, w.who, "keys.verifyKey",
			latchkey.VerifyKeyRequest{Key: "acme_short_long", MigrationID: step.migration})
		if v.Code != step.want {
			t.Errorf("with the migration %q: %s, want %s", step.migration, v.Code, step.want)
		}
	}
}

// leavesAfter is the context of a caller that leaves after it was asked for n times.
type leavesAfter struct {
	context.Context
	left atomic.Int64
}

func (c *leavesAfter) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestAnImportThatStopsHalfwayContinues: a repeated request with the same Idempotency-Key
// imports what the first one didn't, and its response is about all keys. So is that of
// any later one. Another request can't use the key.
func TestAnImportThatStopsHalfwayContinues(t *testing.T) {
	w := newWorld(t)
	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	r := latchkey.MigrateKeysRequest{MigrationID: migration, APIID: w.newAPI()}
	for i := range 401 {
		r.Keys = append(r.Keys, latchkey.MigrateKey{
			Hash: hashText(fmt.Sprint(i % 400)), Name: fmt.Sprint(i), // the last hash repeats
			Permissions: []string{fmt.Sprint("shared.", i%7)}, Roles: []string{"role"},
		})
	}
	imported := func() int { return w.number("SELECT COUNT(*) FROM keys") }
	who := w.who.calling("keys.migrateKeys")
	who.IdempotencyKey = "import"
	op, _ := Lookup("keys.migrateKeys")
	hurried := &leavesAfter{Context: t.Context()}
	hurried.left.Store(2000)
	if _, err := w.run(hurried, op, &who, &r); err == nil {
		t.Fatal("the import didn't stop")
	}
	if n := imported(); n == 0 || n >= 400 {
		t.Fatalf("%d of 400 keys were imported before the import stopped, want some", n)
	}
	done := must[latchkey.MigratedKeys](w, who, "keys.migrateKeys", r)
	if len(done.Migrated) != 400 || len(done.Failed) > 0 || imported() != 400 {
		t.Errorf("%d migrated, %d failed, %d are there", len(done.Migrated), len(done.Failed), imported())
	}
	for i, k := range done.Migrated {
		if k.Hash != r.Keys[i].Hash {
			t.Fatalf("key %d is reported as %s, want %s", i, k.Hash, r.Keys[i].Hash)
		}
	}
	again := must[latchkey.MigratedKeys](w, who, "keys.migrateKeys", r)
	if diff := cmp.Diff(done, again); diff != "" {
		t.Error(diff)
	}
	without := who
	without.IdempotencyKey = ""
	if all := must[latchkey.MigratedKeys](w, without, "keys.migrateKeys", r); len(all.Failed) != 400 {
		t.Errorf("without the Idempotency-Key %d failed, want 400", len(all.Failed))
	}
	r.Keys = r.Keys[:1]
	w.refused(who, "keys.migrateKeys", r, 409, "idempotency_key_reused")
}

// TestAnImportWithABadKeyImportsNothing: keys are checked before the first one is imported.
func TestAnImportWithABadKeyImportsNothing(t *testing.T) {
	w := newWorld(t)
	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	r := latchkey.MigrateKeysRequest{MigrationID: migration, APIID: w.newAPI()}
	for i := range 300 {
		r.Keys = append(r.Keys, latchkey.MigrateKey{Hash: hashText(fmt.Sprint(i))})
	}
	r.Keys[299].Credits = &latchkey.Credits{
		Remaining: latchkey.Set(int64(1)),
		Refill:    &latchkey.Refill{Interval: latchkey.Monthly, Amount: 1}, // without its day
	}
	w.refused(w.who, "keys.migrateKeys", r, 400, "invalid_input")
	if n := w.number("SELECT COUNT(*) FROM keys"); n > 0 {
		t.Errorf("%d keys were imported", n)
	}
}

// TestAHashBelongsToAWorkspace: two workspaces import the same hash, and each verifies,
// reads, rerolls and deletes its own key. Whoever imports first doesn't keep the other out.
func TestAHashBelongsToAWorkspace(t *testing.T) {
	w := newWorld(t)
	one, other := w.who, w.otherWorkspace()
	const secret = "sk_legacy_customer_1"
	ids := map[string]string{}
	for _, who := range []Caller{one, other} {
		api := must[latchkey.CreatedAPI](w, who, "apis.createApi",
			latchkey.CreateAPIRequest{Name: "legacy"}).APIID
		migration := must[latchkey.CreatedMigration](w, who, "migrations.createMigration",
			latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
		// unknown, and cached as such
		if v := w.verifyAs(who, secret); v.Code != latchkey.NotFound {
			t.Fatalf("before the import: %s", v.Code)
		}
		r := latchkey.MigrateKeysRequest{
			MigrationID: migration, APIID: api,
			Keys: []latchkey.MigrateKey{{Hash: hashText(secret)}},
		}
		done := must[latchkey.MigratedKeys](w, who, "keys.migrateKeys", r)
		if len(done.Migrated) != 1 || len(done.Failed) > 0 {
			t.Fatalf("the import: %+v", done)
		}
		ids[who.root.workspace] = done.Migrated[0].KeyID
		if again := must[latchkey.MigratedKeys](w, who, "keys.migrateKeys", r); len(again.Failed) != 1 {
			t.Errorf("imported again: %+v", again)
		}
	}
	for range 3 { // from the database, then from memory
		for _, who := range []Caller{one, other} {
			want := ids[who.root.workspace]
			if v := w.verifyAs(who, secret); !v.Valid || v.KeyID != want {
				t.Errorf("verified: %s %s, want %s", v.Code, v.KeyID, want)
			}
			k := must[latchkey.Key](w, who, "keys.whoami", latchkey.WhoamiRequest{Key: secret})
			if k.KeyID != want {
				t.Errorf("whoami: %s, want %s", k.KeyID, want)
			}
		}
	}
	must[latchkey.CreatedKey](w, one, "keys.rerollKey", latchkey.RerollKeyRequest{
		KeyID: ids[one.root.workspace], Expiration: latchkey.Set(latchkey.PerMilli(0)),
	})
	if a, b := w.verifyAs(one, secret), w.verifyAs(other, secret); a.Code != latchkey.Expired ||
		!b.Valid {
		t.Errorf("after the reroll: %s and %s", a.Code, b.Code)
	}
	must[latchkey.Empty](w, other, "keys.deleteKey", latchkey.DeleteKeyRequest{
		KeyID: ids[other.root.workspace], Permanent: true,
	})
	if a, b := w.verifyAs(one, secret), w.verifyAs(other, secret); a.Code != latchkey.Expired ||
		b.Code != latchkey.NotFound {
		t.Errorf("after the deletion: %s and %s", a.Code, b.Code)
	}
}

func (w *world) verifyAs(who Caller, key string) latchkey.Verification {
	w.t.Helper()
	return must[latchkey.Verification](w, who, "keys.verifyKey",
		latchkey.VerifyKeyRequest{Key: key})
}
