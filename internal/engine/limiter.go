package engine

import (
	"context"
	"math"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// openLimiter opens the back end that counts rate limits. A shared database
// counts only if limits are exact and there is no Redis.
func (e *Engine) openLimiter(ctx context.Context, cfg Config) (ratelimit.Limiter, error) {
	counters := counters{e.db}
	switch {
	case cfg.Limits != Local && cfg.Redis != "":
		return ratelimit.OpenRedis(ctx, ratelimit.RedisConfig{
			URL: cfg.Redis, Fast: cfg.Limits == Fast, Nodes: e.nodes.live, OwnClock: cfg.Now == nil,
			Store: counters, Now: e.now, Log: cfg.Log,
		})
	case cfg.Limits != Local && e.db.Shared():
		return ratelimit.OpenRows(ctx, ratelimit.RowsConfig{
			Store: counters, Nodes: e.nodes.live, Now: e.now, Log: cfg.Log,
		})
	}
	return ratelimit.OpenMemory(ctx, ratelimit.MemoryConfig{
		Store: counters, Keep: !e.db.Shared(), Now: e.now, Log: cfg.Log,
	})
}

// counters is the ratelimit.Store in the database.
type counters struct{ db *store.DB }

func (c counters) Saved(
	ctx context.Context, row func(ratelimit.Row), segment func(ratelimit.Segment) error,
) error {
	var each func(read.Cell)
	if row != nil {
		each = func(r read.Cell) { row(counterRow(r)) }
	}
	return c.db.SavedCounters(ctx, each, func(s read.CellBlock) error {
		return segment(ratelimit.Segment{Shard: s.Part, Data: s.Cells, Expires: s.ExpiresAt})
	})
}

func (c counters) Save(ctx context.Context, segments []ratelimit.Segment) error {
	return c.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, s := range segments {
			if s.Full {
				if err := tx.DropCellPart(ctx, s.Shard); err != nil {
					return err
				}
			}
			if len(s.Data) == 0 {
				continue
			}
			if err := tx.InsertCellBlock(ctx, s.Shard, s.Expires, s.Data); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c counters) DropRows(ctx context.Context) error {
	return deleteInChunks(ctx, c.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropCells(ctx, math.MaxInt64, chunk)
	})
}

func (c counters) DropSegments(ctx context.Context, before int64) error {
	return deleteInChunks(ctx, c.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropCellPartsBefore(ctx, before, chunk)
	})
}

func (c counters) DropExpired(ctx context.Context, now int64) error {
	return deleteAll(func() (int64, error) { return c.db.DropExpiredCounters(ctx, now, chunk) })
}

func (c counters) Update(
	ctx context.Context, keys []ratelimit.Row, decide func([]ratelimit.Row) []ratelimit.Row,
) error {
	return c.db.UpdateCounters(ctx, mapped(keys, storedRow), func(rows []read.Cell) []read.Cell {
		return mapped(decide(mapped(rows, counterRow)), storedRow)
	})
}

func mapped[A, B any](all []A, of func(A) B) []B {
	out := make([]B, len(all))
	for i := range all {
		out[i] = of(all[i])
	}
	return out
}

func counterRow(r read.Cell) ratelimit.Row {
	return ratelimit.Row{
		Workspace: r.WorkspaceID, Namespace: r.Namespace, Identifier: r.Identifier,
		Duration: r.Duration,
		Words:    [3]int64{r.Sequence, r.Current, r.Previous}, Expires: r.ExpiresAt,
	}
}

func storedRow(r ratelimit.Row) read.Cell {
	return read.Cell{
		WorkspaceID: r.Workspace, Namespace: r.Namespace, Identifier: r.Identifier,
		Duration: r.Duration,
		Sequence: r.Words[0], Current: r.Words[1], Previous: r.Words[2], ExpiresAt: r.Expires,
	}
}
