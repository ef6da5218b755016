package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// MigrateKeys imports keys of another system by their hashes. A hash that the workspace
// already has is reported as failed and not changed. If a hash repeats within the request,
// its first key is imported. Identities, permissions and roles that don't exist are
// created. The migration states what was hashed: see migrations.createMigration. A hash
// can be in base64 or hex; a text that is no SHA-256 is rejected, and nothing is imported.
//
// Many keys are imported in several transactions. If the response is an error, some may
// have been imported. A repeated request with the same Idempotency-Key continues, and
// its response is about all keys; with another one it reports those as failed.
func (e *Engine) MigrateKeys(
	ctx context.Context, who Caller, r *latchkey.MigrateKeysRequest,
) (latchkey.MigratedKeys, error) {
	if err := who.require(ids{API: r.APIID}); err != nil {
		return latchkey.MigratedKeys{}, err
	}
	migration, err := e.db.KeyMigration(ctx, r.MigrationID, who.root.workspace)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // which is for the change to say
		return latchkey.MigratedKeys{}, fmt.Errorf("migration: %w", err)
	}
	parts, err := migrationParts(r.Keys, migration.Algorithm, e.now())
	if err != nil {
		return latchkey.MigratedKeys{}, err
	}
	all := latchkey.MigratedKeys{Migrated: []latchkey.MigratedKey{}, Failed: []string{}}
	for i, part := range parts {
		done, err := change(ctx, e, who.forPart(i),
			func(ctx context.Context, c *Change) (latchkey.MigratedKeys, error) {
				return c.migrateKeys(ctx, r, part)
			})
		if err != nil {
			return latchkey.MigratedKeys{}, err
		}
		all.Migrated = append(all.Migrated, done.Migrated...)
		all.Failed = append(all.Failed, done.Failed...)
	}
	return all, nil
}

// importedKey is a key of an import with the stored form of its hash.
type importedKey struct {
	*latchkey.MigrateKey
	stored string
}

// maxPart bounds the statements and rows of a part of an import, roughly: other changes
// wait for a part, not for the whole import. A single key can be heavier.
const maxPart = 150

// migrationParts checks the keys of an import, so that none is refused after others were
// imported, and divides them into parts. Of keys with the same hash it keeps the first. An
// unknown migration has no algorithm; then hashes are not checked.
func migrationParts(
	keys []latchkey.MigrateKey, algorithm string, now int64,
) ([][]importedKey, error) {
	var parts [][]importedKey
	seen := make(map[string]bool, len(keys))
	left := 0
	for i := range keys {
		k := importedKey{&keys[i], keys[i].Hash}
		if algorithm != "" {
			var err error
			k.stored, err = storedHash(latchkey.MigrationAlgorithm(algorithm), i, k.Hash)
			if err != nil {
				return nil, err
			}
		}
		if seen[k.stored] {
			continue
		}
		seen[k.stored] = true
		if err := setColumns(new(read.Key), creationOf(k.MigrateKey)); err != nil {
			return nil, err
		}
		if _, err := newCredits(k.Credits, now); err != nil {
			return nil, err
		}
		weight := 6 + len(k.Permissions) + 6*(len(k.Roles)+len(k.Ratelimits))
		if k.ExternalID != "" {
			weight += 6
		}
		if left -= weight; left < 0 {
			parts, left = append(parts, nil), maxPart-weight
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], k)
	}
	return parts, nil
}

// forPart returns the caller of a part of a request. The first part has the request's
// Idempotency-Key, and with it refuses a key that was used for another request; the
// others have keys that no request can have, because the hash of this one is in them.
func (c Caller) forPart(i int) Caller {
	if i > 0 && c.requestHash != "" {
		c.IdempotencyKey = fmt.Sprintf("part %d of %s %s", i, c.requestHash, c.IdempotencyKey)
	}
	return c
}

