package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// RowsConfig is what a Rows is made of.
type RowsConfig struct {
	// Store is where the nodes count.
	Store Store
	// Nodes returns how many nodes share the Store now, this one included.
	Nodes func() int
	// Now returns the time by which the Store is swept, in unix milliseconds.
	Now func() int64
	// Log receives when the Store goes out of reach and comes back.
	Log *slog.Logger
}

// Rows is the Limiter of nodes that share rows of a database. It is exact over
// all of them as long as the rows are in reach. Calls that wait while others are
// being counted are counted together in the next transaction.
//
// Each call is decided by its caller's clock. Where clocks differ, the one that is
// ahead leads: no counts are lost, and callers behind it are decided too strictly.
//
// While the rows are out of reach, that is from the first call which got no answer
// within a second, each node decides alone. It remembers of each Key what it last
// saw of the shared count, and passes what fits its Nth of what was left then; in a
// window that began meanwhile, an Nth of the limit; of the tokens that a bucket
// gains, an Nth. Requests that ask for it are refused instead. What passed is added
// to the rows when they are back. More than the limit can pass only by what other
// nodes counted between this one's last look and the outage. A transaction that
// was committed though its answer was lost is counted twice: too strict, never too
// generous.
type Rows struct {
	cfg    RowsConfig
	takes  chan *rowsTake
	back   chan struct{} // the rows are in reach again
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	metrics rowsMetrics

	// What follows belongs to the one goroutine that counts.
	gone bool
	now  int64 // the latest time that a call came with, unix milliseconds
	seen map[Key]tally
}

// rowsTake is one call of Take and, once done is closed, its outcome.
type rowsTake struct {
	now       int64
	requests  []Request
	decisions []Decision
	done      chan struct{}
}

var _ Limiter = (*Rows)(nil)

// rowsSeed is what the Keys of a batch are told apart by.
var rowsSeed = maphash.MakeSeed()

const (
	rowsBatch   = 128                    // calls that are counted in one transaction at most
	rowsTimeout = time.Second            // after which the rows are out of reach
	rowsProbe   = 100 * time.Millisecond // how often it is tried whether they are back
)

// OpenRows returns a Rows that counts until it is closed. Segments that a Memory
// has saved, as a copy of its Store has them, become rows first.
func OpenRows(ctx context.Context, cfg RowsConfig) (*Rows, error) {
	if err := unpack(ctx, cfg.Store); err != nil {
		return nil, fmt.Errorf("rate limits: %w", err)
	}
	r := &Rows{
		cfg: cfg, takes: make(chan *rowsTake, rowsBatch), back: make(chan struct{}),
		seen: make(map[Key]tally),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(r.run)
	r.done.Go(func() { sweepStore(r.ctx, cfg.Store, cfg.Now, cfg.Log) })
	return r, nil
}

// Close ends the counting. No call of Take may be under way. It returns no error.
func (r *Rows) Close(context.Context) error {
	r.cancel()
	r.done.Wait()
	return nil
}

// Take decides the requests as Limiter says. It never returns an error but that
// of ctx.
func (r *Rows) Take(ctx context.Context, now int64, requests []Request) ([]Decision, error) {
	t := &rowsTake{now: max(now, 0), requests: requests, done: make(chan struct{})}
	select {
	case r.takes <- t:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	<-t.done // soon, whatever happens to the rows
	return t.decisions, nil
}

// TakeOne is Take for a batch of one.
func (r *Rows) TakeOne(ctx context.Context, now int64, request Request) (Decision, error) {
	decisions, err := r.Take(ctx, now, []Request{request})
	if err != nil {
		return Decision{}, err
	}
	return decisions[0], nil
}

func (r *Rows) run() {
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case first := <-r.takes:
			r.decide(r.gather(first))
		case <-r.back:
			r.returned()
		case <-sweep.C:
			r.sweep()
		case <-r.ctx.Done():
			return
		}
	}
}

// gather returns the calls that wait.
func (r *Rows) gather(first *rowsTake) []*rowsTake {
	group := append(make([]*rowsTake, 0, rowsBatch), first)
	for len(group) < rowsBatch {
		select {
		case t := <-r.takes:
			group = append(group, t)
		default:
			return group
		}
	}
	return group
}

// decide decides calls, on the rows if they are in reach.
func (r *Rows) decide(group []*rowsTake) {
	for _, t := range group {
		r.now = max(r.now, t.now)
	}
	if !r.gone {
		if err := r.count(keysOf(group), group); err != nil {
			r.lost(err)
		}
	}
	if r.gone {
		r.metrics.alone.Add(uint64(len(group)))
	} else {
		r.metrics.shared.Add(uint64(len(group)))
	}
	for _, t := range group {
		if r.gone {
			t.decisions = r.alone(t.now, t.requests)
		}
		close(t.done)
	}
}

// keysOf returns the keys of calls.
func keysOf(group []*rowsTake) map[Key]state {
	keys := make(map[Key]state)
	for _, t := range group {
		for i := range t.requests {
			if q := &t.requests[i]; !q.invalid() { // which is refused unseen
				keys[q.Key] = state{}
			}
		}
	}
	return keys
}

// count decides calls on the rows of the keys, which are all that they name, and
// adds to these rows what was passed alone.
func (r *Rows) count(states map[Key]state, group []*rowsTake) error {
	ctx, cancel := context.WithTimeout(r.ctx, rowsTimeout)
	defer cancel()
	err := update(ctx, r.cfg.Store, states, func(key *Key, s state) state {
		return key.rules().join(s, r.seen[*key].own, key.Duration, 1)
	}, func() {
		for _, t := range group {
			t.decisions = takeFrom(states, t.now, t.requests)
		}
	})
	if err != nil {
		return err
	}
	r.metrics.commits.Add(1)
	for key, s := range states {
		r.seen[key] = tally{heard: s}
	}
	return nil
}

