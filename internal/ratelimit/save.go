package ratelimit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"
)

// Store keeps counters beyond the life of a process, without interpreting them: a
// counter is a Row, and many that were saved together are a Segment.
type Store interface {
	// Saved passes all rows and all segments, in any order. A nil row skips rows.
	Saved(ctx context.Context, row func(Row), segment func(Segment) error) error
	// Save saves segments in one transaction, each beside those that its shard
	// has, or in place of them if it is a Full one.
	Save(ctx context.Context, segments []Segment) error
	// DropRows drops all rows.
	DropRows(ctx context.Context) error
	// DropSegments drops the segments of all shards with a lower number.
	DropSegments(ctx context.Context, before int64) error
	// DropExpired drops the rows and segments that have expired.
	DropExpired(ctx context.Context, now int64) error
	// Update passes the rows with the given keys to decide, in their order, and
	// saves those that it returns, in one serializable transaction. The keys are
	// sorted and distinct; a key without a row gets one without counts. Update can
	// call decide more than once; the last call counts. Only Rows needs it.
	Update(ctx context.Context, keys []Row, decide func([]Row) []Row) error
}

// Row is a saved counter. The first four fields are its key.
type Row struct {
	Workspace, Namespace, Identifier string
	Duration                         int64
	Words                            [3]int64 // the bits of the state
	Expires                          int64    // when it no longer matters, Unix milliseconds
}

// Segment has counters of a shard of a Memory that were saved together.
type Segment struct {
	Shard   int64
	Full    bool   // Data has all counters of the shard
	Data    []byte // rows, as appendRow writes them; can be empty in a full one
	Expires int64  // when the last of the rows no longer matters
}

// mark encloses the name of an algorithm before a row's namespace. Rows of sliding
// windows have none, like those of releases without another algorithm.
const mark = "\x01"

// row returns the saved form of a counter.
func (k *Key) row(s state) Row {
	r := Row{
		Workspace: k.Workspace, Namespace: k.Namespace, Identifier: k.Identifier,
		Duration: k.Duration,
		Words:    [3]int64{int64(s.a), int64(s.b), int64(s.c)},
		Expires:  k.rules().expires(s, k.Duration),
	}
	if k.Algorithm != SlidingWindow || strings.HasPrefix(k.Namespace, mark) {
		r.Namespace = mark + k.Algorithm.String() + mark + k.Namespace
	}
	return r
}

// counter returns the counter of a row. An algorithm that only a later release knows
// is an error.
func (r *Row) counter() (key Key, s state, err error) {
	key = Key{
		Workspace: r.Workspace, Namespace: r.Namespace, Identifier: r.Identifier,
		Duration: r.Duration,
	}
	if marked, ok := strings.CutPrefix(r.Namespace, mark); ok {
		var name string
		name, key.Namespace, _ = strings.Cut(marked, mark)
		key.Algorithm, err = ParseAlgorithm(name)
	}
	return key, r.state(), err
}

func (r *Row) state() state {
	return state{uint64(r.Words[0]), uint64(r.Words[1]), uint64(r.Words[2])}
}

// saver saves a Memory.
type saver struct {
	mu    sync.Mutex // held during a save
	store Store
	first int64 // the number of the first shard, above those of earlier processes
	old   bool  // the store can have counters of earlier processes
}

// transactionRows is the minimum number of counters in a transaction, except the
// last. A segment is never divided.
const transactionRows = 10_000

// load loads what is saved, which stays in the store until all of it is saved again.
// If a counter has several states, the largest one counts, so loading one twice, or
// an old one and a new one, is harmless.
func (m *Memory) load(ctx context.Context, store Store) error {
	last := int64(0)
	err := store.Saved(ctx, m.restore, func(s Segment) error {
		last = max(last, s.Shard)
		return s.Each(m.restore)
	})
	if err != nil {
		return fmt.Errorf("rate limits: %w", err)
	}
	m.saver = &saver{store: store, first: last + 1, old: true}
	return nil
}

// restore loads one saved counter. It is marked as changed, because each Memory has
// its own shards.
func (m *Memory) restore(r Row) {
	key, saved, err := r.counter()
	if err != nil {
		return // saved by a later release, before a downgrade
	}
	s, hash := m.table.at(&key)
	defer s.mu.Unlock()
	e := s.use(hash, &key)
	e.state = key.rules().merge(e.state, saved)
	s.mark(e)
}

// Save saves what has changed since the last save, and then drops what earlier
// processes have saved. The next save includes what this one can't save. If the
// process dies, unsaved counts are lost. Save can run concurrently with all other
// methods.
func (m *Memory) Save(ctx context.Context) error {
	if m.saver == nil {
		return nil
	}
	m.saver.mu.Lock()
	defer m.saver.mu.Unlock()
	var waiting []pending
	rows := 0
	for i := range m.table.shards {
		p := m.saver.changed(&m.table.shards[i], i)
		if len(p.counters) == 0 && !p.Full {
			continue
		}
		waiting = append(waiting, p)
		if rows += len(p.counters); rows < transactionRows {
			continue
		}
		if err := m.write(ctx, waiting); err != nil {
			return err
		}
		waiting, rows = waiting[:0], 0
	}
	if err := m.write(ctx, waiting); err != nil || !m.saver.old {
		return err
	}
	return m.saver.dropOld(ctx)
}

// dropOld drops what earlier processes have saved, after all of it is saved again.
func (v *saver) dropOld(ctx context.Context) error {
	if err := errors.Join(v.store.DropRows(ctx), v.store.DropSegments(ctx, v.first)); err != nil {
		return fmt.Errorf("rate limits: %w", err)
	}
	v.old = false
	return nil
}

