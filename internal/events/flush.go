package events

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"
)

// blockRows is how many events a full block has.
const blockRows = 32768

// blockBytes is from how many bytes of texts on a block is full, far below what can be
// decoded: nobody's long tags make a block that can't be read again.
const blockBytes = 8 << 20

// maxPending bounds the bytes of blocks that wait for a database that is down.
const maxPending = 64 << 20

// pending are blocks that aren't stored yet. Only the flusher uses it.
type pending struct {
	mu     sync.Mutex // held while a flush is under way
	blocks []*stored
	bytes  int
}

// drops counts events that were lost, until a row says so.
type drops struct {
	count [kinds]int64
	first int64 // unix ms
	// sequence numbers the row. It is the same at each attempt, as an earlier one may have
	// been committed.
	sequence int64
}

// stats are the log's own figures.
type stats struct {
	written  [kinds]atomic.Int64
	dropped  [kinds]atomic.Int64
	bytes    atomic.Int64
	failures atomic.Int64
	merged   atomic.Int64
	deleted  atomic.Int64
	waiting  atomic.Int64 // bytes
	took     atomic.Int64 // ns, of flushes
	flushes  atomic.Int64
}

// flushUntil writes what is in the buffer each second, when it is half full, and on request.
func (l *Log) flushUntil(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	failing := false
	for {
		var written chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wake:
		case written = <-l.flush:
		}
		err := l.write(ctx)
		if written != nil {
			close(written)
		}
		if err != nil && !failing && ctx.Err() == nil {
			l.log.Error("events can't be stored; they wait in memory, and the oldest are "+
				"dropped if it takes long", "error", err)
		}
		failing = err != nil
	}
}

// write stores everything that is in memory.
func (l *Log) write(ctx context.Context) error {
	l.pending.mu.Lock()
	defer l.pending.mu.Unlock()
	l.collect()
	p := &l.pending
	if len(p.blocks) == 0 && l.dropped.total() == 0 {
		return nil
	}
	if l.dropped.sequence == 0 {
		l.dropped.sequence = l.sequence.Add(1)
	}
	lost := l.dropped
	began := time.Now()
	at := l.now().UnixMilli()
	if len(p.blocks) > 0 {
		l.unsure.Store(p.blocks[0].sequence)
	}
	err := l.blocks.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, b := range p.blocks {
			if err := insert(ctx, tx, b, at); err != nil {
				return err
			}
		}
		return lost.insert(ctx, tx, l.node, at)
	})
	if err != nil {
		l.stats.failures.Add(1)
		return err
	}
	for _, b := range p.blocks {
		l.stats.written[b.kind].Add(int64(b.rows))
		l.stats.bytes.Add(int64(len(b.data)))
	}
	l.stats.took.Add(int64(time.Since(began)))
	l.stats.flushes.Add(1)
	l.stats.waiting.Store(0)
	p.blocks, p.bytes, l.dropped = nil, 0, drops{}
	l.unsure.Store(0)
	return nil
}

// collect encodes what is in the buffer, and drops the oldest blocks if too many wait.
func (l *Log) collect() {
	verified := &filler{log: l, kind: Verifications, builder: newBuilder()}
	l.verifications.drain(func(events []Verification) {
		for i := range events {
			verified.builder.verification(&events[i])
			verified.spill()
		}
	})
	verified.end()
	limited := &filler{log: l, kind: Limits, builder: newBuilder()}
	l.limits.drain(func(events []Limit) {
		for i := range events {
			limited.builder.limit(&events[i])
			limited.spill()
		}
	})
	limited.end()
	l.drop(Verifications, l.verifications.dropped.Swap(0))
	l.drop(Limits, l.limits.dropped.Swap(0))
	for p := &l.pending; p.bytes > maxPending; {
		oldest := p.blocks[0]
		p.blocks, p.bytes = p.blocks[1:], p.bytes-len(oldest.data)
		l.drop(oldest.kind, int64(oldest.rows))
	}
	l.stats.waiting.Store(int64(l.pending.bytes))
}

func (l *Log) drop(kind Kind, n int64) {
	if n == 0 {
		return
	}
	if l.dropped.total() == 0 {
		l.dropped.first = l.now().Add(-flushInterval).UnixMilli()
	}
	l.dropped.count[kind] += n
	l.stats.dropped[kind].Add(n)
}

func (d *drops) total() (n int64) {
	for _, count := range d.count {
		n += count
	}
	return n
}

func (d *drops) insert(ctx context.Context, tx *sql.Tx, node string, at int64) error {
	for kind, n := range d.count {
		if n == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO event_drops
			(node, sequence, kind, first_at, last_at, dropped) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (node, sequence, kind) DO UPDATE
			SET last_at = excluded.last_at, dropped = excluded.dropped`,
			node, d.sequence, kind, d.first, at, n); err != nil {
			return err
		}
	}
	return nil
}

// filler fills blocks of one kind.
type filler struct {
	log     *Log
	kind    Kind
	builder *builder
}

// spill ends the block if it is full.
func (f *filler) spill() {
	if f.builder.block.Rows >= blockRows || f.builder.size >= blockBytes {
		f.end()
		f.builder = newBuilder()
	}
}

// end encodes the block, if it has anything.
func (f *filler) end() {
	if f.builder.block.Rows == 0 {
		return
	}
	b := f.log.newStored(f.kind, Raw, 0, &f.builder.block)
	p := &f.log.pending
	p.blocks, p.bytes = append(p.blocks, b), p.bytes+len(b.data)
}

// newStored encodes a block and gives it the next number.
func (l *Log) newStored(kind Kind, step Step, level int, b *Block) *stored {
	first, last := b.span()
	return &stored{
		node: l.node, sequence: l.sequence.Add(1), kind: kind, step: step, level: level,
		rows: b.Rows, first: first, last: last, data: b.encode(),
	}
}
