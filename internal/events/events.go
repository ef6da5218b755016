// Package events records what happened to keys and rate limits. Recorded events wait in a
// bounded buffer, and a background flusher writes them once a second as compressed columns,
// in blocks. Small blocks are merged, and merged events are rolled up into hours, days and
// months. Blocks are rows of one table, in a SQLite file of its own or in PostgreSQL; the
// package knows nothing of the API.
//
// What can be lost: the events of the last second, and of the flush under way, if the process
// is killed; none if it is closed. Events that find the buffer full are dropped, and counted
// in the table, so that a total can say what it lacks.
package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a [Log]. Either File or Pool is required.
type Config struct {
	// File is the path of the SQLite file, which is created if it is missing.
	File string
	// Pool is a PostgreSQL database. The log doesn't close it.
	Pool *sql.DB
	// Node names the writer of blocks. No two processes may share it, and no two runs.
	Node string
	// Now returns the time; time.Now by default.
	Now func() time.Time
	// Log receives errors; slog.Default by default.
	Log *slog.Logger
	// Retention is how long single events are kept; 90 days by default. Decisions on
	// limits are kept for a month at most.
	Retention time.Duration
	// MaxBytes bounds the size of the blocks of single events: the oldest are deleted
	// beyond it. 10 GB by default.
	MaxBytes int64
}

// Defaults of Config.
const (
	DefaultRetention = 90 * 24 * time.Hour
	DefaultMaxBytes  = 10e9
)

// flushInterval is how long events wait in the buffer at most.
const flushInterval = time.Second

// Log records events and reads them. It is safe for concurrent use.
type Log struct {
	verifications buffer[Verification]
	limits        buffer[Limit]
	blocks        table
	now           func() time.Time
	log           *slog.Logger
	retention     time.Duration
	maxBytes      int64

	node     string
	sequence atomic.Int64 // of the last block
	pending  pending
	dropped  drops
	unsure   atomic.Int64 // the first block that may be stored and isn't known to be; or 0

	wake  chan struct{}      // the buffer is half full
	flush chan chan struct{} // requests to flush now
	stats stats
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// Open starts a log. It fails only if Config is wrong: a database that can't be reached, or a
// damaged file, must not keep the service from starting.
func Open(cfg Config) (*Log, error) {
	if cfg.Retention < 0 || cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("events: retention %v and size %d must not be negative",
			cfg.Retention, cfg.MaxBytes)
	}
	l := &Log{
		now: cfg.Now, log: cfg.Log, node: cfg.Node,
		retention: cfg.Retention, maxBytes: cfg.MaxBytes,
		wake: make(chan struct{}, 1), flush: make(chan chan struct{}),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	if l.retention == 0 {
		l.retention = DefaultRetention
	}
	if l.maxBytes == 0 {
		l.maxBytes = DefaultMaxBytes
	}
	l.blocks = table{file: cfg.File, pool: cfg.Pool, log: l.log}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.flushUntil(ctx) })
	l.done.Go(func() { l.maintainUntil(ctx) })
	return l, nil
}

// Close writes the events that are still in memory and ends the log. Events that are recorded
// later are lost.
func (l *Log) Close(ctx context.Context) error {
	l.stop()
	l.done.Wait()
	err := l.write(ctx)
	return errors.Join(err, l.blocks.close())
}

// Retention returns how long single events of a kind are kept.
func (l *Log) Retention(kind Kind) time.Duration { return min(l.retention, ages[kind][Raw]) }

// Kept returns how long rows of a step are kept.
func (l *Log) Kept(kind Kind, step Step) time.Duration {
	if step == Raw || step == Minute {
		return l.Retention(kind)
	}
	return ages[kind][step]
}

// Verify records a verification. The lane spreads concurrent callers; only speed depends on it.
func (l *Log) Verify(lane uint32, v *Verification) {
	if l.verifications.add(lane, v, v.tagBytes()) {
		l.wakeUp()
	}
}

// Limited records a decision on a limit.
func (l *Log) Limited(lane uint32, d *Limit) {
	if l.limits.add(lane, d, len(d.Identifier)) {
		l.wakeUp()
	}
}

func (l *Log) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush waits until the events that are recorded so far can be read, or ctx ends.
func (l *Log) Flush(ctx context.Context) error {
	written := make(chan struct{})
	select {
	case l.flush <- written:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
