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

// RerollKey creates a key that replaces another one. It copies the name,
// metadata, identity, roles, permissions, limits and expiry. The old key stays
// valid for the requested time, but never beyond its own expiry; with 0 it stops
// at once, and with null it keeps its expiry.
//
// A reroll gives nothing away: both keys share one balance with its refills, and
// the counts of their limits, whose settings each key has for itself.
func (e *Engine) RerollKey(
	ctx context.Context, who Caller, r *latchkey.RerollKeyRequest,
) (latchkey.CreatedKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		return e.rerollKey(ctx, c, row, r.Expiration)
	})
}

// rerollKey replaces a key on which the caller can call its operation.
func (e *Engine) rerollKey(
	ctx context.Context, c *Change, row read.LiveKeyRow, grace latchkey.Opt[latchkey.Duration],
) (latchkey.CreatedKey, error) {
	if row.StrictGrants {
		if err := c.requireWhen(latchkey.WhenStrict, onKey(row)); err != nil {
			return latchkey.CreatedKey{}, err
		}
	}
	recoverable, err := c.isSealed(ctx, row.Key.ID)
	if err != nil {
		return latchkey.CreatedKey{}, err
	}
	if recoverable {
		err := c.requireEncryptedStorage(read.API{
			ID: row.Key.APIID, KeyspaceID: row.KeyspaceID, StoreEncrypted: row.StoreEncrypted,
		})
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
	}
	return e.replaceKey(ctx, c, row, grace, recoverable)
}

// replaceKey creates the key that replaces another one, which ends after the grace period.
func (e *Engine) replaceKey(
	ctx context.Context, c *Change, row read.LiveKeyRow, grace latchkey.Opt[latchkey.Duration],
	recoverable bool,
) (latchkey.CreatedKey, error) {
	old := &row.Key
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
	end := endOfGrace(old.Expires, c.now, grace)
	if !grace.IsNull() {
		if err := c.endPlaintext(ctx, old.ID, end.Int64); err != nil {
			return latchkey.CreatedKey{}, err
		}
	}
	c.invalidate(old.ID)
	if err := c.tx.ReplaceKey(ctx, old.ID, end, balanceID(old)); err != nil {
		return latchkey.CreatedKey{}, fmt.Errorf("expiry: %w", err)
	}
	c.secretOf = id
	return latchkey.CreatedKey{KeyID: id, Key: s.text}, nil
}

// endPlaintext deletes the encrypted plaintext of a key that was replaced, now or when the
// key ends.
func (c *Change) endPlaintext(ctx context.Context, id string, end int64) error {
	if end < c.now {
		return c.tx.DeleteSealedKey(ctx, id)
	}
	return c.tx.EndSealedKey(ctx, id, end)
}

// isSealed reports whether a key is recoverable.
func (c *Change) isSealed(ctx context.Context, id string) (bool, error) {
	_, err := c.tx.SealedKey(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sealed key: %w", err)
	}
	return true, nil
}

// rerollPrefix returns the prefix of the old key, or the API's. A start is the
// prefix, an underscore and four characters without underscores.
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

// endOfGrace returns when the old key expires: after the grace period, but no
// later than before, so that an expired key stays expired. A key stops
// verifying one millisecond after its expiry, so without grace the expiry is
// one millisecond ago. A grace period of null leaves the expiry as it is.
func endOfGrace(
	expires sql.NullInt64, now int64, grace latchkey.Opt[latchkey.Duration],
) sql.NullInt64 {
	if grace.IsNull() {
		return expires
	}
	period := grace.Or(latchkey.Duration{}).Milliseconds()
	end := now + min(period, math.MaxInt64-now)
	if period == 0 {
		end = now - 1
	}
	return sql.NullInt64{Int64: min(end, orElse(expires, end)), Valid: true}
}

// copyKey stores a copy of a key: every column except those set here, and its
// rows in other tables.
func (c *Change) copyKey(ctx context.Context, old read.Key, s secret) (string, error) {
	k := old
	k.ID, k.Hash, k.Start, k.MigrationID = NewID("key"), s.hash, s.start, ""
	k.CreatedAt, k.UpdatedAt, k.LastUsedAt = c.now, 0, 0
	k.Family = balanceID(&old)
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
