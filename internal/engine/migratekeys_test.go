package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

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
