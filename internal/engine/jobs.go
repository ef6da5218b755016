package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// startJobs starts the background jobs, which run until the engine is closed. A
// job never overlaps itself. Its errors are logged, and its next run tries
// again.
func (e *Engine) startJobs() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	if e.db.Shared() {
		e.done.Go(func() { e.db.Follow(ctx, e.applyChanges) })
		e.every(ctx, heartbeatInterval, "heartbeat", e.heartbeat)
		e.every(ctx, time.Minute, "drop old change log", e.dropChanges)
	}
	e.every(ctx, time.Minute, "save last used", e.saveUsage)
	e.every(ctx, time.Minute, "refill credits", e.refillDue)
	e.every(ctx, time.Hour, "drop idempotency records", e.dropIdempotencyRecords)
	e.every(ctx, time.Minute, "replace data keys", e.replaceDataKeys)
	e.every(ctx, time.Minute, "delete plaintexts of rerolled keys", e.dropEndedPlaintexts)
	e.every(ctx, time.Minute, "delete keys of deleted APIs", e.deleteKeysOfDeletedAPIs)
	e.every(ctx, time.Hour, "purge deleted keys", e.purgeKeys)
	e.every(ctx, time.Minute, "drop unknown adoptions", e.dropUnknownAdoptions)
	e.every(ctx, time.Minute, "delete expired portal sessions", e.dropPortalSessions)
	e.every(ctx, time.Hour, "delete ended browser sessions", e.dropBrowserSessions)
	e.every(ctx, hookInterval, "send webhooks", e.workOnWebhooks)
	e.every(ctx, time.Minute, "search for webhook events", e.searchIfDue)
	e.every(ctx, time.Hour, "drop webhook deliveries", e.dropDeliveries)
	e.every(ctx, auditSealInterval, "seal audit records", e.sealAudit)
	e.every(ctx, 10*time.Second, "expire reservations", e.expireReservations)
	e.every(ctx, time.Hour, "drop ended reservations", e.dropReservations)
	e.every(ctx, time.Hour, "drop budget statements", e.dropStatements)
	if e.auditRetention > 0 {
		e.every(ctx, time.Hour, "drop audit records", e.dropAuditRecords)
	}
}

// auditSealInterval is how long a record of the audit log is at most unsealed, if there are not
// many.
const auditSealInterval = time.Second

func (e *Engine) every(
	ctx context.Context, interval time.Duration, job string, run func(context.Context) error,
) {
	e.done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := run(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("background job failed; its next run tries again",
					"job", job, "error", err)
			}
		}
	})
}

// applyChanges invalidates what other nodes have changed.
func (e *Engine) applyChanges(log store.LogRead) {
	e.source.Clock.Apply(coherence.LogReading{At: log.At, Changed: changedIDs(log), Gap: log.All})
	e.source.Breaker.Reset()
	e.hooks.noteChanges(log)
	if log.Lost > 0 {
		e.changesLost.Add(uint64(log.Lost))
		e.log.Error("the database lost changes: responses that acknowledged them are wrong now",
			"after", log.LostAfter, "lost", log.Lost)
	}
	for _, change := range log.Changes {
		e.lag.Observe(max(0, time.Since(change.Time).Seconds()))
	}
}

// changedIDs yields the ids of what other nodes have changed.
func changedIDs(log store.LogRead) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, change := range log.Changes {
			for _, id := range change.IDs {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// dropIdempotencyRecords deletes idempotency records older than a day.
func (e *Engine) dropIdempotencyRecords(ctx context.Context) error {
	before := e.now() - (24 * time.Hour).Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropAnswers(ctx, before, chunk)
	})
}

// dropBrowserSessions deletes sessions of the dashboard that have ended.
func (e *Engine) dropBrowserSessions(ctx context.Context) error {
	now := e.now()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropBrowserSessions(ctx, now, chunk)
	})
}

// deleteKeysOfDeletedAPIs deletes the rows of keys that nobody can reach any more.
func (e *Engine) deleteKeysOfDeletedAPIs(ctx context.Context) error {
	return e.deleteKeysIn(ctx, e.db.KeysOfDeletedAPIs)
}

