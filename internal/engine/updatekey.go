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
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// UpdateKey changes a key. Absent fields stay as they are, null removes what
// can be removed; lists replace what was there. All of it happens or nothing
// does, and the next verification sees it.
func (e *Engine) UpdateKey(ctx context.Context, who Caller, r *latchkey.UpdateKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		k, key := &row.Key, keyTarget(&row.Key)
		c.touch(k.ID)
		c.audit(keyUpdated, key, target("api", k.APIID, ""))
		if err := c.updateColumns(ctx, *k, r); err != nil {
			return err
		}
		if credits, ok := r.Credits.Get(); ok || r.Credits.IsNull() {
			if err := c.updateCredits(ctx, k, credits, r.Credits.IsNull()); err != nil {
				return err
			}
		}
		if limits, ok := r.Ratelimits.Get(); ok {
			if _, err := c.setLimits(ctx, key, limits); err != nil {
				return err
			}
		}
		if slugs, ok := r.Permissions.Get(); ok {
			if err := c.replacePermissions(ctx, key, slugs); err != nil {
				return err
			}
		}
		if names, ok := r.Roles.Get(); ok {
			return c.replaceRoles(ctx, key, names)
		}
		return nil
	})
}

// updateCredits changes balance and schedule, each only if it was named. An
// unlimited key has no schedule.
func (c *Change) updateCredits(ctx context.Context, k *read.Key, r latchkey.UpdateKeyCredits, none bool) error {
	refill, scheduled := r.Refill.Get()
	if scheduled {
		if err := checkRefill(&refill); err != nil {
			return err
		}
	}
	if none || r.Remaining.IsNull() {
		return c.tx.SetCredits(ctx, write.SetCreditsParams{ID: k.ID})
	}
	balance, limited := r.Remaining.Get()
	if scheduled && !limited && !k.Remaining.Valid {
		return invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill",
			Message:  "the key has unlimited credits, which can't be refilled",
			Fix:      "Send the first balance as remaining too.",
		})
	}
	if scheduled || r.Refill.IsNull() {
		var next *latchkey.Refill
		if scheduled {
			next = &refill
		}
		setSchedule(k, next, c.now)
		err := c.tx.SetSchedule(ctx, write.SetScheduleParams{
			ID: k.ID, RefillInterval: k.RefillInterval, RefillAmount: k.RefillAmount,
			RefillDay: k.RefillDay, RefillAt: k.RefillAt,
		})
		if err != nil {
			return err
		}
	}
	if limited {
		return c.tx.SetBalance(ctx, k.ID, sql.NullInt64{Int64: balance, Valid: true})
	}
	return nil
}

// checkRefill refuses a schedule with a day where there is none, or without one.
func checkRefill(r *latchkey.Refill) error {
	if r.Interval == latchkey.Daily && r.RefillDay != 0 {
		return invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill/properties/refillDay",
			Message:  "a daily refill has no refillDay",
			Fix:      "Leave refillDay out, or make the refill monthly.",
		})
	}
	return checkRefillDay(r)
}

// RerollKey makes a new key that stands for the same as an old one: name,
// metadata, identity, roles, permissions, limits, balance and expiry are copied.
// The old key goes on for the time that the request gives it, but never beyond
// the expiry it has; with 0 it stops at once. From then on the two are
// independent of each other.
func (e *Engine) RerollKey(ctx context.Context, who Caller, r *latchkey.RerollKeyRequest) (latchkey.CreatedKey, error) {
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
		c.touch(old.ID)
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
	if err := c.mayStore(api); err != nil {
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

// copyLimits gives a key limits like those of another, with ids of their own.
func (c *Change) copyLimits(ctx context.Context, to latchkey.AuditTarget, from string) error {
	rows, err := c.tx.Limits(ctx, from)
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	requests := make([]latchkey.RatelimitRequest, len(rows))
	for i, l := range rows {
		requests[i] = storedLimit(l).Request()
	}
	_, err = c.setLimits(ctx, to, requests)
	return err
}
