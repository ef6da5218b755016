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

// MigrateKeys imports keys of another system by their hashes, in one
// transaction. A hash that already exists is reported as failed and not
// changed. If a hash repeats within the request, its first key is imported.
// Identities, permissions and roles that don't exist are created. The migration
// states how the hashes were computed: see migrations.createMigration.
func (e *Engine) MigrateKeys(
	ctx context.Context, who Caller, r *latchkey.MigrateKeysRequest,
) (latchkey.MigratedKeys, error) {
	if err := who.require(ids{API: r.APIID}); err != nil {
		return latchkey.MigratedKeys{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.MigratedKeys, error) {
		api, err := c.tx.LiveAPI(ctx, r.APIID, who.root.workspace)
		if err != nil {
			return latchkey.MigratedKeys{}, orNotFound(err, apiNotFound())
		}
		migration, err := c.tx.KeyMigration(ctx, r.MigrationID, who.root.workspace)
		if err != nil {
			return latchkey.MigratedKeys{}, orNotFound(err,
				errMigrationNotFound.with("There is no migration with this id."))
		}
		// SHA-256 hashes are our own form. Others are replaced at the first verification.
		pending := migration.ID
		if latchkey.MigrationAlgorithm(migration.Algorithm) == latchkey.MigrateSHA256 {
			pending = ""
		}
		return c.migrateKeys(ctx, api, pending, r.Keys)
	})
}

// migrateKeys stores keys of another system, each hash once.
func (c *Change) migrateKeys(
	ctx context.Context, api read.API, migration string, keys []latchkey.MigrateKey,
) (latchkey.MigratedKeys, error) {
	done := latchkey.MigratedKeys{Migrated: []latchkey.MigratedKey{}, Failed: []string{}}
	seen := make(map[string]bool, len(keys))
	for i := range keys {
		k := &keys[i]
		if seen[k.Hash] {
			continue
		}
		seen[k.Hash] = true
		taken, err := c.tx.HashTaken(ctx, k.Hash)
		if err != nil {
			return latchkey.MigratedKeys{}, fmt.Errorf("hash: %w", err)
		}
		if taken {
			done.Failed = append(done.Failed, k.Hash)
			continue
		}
		row := read.Key{Hash: k.Hash, MigrationID: migration}
		id, err := c.createKey(ctx, api, row, creationOf(k), c.rolesFor)
		if err != nil {
			return latchkey.MigratedKeys{}, err
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
	row, err := e.db.KeyByHash(ctx, hex.EncodeToString(sum[:]))
	if errors.Is(err, store.ErrNotFound) {
		return unknown, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if row.Key.WorkspaceID != who.root.workspace || row.Key.MigrationID != migration.ID {
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
