package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// chunk is how many rows of background work share a transaction: few enough
// that the changes which wait for it don't notice.
const chunk = 250

// cellsAtOnce is how many windows share a transaction at least, unless they are the
// last: as much work as a chunk of rows. A part is never divided.
const cellsAtOnce = 10_000

// loadCells takes up the rate-limit windows that were saved. They stay as they
// are until saveCells has saved them anew.
func (e *Engine) loadCells(ctx context.Context) error {
	last, err := e.db.SavedCells(ctx, func(rows []read.Cell) {
		cells := make([]ratelimit.Cell, len(rows))
		for i, row := range rows {
			cells[i] = cellOf(row)
		}
		e.limiter.memory.Load(cells)
	})
	if err != nil {
		return fmt.Errorf("rate limits: %w", err)
	}
	e.limiter.memory.NumberParts(last + 1)
	return nil
}

// saveCells saves the rate-limit windows that changed since it last did, and
// then drops what an earlier process had saved. What could not be saved is tried
// again the next time.
//
// Windows are saved in blocks: store.CellBlock says what that gains, and
// ratelimit.Memory.Changed what bounds their number.
func (e *Engine) saveCells(ctx context.Context) error {
	var parts []ratelimit.Part
	waiting, saved := 0, false
	for part := range e.limiter.memory.Changed() {
		parts, saved = append(parts, part), true
		if waiting += len(part.Cells); waiting < cellsAtOnce {
			continue
		}
		if err := e.saveParts(ctx, parts); err != nil {
			return err
		}
		parts, waiting = parts[:0], 0
	}
	if !saved {
		return nil
	}
	if err := e.saveParts(ctx, parts); err != nil {
		return err
	}
	first := e.limiter.memory.FirstPart()
	return e.drop(ctx, func(ctx context.Context, tx *store.Tx) (int64, error) { return tx.DropCellsBefore(ctx, first, chunk) })
}

// saveParts saves parts in one transaction, or leaves them for the next time.
func (e *Engine) saveParts(ctx context.Context, parts []ratelimit.Part) error {
	blocks := make([]store.CellBlock, len(parts))
	for i, part := range parts {
		for _, c := range part.Cells {
			blocks[i].Add(rowOf(c))
		}
	}
	err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i, part := range parts {
			if err := savePart(ctx, tx, part, &blocks[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, part := range parts {
			e.limiter.memory.Keep(part)
		}
		return fmt.Errorf("rate limits: %w", err)
	}
	return nil
}

func savePart(ctx context.Context, tx *store.Tx, part ratelimit.Part, block *store.CellBlock) error {
	if part.Whole {
		if err := tx.DropCellPart(ctx, part.Number); err != nil {
			return err
		}
	}
	if len(part.Cells) == 0 {
		return nil
	}
	return tx.SaveCellBlock(ctx, part.Number, block)
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
// by less forgives nothing. Where memory's windows are saved, saveCells takes out
// of the store what memory forgets.
func (e *Engine) dropCells(ctx context.Context) error {
	now := e.now() - time.Minute.Milliseconds()
	if e.limiter.memory != nil {
		e.limiter.memory.Sweep(now)
	}
	switch {
	case e.limiter.kept:
		return nil
	case e.db.Shared():
		return untilFew(func() (int64, error) { return e.db.DropSharedCells(ctx, now, chunk) })
	}
	return e.drop(ctx, func(ctx context.Context, tx *store.Tx) (int64, error) { return tx.DropCellsBy(ctx, now, chunk) })
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
