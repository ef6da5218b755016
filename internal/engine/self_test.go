package engine

import (
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// offering returns a new API that offers operations to the holders of its keys.
func (w *world) offering(offers ...string) string {
	w.t.Helper()
	api := w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: api, SelfService: latchkey.Set(offers)})
	return api
}

// holder is the caller with a key.
func (w *world) holder(name, key string) Caller {
	w.t.Helper()
	op, _ := Lookup(name)
	call := &Call{Token: key}
	call.Request = Request{RequestID: "req_test", RemoteIP: "192.0.2.1", UserAgent: "customer"}
	if err := w.authenticateHolder(w.t.Context(), op, call); err != nil {
		w.t.Fatalf("holder: %v", err)
	}
	return call.Caller
}

// held is the result of an operation that the holder of a key calls.
func (w *world) held(name, key, body string) (status int, code string) {
	w.t.Helper()
	op, _ := Lookup(name)
	return w.serve(op, &Call{Token: key, Body: []byte(body)})
}

// TestAKeyAndItsReplacementsShareTheRequestsOfTheirHolder: to replace a key brings no more of
// them, and other keys have their own.
func TestAKeyAndItsReplacementsShareTheRequestsOfTheirHolder(t *testing.T) {
	w := newWorld(t)
	api := w.offering(latchkey.SelfGetKey, latchkey.SelfRerollKey)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api}).Key
	other := w.newKey(latchkey.CreateKeyRequest{APIID: api}).Key
	made := must[latchkey.SelfRerolledKey](w, w.holder("self.rerollKey", key), "self.rerollKey",
		latchkey.SelfRerollKeyRequest{Expiration: latchkey.Per(time.Minute)})
	for i := range selfRequests {
		from := []string{key, made.Key}[i%2]
		if status, code := w.held("self.getKey", from, "{}"); status != 200 {
			t.Fatalf("request %d: %d %s", i, status, code)
		}
	}
	for _, from := range []string{key, made.Key} {
		if status, _ := w.held("self.getKey", from, "{}"); status != 429 {
			t.Errorf("one more: %d", status)
		}
	}
	if status, code := w.held("self.getKey", other, "{}"); status != 200 {
		t.Errorf("another key: %d %s", status, code)
	}
	if v := w.verify(key); !v.Valid {
		t.Errorf("its verification: %s", v.Code)
	}
}

// TestWhatIsRevokedMeanwhileMakesNoOtherKey: the change checks again what was right when the
// request came, so neither another node's cache nor a queue lets a revoked key live on.
func TestWhatIsRevokedMeanwhileMakesNoOtherKey(t *testing.T) {
	for name, revoke := range map[string]func(w *world, api, key, identity string){
		"the key is disabled": func(w *world, _, key, _ string) {
			w.exec("UPDATE keys SET enabled = $1 WHERE id = $2", false, key)
		},
		"the key is deleted": func(w *world, _, key, _ string) {
			w.exec("UPDATE keys SET deleted_at = 1 WHERE id = $1", key)
		},
		"the key has ended": func(w *world, _, key, _ string) {
			w.exec("UPDATE keys SET expires = 1 WHERE id = $1", key)
		},
		"its owner is disabled": func(w *world, _, _, identity string) {
			w.exec("UPDATE identities SET enabled = $1 WHERE external_id = $2", false, identity)
		},
		"the API no longer offers it": func(w *world, api, _, _ string) {
			w.exec("UPDATE apis SET self_service = 'getKey' WHERE id = $1", api)
		},
		"the API is deleted": func(w *world, api, _, _ string) {
			w.exec("UPDATE apis SET deleted_at = 1 WHERE id = $1", api)
		},
		"the workspace is disabled": func(w *world, _, _, _ string) {
			w.exec("UPDATE workspaces SET enabled = $1", false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			api := w.offering(latchkey.SelfRerollKey, latchkey.SelfRevokeKey)
			key := w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "user"})
			reroll := w.holder("self.rerollKey", key.Key)
			revoked := w.holder("self.revokeKey", key.Key)
			before := w.number("SELECT COUNT(*) FROM keys")
			revoke(w, api, key.KeyID, "user")
			if _, err := w.do(reroll, "self.rerollKey",
				latchkey.SelfRerollKeyRequest{Expiration: latchkey.Per(time.Minute)}); err == nil {
				t.Error("the key was replaced")
			}
			if _, err := w.do(revoked, "self.revokeKey", latchkey.SelfRevokeKeyRequest{}); err == nil {
				t.Error("the key was revoked")
			}
			if after := w.number("SELECT COUNT(*) FROM keys"); after != before {
				t.Errorf("%d keys, %d before", after, before)
			}
		})
	}
}

// TestAKeyOfTwoWorkspacesHasNoHolder: its text doesn't say which of the two it is about.
func TestAKeyOfTwoWorkspacesHasNoHolder(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.offering(latchkey.SelfGetKey)})
	if status, code := w.held("self.getKey", key.Key, "{}"); status != 200 {
		t.Fatalf("%d %s", status, code)
	}
	elsewhere := w.otherWorkspace()
	api := must[latchkey.CreatedAPI](w, elsewhere, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "other"}).APIID
	migration := must[latchkey.CreatedMigration](w, elsewhere, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: "sha256"}).MigrationID
	must[latchkey.MigratedKeys](w, elsewhere, "keys.migrateKeys", latchkey.MigrateKeysRequest{
		MigrationID: migration, APIID: api,
		Keys: []latchkey.MigrateKey{{Hash: hashOf(key.Key).String()}},
	})
	if status, code := w.held("self.getKey", key.Key, "{}"); status != 401 {
		t.Errorf("in two workspaces: %d %s", status, code)
	}
}

// TestAKeyIsReplacedAtMostSoOften: each replacement leaves a key behind, which counts on the
// workspace's quota.
func TestAKeyIsReplacedAtMostSoOften(t *testing.T) {
	w := newWorld(t)
	api := w.offering(latchkey.SelfRerollKey)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	w.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO keys SELECT id || i, workspace_id, api_id, identity_id, hash || i,
			migration_id, start, name, meta, enabled, expires, created_at, updated_at,
			last_used_at, deleted_at, id FROM n, keys WHERE id = $2`,
		maxReplacements-1, key.KeyID)
	reroll := latchkey.SelfRerollKeyRequest{Expiration: latchkey.Per(time.Minute)}
	must[latchkey.SelfRerolledKey](w, w.holder("self.rerollKey", key.Key), "self.rerollKey", reroll)
	w.refused(w.holder("self.rerollKey", key.Key), "self.rerollKey", reroll, 403,
		"workspace_quota_exceeded")
}

// TestTheAuditLogNamesTheHolder and where the request came from.
func TestTheAuditLogNamesTheHolder(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.offering(latchkey.SelfRevokeKey)})
	must[latchkey.Empty](w, w.holder("self.revokeKey", key.Key), "self.revokeKey",
		latchkey.SelfRevokeKeyRequest{})
	log := w.auditLogs(w.who.WorkspaceID())[0]
	if log.Event != "key.delete" || log.Actor.Type != "keyHolder" || log.Actor.ID != key.KeyID {
		t.Errorf("%+v", log)
	}
}
