package engine

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// limiter is where rate limits are counted: in memory or in what nodes share.
type limiter struct {
	memory *ratelimit.Memory // counts of this node alone
	kept   bool              // memory's windows are saved in the store, which is this node's alone
	shared sharedLimiter     // counts of all nodes, in place of memory
}

// sharedLimiter is a limiter over connections.
type sharedLimiter interface {
	ratelimit.Limiter
	prometheus.Collector
	Close()
}

// openLimiter chooses where rate limits are counted. A database that nodes share
// counts only where the limits are to be exact and there is no Redis.
func (e *Engine) openLimiter(ctx context.Context, cfg Config) error {
	var err error
	switch {
	case cfg.Limits != Local && cfg.Redis != "":
		e.limiter.shared, err = ratelimit.OpenRedis(ctx, ratelimit.RedisConfig{
			URL: cfg.Redis, Fast: cfg.Limits == Fast, Nodes: e.nodes.live, OwnClock: cfg.Now == nil, Log: cfg.Log,
		})
		return err
	case cfg.Limits != Local && e.db.Shared():
		e.limiter.shared = ratelimit.OpenRows(ratelimit.RowsConfig{Count: e.countCells, Nodes: e.nodes.live, Log: cfg.Log})
		return nil
	}
	e.limiter.memory, e.limiter.kept = ratelimit.NewMemory(), !e.db.Shared()
	if !e.limiter.kept {
		return nil
	}
	return e.loadCells(ctx)
}

// counters returns where rate limits are decided and counted.
func (l *limiter) counters() ratelimit.Limiter {
	if l.memory != nil {
		return l.memory
	}
	return l.shared
}

func (l *limiter) close() {
	if l.shared != nil {
		l.shared.Close()
	}
}

// countCells is the database of ratelimit.Rows.
func (e *Engine) countCells(ctx context.Context, keys []ratelimit.Key, decide func([]ratelimit.Cell) []ratelimit.Cell) error {
	wanted := make([]read.Cell, len(keys))
	for i, key := range keys {
		wanted[i] = rowOf(ratelimit.Cell{Key: key})
	}
	return e.db.CountCells(ctx, wanted, func(rows []read.Cell) []read.Cell {
		cells := make([]ratelimit.Cell, len(rows))
		for i, row := range rows {
			cells[i] = cellOf(row)
		}
		changed := decide(cells)
		rows = make([]read.Cell, len(changed))
		for i, cell := range changed {
			rows[i] = rowOf(cell)
		}
		return rows
	})
}
