package engine

import (
	"context"
	"iter"
	"time"

	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// startJobs starts the background jobs. Each runs again and again, never beside
// itself, until the engine is closed; an error is logged, and the next run tries
// again.
func (e *Engine) startJobs() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	if e.db.Shared() {
		e.done.Go(func() { e.db.Follow(ctx, e.applyChanges) })
		e.every(ctx, heartbeatInterval, "tell other nodes", e.heartbeat)
		e.every(ctx, time.Minute, "drop old changes", e.dropChanges)
	}
	e.every(ctx, time.Minute, "save last use", e.saveUsage)
	e.every(ctx, time.Minute, "refill credits", e.refillDue)
	e.every(ctx, time.Hour, "drop kept answers", e.dropIdempotencyRecords)
}

func (e *Engine) every(
	ctx context.Context, interval time.Duration, what string, work func(context.Context) error,
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
			if err := work(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("background work failed; it will be tried again", "work", what, "error", err)
			}
		}
	})
}

// hear applies what other nodes have changed.
func (e *Engine) applyChanges(h store.Heard) {
	e.source.Clock.Apply(coherence.LogReading{At: h.At, Changed: changedIDs(h), Gap: h.All})
	e.source.Breaker.Reset()
	for _, change := range h.Changes {
		e.lag.Observe(max(0, time.Since(change.Made).Seconds()))
	}
}

// changed yields the ids of what other nodes have changed.
func changedIDs(h store.Heard) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, change := range h.Changes {
			for _, id := range change.IDs {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// dropAnswers forgets the answers that were kept for a day for requests with an
// Idempotency-Key.
func (e *Engine) dropIdempotencyRecords(ctx context.Context) error {
	before := e.now() - (24 * time.Hour).Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropAnswers(ctx, before, chunk)
	})
}

// dropChanges forgets what nodes that run have long heard of.
func (e *Engine) dropChanges(ctx context.Context) error {
	before := e.now() - (10 * time.Minute).Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropChanges(ctx, before, chunk)
	})
}

// chunk is how many rows of background work share a transaction: few enough
// that the changes which wait for it don't notice.
const chunk = 250

// deleteInChunks deletes rows chunk by chunk, each in a transaction of its own.
// Del deletes the next chunk and returns how many rows that was.
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