// update reads the rows of the keys into states, each changed by add, calls work,
// and saves the states that have changed, all in one transaction.
func update(
	ctx context.Context, store Store, states map[Key]state, add func(*Key, state) state,
	work func(),
) error {
	keys, wanted := sortedRows(states)
	return store.Update(ctx, wanted, func(rows []Row) []Row {
		for i := range keys {
			states[keys[i]] = add(&keys[i], rows[i].state())
		}
		work()
		var changed []Row
		for i := range keys {
			if s := states[keys[i]]; s != rows[i].state() {
				changed = append(changed, keys[i].row(s))
			}
		}
		return changed
	})
}

// sortedRows returns the keys and their rows in the order of the rows: whoever
// locks rows in one order can't wait for one another in a circle.
func sortedRows(states map[Key]state) ([]Key, []Row) {
	rows := make([]Row, 0, len(states))
	for key := range states {
		rows = append(rows, key.row(state{}))
	}
	slices.SortFunc(rows, compareRows)
	keys := make([]Key, len(rows))
	for i := range rows {
		keys[i], _, _ = rows[i].counter() // which made the row
	}
	return keys, rows
}

func compareRows(a, b Row) int {
	return cmp.Or(
		strings.Compare(a.Workspace, b.Workspace),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Identifier, b.Identifier),
		cmp.Compare(a.Duration, b.Duration),
	)
}

// takeFrom decides a batch, all or nothing, on the states and keeps those that it
// changes.
func takeFrom(known map[Key]state, now int64, requests []Request) []Decision {
	b := rowsBatchOf(requests)
	states := make([]state, len(b.counters))
	for i := range states {
		states[i] = known[b.counters[i].Key]
	}
	decisions := b.take(now, states)
	if allPassed(decisions) {
		for i, c := range b.counters {
			if c.counted {
				known[c.Key] = states[i]
			}
		}
	}
	return decisions
}

// alone decides a batch without the rows, by this node's share of what they left.
func (r *Rows) alone(now int64, requests []Request) []Decision {
	b := rowsBatchOf(requests)
	tallies := make([]tally, len(b.counters))
	for i := range tallies {
		tallies[i] = r.seen[b.counters[i].Key]
	}
	decisions, after, _ := b.decideAlone(now, tallies, max(r.cfg.Nodes(), 1), true)
	if allPassed(decisions) {
		for i, c := range b.counters {
			if c.counted {
				r.seen[c.Key] = after[i]
			}
		}
	}
	return decisions
}

func rowsBatchOf(requests []Request) batch {
	return sortOut(requests, func(key *Key) uint64 { return maphash.Comparable(rowsSeed, *key) })
}

// lost begins to decide alone, and to look for the rows.
func (r *Rows) lost(err error) {
	if r.ctx.Err() == nil {
		r.cfg.Log.Warn("rate limits: the shared counters are out of reach; "+
			"each node decides with its share", "error", err)
	}
	r.gone = true
	r.metrics.gone.Store(true)
	r.done.Go(func() {
		for r.ctx.Err() == nil {
			ctx, cancel := context.WithTimeout(r.ctx, rowsTimeout)
			err := r.cfg.Store.Update(ctx, nil, func([]Row) []Row { return nil })
			cancel()
			if err == nil {
				select {
				case r.back <- struct{}{}:
				case <-r.ctx.Done():
				}
				return
			}
			select {
			case <-time.After(rowsProbe):
			case <-r.ctx.Done():
			}
		}
	})
}

// returned adds to the rows what was passed without them.
func (r *Rows) returned() {
	r.gone = false
	r.metrics.gone.Store(false)
	owed := make(map[Key]state)
	for key, t := range r.seen {
		if t.own != (state{}) {
			owed[key] = state{}
		}
	}
	for some := range chunks(owed, rowsBatch) {
		if err := r.count(some, nil); err != nil {
			r.lost(err)
			return
		}
	}
	r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(owed))
}

// chunks cuts states into parts of a size.
func chunks(states map[Key]state, size int) iter.Seq[map[Key]state] {
	return func(yield func(map[Key]state) bool) {
		for keys := range slices.Chunk(slices.Collect(maps.Keys(states)), size) {
			part := make(map[Key]state, len(keys))
			for _, key := range keys {
				part[key] = states[key]
			}
			if !yield(part) {
				return
			}
		}
	}
}

// unpack turns the segments of a Store into rows. Of several states of a counter,
// one in a row among them, the largest counts, so that it does no harm if several
// nodes do this, or one of them is late.
func unpack(ctx context.Context, store Store) error {
	segments, states := false, make(map[Key]state)
	err := store.Saved(ctx, nil, func(s Segment) error {
		segments = true
		return s.Each(func(r Row) {
			if key, s, err := r.counter(); err == nil {
				states[key] = key.rules().merge(states[key], s)
			}
		})
	})
	if err != nil || !segments {
		return err
	}
	for some := range chunks(states, 1000) {
		merge := func(key *Key, s state) state { return key.rules().merge(s, states[*key]) }
		if err := update(ctx, store, maps.Clone(some), merge, func() {}); err != nil {
			return err
		}
	}
	return store.DropSegments(ctx, math.MaxInt64)
}

// sweep forgets the Keys that no longer matter.
func (r *Rows) sweep() {
	nodes := max(r.cfg.Nodes(), 1)
	for key, t := range r.seen {
		if t.expires(&key, nodes) <= r.now-sweepInterval.Milliseconds() {
			delete(r.seen, key)
		}
	}
}
