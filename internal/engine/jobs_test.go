package engine

import (
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func TestIdempotencyRecordsAreKeptForADay(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "again"
	for _, step := range []struct {
		after time.Duration
		want  int64
	}{{0, 8}, {24 * time.Hour, 8}, {time.Millisecond, 8}} {
		w.advance(step.after)
		if err := w.dropIdempotencyRecords(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := w.limit(who, ask("api", "u", 9))
		fresh := got.Reset.After(w.now())
		if got.Remaining != step.want || fresh != (step.after != 24*time.Hour) {
			t.Errorf("after %v: %+v, counted now: %v", step.after, got, fresh)
		}
	}
}

// TestDeletedKeysArePurged after the retention and not before, with all their rows, also with
// their workspace. Then their hashes can be imported again, though they are cached as deleted.
func TestDeletedKeysArePurged(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	const secret = "sk_old"
	importKey := func(who Caller, api string) latchkey.MigratedKeys {
		migration := must[latchkey.CreatedMigration](w, who, "migrations.createMigration",
			latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
		return must[latchkey.MigratedKeys](w, who, "keys.migrateKeys", latchkey.MigrateKeysRequest{
			MigrationID: migration, APIID: api, Keys: []latchkey.MigrateKey{{
				Hash: hashText(secret), Permissions: []string{"a"}, Roles: []string{"r"},
				Ratelimits: []latchkey.RatelimitRequest{
					{Name: "limit", Limit: 9, Duration: latchkey.Per(time.Hour),
						AutoApply: latchkey.Set(true)},
				},
			}},
		})
	}
	api := w.newAPI()
	theirs := must[latchkey.CreatedAPI](w, other, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "theirs"}).APIID
	own := importKey(w.who, api).Migrated[0].KeyID
	theirKey := importKey(other, theirs).Migrated[0].KeyID
	old := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	renewed := w.reroll(old.KeyID, time.Hour)
	for _, id := range []string{own, old.KeyID} {
		must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: id})
	}
	must[latchkey.Empty](w, w.who, "workspaces.deleteWorkspace",
		latchkey.DeleteWorkspaceRequest{WorkspaceID: other.WorkspaceID()})
	w.advance(deletedRetention)
	w.mustRun(w.purgeKeys)
	if n := len(importKey(w.who, api).Failed); n != 1 {
		t.Error("the hash is free before the retention is over")
	}
	if v := w.verify(secret); v.Code != latchkey.NotFound {
		t.Errorf("the deleted key is %s", v.Code)
	}
	w.advance(time.Millisecond)
	w.mustRun(w.purgeKeys)
	for _, id := range []string{own, theirKey} {
		if tables := w.tablesWith(id); len(tables) > 0 {
			t.Errorf("key %s is in %v", id, tables)
		}
	}
	if done := importKey(w.who, api); len(done.Migrated) != 1 {
		t.Errorf("the hash is not free after the retention: %+v", done)
	}
	for _, key := range []string{secret, renewed.Key} {
		if v := w.verify(key); !v.Valid {
			t.Errorf("a living key is %s", v.Code)
		}
	}
}