// deletedRetention is how long the rows of deleted keys, and those of the keys of deleted
// workspaces, are kept. Until then the hash of a deleted key can't be imported again.
const deletedRetention = 90 * 24 * time.Hour

// purgeKeys deletes the rows of keys that were deleted long ago, by themselves or with their
// workspace.
func (e *Engine) purgeKeys(ctx context.Context) error {
	before := e.now() - deletedRetention.Milliseconds()
	return errors.Join(
		e.deleteKeysIn(ctx, func(ctx context.Context, few int64) ([]read.Key, error) {
			return e.db.KeysDeletedBefore(ctx, before, few)
		}),
		e.deleteKeysIn(ctx, func(ctx context.Context, few int64) ([]read.Key, error) {
			return e.db.KeysOfWorkspacesDeletedBefore(ctx, before, few)
		}))
}

// deleteKeysIn deletes the rows of the keys that a query returns, few keys in a change:
// one can have more than a thousand rows.
func (e *Engine) deleteKeysIn(
	ctx context.Context, query func(context.Context, int64) ([]read.Key, error),
) error {
	const atOnce, few = 50, 4
	for {
		keys, err := query(ctx, atOnce)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, of := range byWorkspace(keys) {
			for some := range slices.Chunk(of, few) {
				err := e.change(ctx, e.system(of[0].WorkspaceID),
					func(ctx context.Context, c *Change) error { return c.deleteKeys(ctx, some) })
				if err != nil {
					return err
				}
			}
		}
	}
}

func byWorkspace(keys []read.Key) map[string][]read.Key {
	groups := map[string][]read.Key{}
	for _, k := range keys {
		groups[k.WorkspaceID] = append(groups[k.WorkspaceID], k)
	}
	return groups
}

// deleteKeys deletes the rows of keys.
func (c *Change) deleteKeys(ctx context.Context, keys []read.Key) error {
	for i := range keys {
		c.invalidate(keys[i].ID) // it is cached as deleted, and its hash can be imported again
		if keys[i].DeletedAt == 0 {
			if err := c.count(ctx, quotaKeys, -1); err != nil {
				return err
			}
		}
		if err := c.deleteKey(ctx, &keys[i], true); err != nil {
			return fmt.Errorf("deleted key: %w", err)
		}
	}
	return nil
}

// dropAuditRecords deletes the audit records of all workspaces that are older than the
// retention, the oldest first. With an export, only what it has on disk is deleted. Records
// that aren't sealed stay.
func (e *Engine) dropAuditRecords(ctx context.Context) error {
	if err := e.sealAudit(ctx); err != nil {
		return err
	}
	head, err := e.auditHead(ctx, e.db.AuditHead, serviceHead)
	if err != nil {
		return err
	}
	// a record is never before the microsecond of its time in the log
	before := min((e.now()-e.auditRetention.Milliseconds())*1000, head.LastSeq+1)
	return deleteAll(func() (int64, error) {
		rows, err := e.db.OldestAuditLogs(ctx, before, chunk)
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		if err := e.auditExport.save(rows); err != nil {
			return 0, err
		}
		dropped, err := e.dropSealed(ctx, rows[len(rows)-1].Seq)
		if err == nil {
			e.auditDropped.Add(uint64(dropped))
		}
		return int64(len(rows)), err
	})
}

// dropChanges deletes entries of the change log that every live node has read.
func (e *Engine) dropChanges(ctx context.Context) error {
	before := e.now() - (10 * time.Minute).Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropChanges(ctx, before, chunk)
	})
}

// chunk is the number of rows that a background job deletes in a transaction, few
// enough not to delay concurrent changes.
const chunk = 250

// deleteInChunks deletes rows in chunks, each in its own transaction. Del
// deletes the next chunk and returns the number of deleted rows.
func deleteInChunks(
	ctx context.Context, db *store.DB, del func(context.Context, *store.Tx) (int64, error),
) error {
	return deleteAll(func() (n int64, err error) {
		err = db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			n, err = del(ctx, tx)
			return err
		})
		return n, err
	})
}

// deleteAll calls del until it removes less than one chunk.
func deleteAll(del func() (int64, error)) error {
	for {
		if n, err := del(); err != nil || n < chunk {
			return err
		}
	}
}