// write saves segments in one transaction, or leaves them for the next time.
func (m *Memory) write(ctx context.Context, waiting []pending) error {
	if len(waiting) == 0 {
		return nil
	}
	segments := make([]Segment, len(waiting))
	for i := range waiting {
		segments[i] = waiting[i].Segment
	}
	err := m.saver.store.Save(ctx, segments)
	if err == nil {
		return nil
	}
	for i := range waiting {
		m.table.requeue(&waiting[i])
	}
	return fmt.Errorf("rate limits: %w", err)
}

// pending is a Segment with its counters.
type pending struct {
	Segment
	shard    int // its index in the table
	counters []saved
}

// saved is a counter in the state to save.
type saved struct {
	Key
	state state
}

// changed returns the segment to save of a shard.
//
// The segments of a shard grow until they would have more than twice the counters of
// the shard; then a full segment replaces them. So that is the maximum, and each
// change is written at most about twice. One row for each Key would touch three pages
// of the database for each counter: it took 13 times the CPU time (BenchmarkSave in
// internal/engine) and 8 times the space. Full segments also drop expired counters.
//
// It locks the shard for about a millisecond if a hundred thousand counters have
// changed.
func (v *saver) changed(s *shard[state], index int) pending {
	p := pending{shard: index, Segment: Segment{Shard: v.first + int64(index)}}
	s.mu.Lock()
	p.counters = make([]saved, 0, len(s.marked))
	s.unmark(func(e *entry[state]) { p.counters = append(p.counters, saved{e.Key, e.state}) })
	s.saved += len(p.counters)
	p.Full = s.saved > 2*len(s.chains)
	s.mu.Unlock()
	if p.Full {
		p.counters = snapshot(s)
	}
	var last Row
	for i := range p.counters {
		c := &p.counters[i]
		r := c.row(c.state)
		p.Data, p.Expires = appendRow(p.Data, &r, &last), max(p.Expires, r.Expires)
		last = r
	}
	return p
}

// snapshot returns all counters of a shard. Counters that change or are added while
// it unlocks the shard are marked, so they are saved again.
func snapshot(s *shard[state]) []saved {
	s.mu.Lock()
	counters := make([]saved, 0, len(s.chains))
	s.mu.Unlock()
	s.visit(func(e *entry[state]) { counters = append(counters, saved{e.Key, e.state}) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = len(counters)
	return counters
}

// requeue marks the counters of a segment that could not be saved, so that the next
// save includes them, except those that were swept. It is unknown what the store has
// of the shard now, so a full segment replaces it.
func (t *table[S]) requeue(p *pending) {
	s := &t.shards[p.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range p.counters {
		key := &p.counters[i].Key
		if e := s.find(t.hash(key), key); e != nil {
			s.mark(e)
		}
	}
	s.saved = math.MaxInt / 2
}

// appendRow appends a row after the last one, without a separator. A text is its
// length plus one and its bytes, or 0 if it is that of the last row. Numbers that are
// similar in most rows are the difference from the last row, which can wrap around.
func appendRow(p []byte, r, last *Row) []byte {
	p = appendText(p, r.Workspace, last.Workspace)
	p = appendText(p, r.Namespace, last.Namespace)
	p = appendText(p, r.Identifier, last.Identifier)
	p = binary.AppendVarint(p, r.Duration-last.Duration)
	p = binary.AppendVarint(p, r.Words[0]-last.Words[0])
	p = binary.AppendVarint(p, r.Expires-last.Expires)
	p = binary.AppendVarint(p, r.Words[1])
	return binary.AppendVarint(p, r.Words[2])
}

func appendText(p []byte, s, last string) []byte {
	if s == last {
		return append(p, 0)
	}
	return append(binary.AppendUvarint(p, uint64(len(s))+1), s...)
}

// errSegment means that a segment can't be decoded.
var errSegment = errors.New("a segment of saved counters is damaged")

// Each calls visit for each row of a segment.
func (s *Segment) Each(visit func(Row)) error {
	var row Row
	r := rowReader{rest: s.Data}
	for len(r.rest) > 0 {
		row.Workspace = r.text(row.Workspace)
		row.Namespace = r.text(row.Namespace)
		row.Identifier = r.text(row.Identifier)
		row.Duration += r.number()
		row.Words[0] += r.number()
		row.Expires += r.number()
		row.Words[1], row.Words[2] = r.number(), r.number()
		if r.err != nil {
			return fmt.Errorf("%w (shard %d)", r.err, s.Shard)
		}
		visit(row)
	}
	return nil
}

// rowReader reads the data of a segment. After an error its results are undefined.
type rowReader struct {
	rest []byte
	err  error
}

func (r *rowReader) text(last string) string {
	size, n := binary.Uvarint(r.rest)
	if n <= 0 || size > uint64(len(r.rest)-n)+1 {
		r.rest, r.err = nil, errSegment
		return ""
	}
	r.rest = r.rest[n:]
	if size == 0 {
		return last
	}
	s := string(r.rest[:size-1])
	r.rest = r.rest[size-1:]
	return s
}

func (r *rowReader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.rest, r.err = nil, errSegment
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// sweepStore drops what has expired from a Store every minute, until the context
// ends. Only it drops what another kind of Limiter has left there.
func sweepStore(ctx context.Context, store Store, now func() int64, log *slog.Logger) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := store.DropExpired(ctx, now()-sweepInterval.Milliseconds())
		if err != nil && ctx.Err() == nil {
			log.Error("rate limits: can't drop expired counters; retrying in a minute", "error",
				err)
		}
	}
}
