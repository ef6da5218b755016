package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// RerollKey makes a new key that stands for the same as an old one: name,
// metadata, identity, roles, permissions, limits, balance and expiry are copied.
// The old key goes on for the time that the request gives it, but never beyond
// the expiry it has; with 0 it stops at once. From then on the two are
// independent of each other.
func (e *Engine) RerollKey(
	ctx context.Context, who Caller, r *latchkey.RerollKeyRequest,
) (latchkey.CreatedKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		old := &row.Key
		recoverable, err := c.isSealed(ctx, row)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		s := newSecret(rerollPrefix(old.Start, row.DefaultPrefix), bytesOr(row.DefaultBytes))
		id, err := c.copyKey(ctx, row.Key, s)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		if recoverable {
			if err := e.seal(ctx, c, row.KeyspaceID, id, s.text); err != nil {
				return latchkey.CreatedKey{}, err
			}
		}
		end := endOfGrace(old.Expires, c.now, r.Expiration.Or(latchkey.Duration{}).Milliseconds())
		c.invalidate(old.ID)
		if err := c.tx.ExpireKey(ctx, old.ID, sql.NullInt64{Int64: end, Valid: true}); err != nil {
			return latchkey.CreatedKey{}, fmt.Errorf("expiry: %w", err)
		}
		return latchkey.CreatedKey{KeyID: id, Key: s.text}, nil
	})
}

// isSealed reports whether the key is recoverable, and refuses a caller that
// may not make another such key.
func (c *Change) isSealed(ctx context.Context, row read.LiveKeyRow) (bool, error) {
	if _, err := c.tx.SealedKey(ctx, row.Key.ID); errors.Is(err, store.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("sealed key: %w", err)
	}
	api := read.API{ID: row.Key.APIID, KeyspaceID: row.KeyspaceID, StoreEncrypted: row.StoreEncrypted}
	if err := c.requireEncryptedStorage(api); err != nil {
		return false, err
	}
	return true, nil
}

// rerollPrefix is the whole prefix of the old key, or the API's. A start is the
// prefix, an underscore and four characters in which there is none.
func rerollPrefix(start, byDefault string) string {
	if at := strings.LastIndexByte(start, '_'); at > 0 {
		return start[:at]
	}
	return byDefault
}

func bytesOr(n int64) int {
	if n == 0 {
		return defaultBytes
	}
	return int(n)
}

// endOfGrace is when the old key expires: after the grace, but not later than it
// would have, so that an expired key stays expired. A key stops verifying the
// millisecond after its expiry; without grace that must be now.
func endOfGrace(expires sql.NullInt64, now, grace int64) int64 {
	end := now + min(grace, math.MaxInt64-now)
	if grace == 0 {
		end = now - 1
	}
	return min(end, orElse(expires, end))
}

// copyKey stores a new key with all that the old one has: each column but those
// that are set here, and what other tables have of it.
func (c *Change) copyKey(ctx context.Context, old read.Key, s secret) (string, error) {
	k := old
	k.ID, k.Hash, k.Start, k.MigrationID = NewID("key"), s.hash, s.start, ""
	k.CreatedAt, k.UpdatedAt, k.LastUsedAt = c.now, 0, 0
	if err := c.insertKey(ctx, k); err != nil {
		return "", err
	}
	c.audit(keyRerolled, keyTarget(&k), keyTarget(&old), target("api", k.APIID, ""))
	if err := c.tx.CopyKeyPermissions(ctx, k.ID, old.ID); err != nil {
		return "", fmt.Errorf("permissions: %w", err)
	}
	if err := c.tx.CopyKeyRoles(ctx, k.ID, old.ID); err != nil {
		return "", fmt.Errorf("roles: %w", err)
	}
	if err := c.copyLimits(ctx, keyTarget(&k), old.ID); err != nil {
		return "", err
	}
	return k.ID, nil
}
