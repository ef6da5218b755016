package engine

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// TestImportedKeysVerifyWhateverTheFormOfTheirHash: an import in base64 or hex, in any case
// of letters, is one that works, and the two forms of a hash are the same hash.
func TestImportedKeysVerifyWhateverTheFormOfTheirHash(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	for algorithm, key := range map[latchkey.MigrationAlgorithm]string{
		latchkey.MigrateSHA256: "sk_old", latchkey.MigratePrefixedAPIKey: "acme_short_",
	} {
		migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
			latchkey.CreateMigrationRequest{Algorithm: algorithm}).MigrationID
		for name, form := range map[string]func([]byte) string{
			"base64": base64.StdEncoding.EncodeToString, "hex": hex.EncodeToString,
			"HEX": func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		} {
			secret := key + name
			hashed := secret
			if algorithm == latchkey.MigratePrefixedAPIKey {
				hashed = name
			}
			sum := sha256.Sum256([]byte(hashed))
			r := latchkey.MigrateKeysRequest{MigrationID: migration, APIID: api,
				Keys: []latchkey.MigrateKey{
					{Hash: form(sum[:])}, {Hash: hex.EncodeToString(sum[:])},
				}}
			done := must[latchkey.MigratedKeys](w, w.who, "keys.migrateKeys", r)
			if len(done.Migrated) != 1 || done.Migrated[0].Hash != form(sum[:]) {
				t.Errorf("%s %s: %+v", algorithm, name, done)
			}
			v := must[latchkey.Verification](w, w.who, "keys.verifyKey",
				latchkey.VerifyKeyRequest{Key: secret, MigrationID: migration})
			if !v.Valid {
				t.Errorf("%s %s: %s", algorithm, name, v.Code)
			}
		}
	}
}

// TestAHashThatMatchesNoKeyIsRejected: with the likely fix, without repeating the text, and
// nothing is imported.
func TestAHashThatMatchesNoKeyIsRejected(t *testing.T) {
	w := newWorld(t)
	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	api := w.newAPI()
	sum, long := sha256.Sum256([]byte("12")), sha512.Sum512([]byte("secret"))
	digits, right := hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])
	for text, fix := range map[string]string{
		digits + "\n": "white space", " " + right: "white space", "sha256:" + digits: "colon",
		base64.URLEncoding.EncodeToString(sum[:]):         "standard base64",
		base64.RawURLEncoding.EncodeToString(sum[:]):      "standard base64",
		base64.StdEncoding.EncodeToString([]byte(digits)): "as they are",
		hex.EncodeToString(long[:]):                       "512 bits",
		digits[:40]:                                       "160 bits",
		digits[:32]:                                       "128 bits",
		"$2b$10$N9qo8uLOickgx2ZMRZoMye":                   "bcrypt",
		"sk_live_the_key_itself":                          "never the key",
		digits[:63] + "g":                                 "never the key",
		right[:20] + "\n" + right[20:]:                    "white space",
	} {
		_, err := w.do(w.who, "keys.migrateKeys", latchkey.MigrateKeysRequest{
			MigrationID: migration, APIID: api,
			Keys: []latchkey.MigrateKey{{Hash: hashText("good")}, {Hash: text}},
		})
		var e *latchkey.Error
		if !errors.As(err, &e) || e.Status != 400 || len(e.Faults) != 1 {
			t.Errorf("%q: %v", text, err)
			continue
		}
		f := e.Faults[0]
		if !strings.Contains(f.Fix, fix) || !strings.Contains(f.Message, "keys[1].hash") ||
			strings.Contains(f.Fix+f.Message+e.Detail, text) {
			t.Errorf("%q: %+v", text, f)
		}
	}
	if n := w.number("SELECT COUNT(*) FROM keys"); n > 0 {
		t.Errorf("%d keys were imported", n)
	}
}