// migrateKeys stores keys of another system.
func (c *Change) migrateKeys(
	ctx context.Context, r *latchkey.MigrateKeysRequest, keys []importedKey,
) (done latchkey.MigratedKeys, err error) {
	api, err := c.tx.LiveAPI(ctx, r.APIID, c.who.root.workspace)
	if err != nil {
		return done, orNotFound(err, apiNotFound())
	}
	migration, err := c.tx.KeyMigration(ctx, r.MigrationID, c.who.root.workspace)
	if err != nil {
		return done, orNotFound(err,
			errMigrationNotFound.with("There is no migration with this id."))
	}
	// SHA-256 hashes are our own form. Others are replaced at the first verification.
	pending := migration.ID
	if latchkey.MigrationAlgorithm(migration.Algorithm) == latchkey.MigrateSHA256 {
		pending = ""
	}
	hashes := make([]string, len(keys))
	for i, k := range keys {
		hashes[i] = k.stored
	}
	taken, err := c.tx.HashesTaken(ctx, api.WorkspaceID, hashes)
	if err != nil {
		return done, fmt.Errorf("hashes: %w", err)
	}
	var slugs []string
	for _, k := range keys {
		if !taken[k.Hash] {
			slugs = append(slugs, k.Permissions...)
		}
	}
	if len(slugs) > fewSlugs {
		if _, err := c.permissionsFor(ctx, slugs); err != nil {
			return done, err
		}
	}
	for _, k := range keys {
		if taken[k.stored] {
			done.Failed = append(done.Failed, k.Hash)
			continue
		}
		row := read.Key{Hash: k.stored, MigrationID: pending, Start: k.Start}
		id, err := c.createKey(ctx, api, row, creationOf(k.MigrateKey), c.rolesFor)
		if err != nil {
			return done, err
		}
		done.Migrated = append(done.Migrated, latchkey.MigratedKey{Hash: k.Hash, KeyID: id})
	}
	return done, nil
}

// findMigrated finds a key by the hash of its migration, and stores our own
// hash for later requests. An unknown migration finds no key.
func (e *Engine) findMigrated(
	ctx context.Context, who *Caller, r *latchkey.VerifyKeyRequest,
) (*keySnapshot, error) {
	unknown := new(keySnapshot)
	migration, err := e.db.KeyMigration(ctx, r.MigrationID, who.root.workspace)
	if errors.Is(err, store.ErrNotFound) {
		return unknown, nil
	}
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	if latchkey.MigrationAlgorithm(migration.Algorithm) != latchkey.MigratePrefixedAPIKey {
		return unknown, nil
	}
	prefix, short, long, ok := splitPrefixed(r.Key)
	if !ok {
		return nil, errMalformed.with(
			"The key does not have the form of its migration: prefix_short_long.",
		)
	}
	sum := sha256.Sum256([]byte(long))
	row, err := e.db.KeyByHash(ctx, hex.EncodeToString(sum[:]), who.root.workspace)
	if errors.Is(err, store.ErrNotFound) {
		return unknown, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if row.Key.MigrationID != migration.ID {
		return unknown, nil
	}
	hash := hashOf(r.Key)
	rest := short + "_" + long
	start := prefix + "_" + rest[:min(4, len(rest))]
	if err := e.rehash(ctx, *who, row.Key.ID, hash.String(), start); err != nil {
		return nil, err
	}
	return e.snapshot(ctx, who, hash)
}

// rehash stores our own hash of a migrated key, once.
func (e *Engine) rehash(ctx context.Context, who Caller, id, hash, start string) error {
	return e.change(ctx, e.system(who.root.workspace), func(ctx context.Context, c *Change) error {
		n, err := c.tx.RehashKey(ctx, hash, start, id)
		if err != nil {
			return fmt.Errorf("rehash: %w", err)
		}
		if n > 0 {
			c.audit(keyMigrated, target("key", id, ""))
		}
		c.invalidate(id, hash)
		return nil
	})
}

// splitPrefixed splits a key of the form prefix_short_long; the prefix can have
// underscores of its own.
func splitPrefixed(key string) (prefix, short, long string, ok bool) {
	at := strings.LastIndexByte(key, '_')
	if at < 0 {
		return "", "", "", false
	}
	long, key = key[at+1:], key[:at]
	if at = strings.LastIndexByte(key, '_'); at < 0 {
		return "", "", "", false
	}
	return key[:at], key[at+1:], long, true
}
