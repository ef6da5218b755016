package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// chunk is how many rows of background work share a transaction: few enough
// that the changes which wait for it don't notice.
const chunk = 250

// loadCells takes up the rate-limit windows that were saved.
func (e *Engine) loadCells(ctx context.Context) error {
	rows, err := e.db.Cells(ctx)
	if err != nil {
		return fmt.Errorf("rate limits: %w", err)
	}
	cells := make([]ratelimit.Cell, len(rows))
	for i, row := range rows {
		cells[i] = cellOf(row)
	}
	e.limiter.memory.Load(cells)
	return nil
}

// saveCells saves the rate-limit windows that changed since it last did. What
// could not be saved is tried again the next time.
func (e *Engine) saveCells(ctx context.Context) error {
	cells := e.limiter.memory.Changed()
	for some := range slices.Chunk(cells, chunk) {
		if err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return insertCells(ctx, tx, some) }); err != nil {
			e.limiter.memory.Keep(cells)
			return fmt.Errorf("rate limits: %w", err)
		}
	}
	return nil
}

func insertCells(ctx context.Context, tx *store.Tx, cells []ratelimit.Cell) error {
	for _, c := range cells {
		if err := tx.SaveCell(ctx, write.SaveCellParams(rowOf(c))); err != nil {
			return err
		}
	}
	return nil
}

func cellOf(row read.Cell) ratelimit.Cell {
	return ratelimit.Cell{
		Key:      ratelimit.Key{Workspace: row.WorkspaceID, Namespace: row.Namespace, Identifier: row.Identifier, Duration: row.Duration},
		Sequence: row.Sequence, Current: row.Current, Previous: row.Previous,
	}
}

func rowOf(c ratelimit.Cell) read.Cell {
	return read.Cell{
		WorkspaceID: c.Workspace, Namespace: c.Namespace, Identifier: c.Identifier, Duration: c.Duration,
		Sequence: c.Sequence, Current: c.Current, Previous: c.Previous, ExpiresAt: c.Expires(),
	}
}

// dropCells forgets the rate-limit windows that no longer matter, in memory and
// in the store. It keeps them a minute longer, so that a clock which steps back
// by less forgives nothing.
func (e *Engine) dropCells(ctx context.Context) error {
	now := e.now() - time.Minute.Milliseconds()
	if e.limiter.memory != nil {
		e.limiter.memory.Sweep(now)
	}
	if e.db.Shared() {
		return untilFew(func() (int64, error) { return e.db.DropSharedCells(ctx, now, chunk) })
	}
	return e.drop(ctx, func(ctx context.Context, tx *store.Tx) (int64, error) { return tx.DropCells(ctx, now, chunk) })
}

// dropAnswers forgets the answers that were kept for a day for requests with an
// Idempotency-Key.
func (e *Engine) dropAnswers(ctx context.Context) error {
	before := e.now() - (24 * time.Hour).Milliseconds()
	return e.drop(ctx, func(ctx context.Context, tx *store.Tx) (int64, error) { return tx.DropAnswers(ctx, before, chunk) })
}

// dropChanges forgets what nodes that run have long heard of.
func (e *Engine) dropChanges(ctx context.Context) error {
	before := e.now() - (10 * time.Minute).Milliseconds()
	return e.drop(ctx, func(ctx context.Context, tx *store.Tx) (int64, error) { return tx.DropChanges(ctx, before, chunk) })
}

// drop deletes rows chunk by chunk. Some deletes the next chunk and returns how
// many rows that was.
func (e *Engine) drop(ctx context.Context, some func(context.Context, *store.Tx) (int64, error)) error {
	return untilFew(func() (n int64, err error) {
		err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			n, err = some(ctx, tx)
			return err
		})
		return n, err
	})
}

// untilFew calls some until it does less than a chunk.
func untilFew(some func() (int64, error)) error {
	for {
		if n, err := some(); err != nil || n < chunk {
			return err
		}
	}
}
