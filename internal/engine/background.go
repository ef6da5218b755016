package engine

import (
	"context"
	"errors"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// begin starts the background work. Each piece runs alone, again and again,
// until the engine is closed; what fails is logged and tried again.
func (e *Engine) begin() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	if e.limiter.kept {
		e.every(ctx, time.Second, "save rate limits", e.saveCells)
	}
	if e.db.Shared() {
		e.done.Go(func() { e.db.Follow(ctx, e.hear) })
		e.every(ctx, beatEvery, "tell other nodes", e.beat)
		e.every(ctx, time.Minute, "drop old changes", e.dropChanges)
	}
	e.every(ctx, time.Minute, "save last use", e.saveUsage)
	e.every(ctx, time.Minute, "refill credits", e.refillDue)
	e.every(ctx, time.Minute, "drop old windows", e.dropCells)
	e.every(ctx, time.Hour, "drop kept answers", e.dropAnswers)
}

func (e *Engine) every(ctx context.Context, interval time.Duration, what string, work func(context.Context) error) {
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

// hear takes in what other nodes have changed.
func (e *Engine) hear(h store.Heard) {
	e.source.hear(h)
	e.source.outage.learn(nil)
	for _, change := range h.Changes {
		e.lag.Observe(max(0, time.Since(change.Made).Seconds()))
	}
}

// save writes what is only in memory.
func (e *Engine) save(ctx context.Context) error {
	if !e.limiter.kept {
		return e.saveUsage(ctx)
	}
	return errors.Join(e.saveCells(ctx), e.saveUsage(ctx))
}
