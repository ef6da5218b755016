package engine

import (
	"context"
	"math"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// restorable is how long the deletion of a key can be undone.
const restorable = 30 * 24 * time.Hour

// RestoreKey undoes the deletion of a key, for 30 days, unless it was permanent. The key
// verifies again from the next request on, with the same secret, permissions, roles, limits
// and balance; what was deleted of these meanwhile stays deleted, and so does its owner. An
// expired or disabled key stays so. Refills that fell into the time without the key are not
// made up for. The plaintext of a recoverable key is not restored.
//
// It needs the permission to create keys in the API and to update the key. A key that is
// not deleted, or was deleted earlier, is 412.
func (e *Engine) RestoreKey(ctx context.Context, who Caller, r *latchkey.RestoreKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		k, err := c.tx.KeyByID(ctx, r.KeyID, c.who.root.workspace)
		if err != nil {
			return orNotFound(err, keyNotFound())
		}
		api, err := c.tx.LiveAPI(ctx, k.APIID, k.WorkspaceID)
		if err != nil {
			return orNotFound(err, keyNotFound())
		}
		if err := c.require(ids{API: api.ID, Keyspace: api.KeyspaceID, Key: k.ID}); err != nil {
			return err
		}
		switch {
		case k.DeletedAt == 0:
			return errPrecondition.with("The key is not deleted.")
		case c.now-k.DeletedAt > restorable.Milliseconds():
			return errPrecondition.with("The key was deleted on %s. A deletion can be undone "+
				"for 30 days: create a new key.", moment(k.DeletedAt))
		}
		if err := c.tx.MarkKeyDeleted(ctx, k.ID, 0); err != nil {
			return err
		}
		if err := c.count(ctx, quotaKeys, 1); err != nil {
			return err
		}
		c.invalidate(k.ID, balanceID(&k))
		c.audit(keyRestored, keyTarget(&k), target("api", api.ID, api.Name))
		return c.resumeRefills(ctx, &k)
	})
}

// resumeRefills schedules the next refill of a balance that was paused because all its keys
// were deleted.
func (c *Change) resumeRefills(ctx context.Context, k *read.Key) error {
	row, err := c.tx.LiveKey(ctx, k.ID, k.WorkspaceID)
	if err != nil {
		return err
	}
	stored := creditsOfKey(&row)
	if stored.interval == "" || stored.refillAt != math.MaxInt64 {
		return nil
	}
	return c.tx.SetSchedule(ctx, write.SetScheduleParams{
		ID: balanceID(k), RefillInterval: string(stored.interval), RefillAmount: stored.amount,
		RefillDay: int64(stored.day), RefillAt: stored.next(c.now),
	})
}
