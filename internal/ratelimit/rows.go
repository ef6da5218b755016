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

// RowsConfig configures a Rows.
type RowsConfig struct {
	// Store has the shared counters.
	Store Store
	// Nodes returns the current number of nodes that share the Store, including this
	// one.
	Nodes func() int
	// Now returns the time by which the Store is swept, in unix milliseconds.
	Now func() int64
	// Log gets a record when the Store becomes unreachable and when it is back.
	Log *slog.Logger
}

// Rows is the Limiter of nodes that share counters in rows of a database. It is
// exact over all nodes while the database is reachable. Calls that arrive during a
// transaction are counted together in the next one.
//
// Each call is decided by its caller's clock. If clocks differ, the latest one
// leads: no counts are lost, and calls with an earlier clock are decided too
// strictly.
//
// While the rows are unreachable, that is from the first call without a response
// within a second, each of N nodes decides locally. It keeps the last state of each
// Key and admits 1/N of what was left then; in a window that begins meanwhile, 1/N
// of the limit; of the tokens that a bucket gains, 1/N. Requests with Refuse are
// denied. What was admitted is added to the rows when they are back. The limit can
// be exceeded only by what other nodes counted between this node's last state and
// the outage. A transaction that was committed but whose response was lost is
// counted twice: too strict, never too lenient.
type Rows struct {
	cfg    RowsConfig
	takes  chan *rowsTake
	back   chan struct{} // the rows are reachable again
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	metrics rowsMetrics

	// The fields below belong to the one goroutine that counts.
	unreachable bool
	now         int64 // the latest time of a call, unix milliseconds
	tallies     map[Key]tally
}

// rowsTake is one call of Take, and its outcome once done is closed.
type rowsTake struct {
	now       int64
	requests  []Request
	decisions []Decision
	done      chan struct{}
}

var _ Limiter = (*Rows)(nil)

// rowsSeed is the seed for the hashes of Keys.
var rowsSeed = maphash.MakeSeed()

const (
	rowsBatch   = 128                    // maximum number of calls in one transaction
	rowsTimeout = time.Second            // after which the rows count as unreachable
	rowsProbe   = 100 * time.Millisecond // time between probes while they are
)

// OpenRows returns a Rows that counts until it is closed. It first turns segments
// that a Memory has saved, such as those in a copied Store, into rows.
func OpenRows(ctx context.Context, cfg RowsConfig) (*Rows, error) {
	if err := unpack(ctx, cfg.Store); err != nil {
		return nil, fmt.Errorf("rate limits: %w", err)
	}
	r := &Rows{
		cfg: cfg, takes: make(chan *rowsTake, rowsBatch), back: make(chan struct{}),
		tallies: make(map[Key]tally),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(r.run)
	r.done.Go(func() { sweepStore(r.ctx, cfg.Store, cfg.Now, cfg.Log) })
	return r, nil
}

// Close stops counting. There must be no call of Take in flight. It returns no error.
func (r *Rows) Close(context.Context) error {
	r.cancel()
	r.done.Wait()
	return nil
}

// Reachable reports whether the rows are reachable.
func (r *Rows) Reachable() bool { return !r.metrics.unreachable.Load() }

// Take decides the requests as Limiter says. It returns no error except that of ctx.
func (r *Rows) Take(ctx context.Context, now int64, requests []Request) ([]Decision, error) {
	t := &rowsTake{now: max(now, 0), requests: requests, done: make(chan struct{})}
	select {
	case r.takes <- t:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	<-t.done // soon, even if the rows are unreachable
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
			r.reconnected()
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

// decide decides calls, on the rows if they are reachable.
func (r *Rows) decide(group []*rowsTake) {
	for _, t := range group {
		r.now = max(r.now, t.now)
	}
	if !r.unreachable {
		if err := r.count(keysOf(group), group); err != nil {
			r.lost(err)
		}
	}
	if r.unreachable {
		r.metrics.local.Add(uint64(len(group)))
	} else {
		r.metrics.shared.Add(uint64(len(group)))
	}
	for _, t := range group {
		if r.unreachable {
			t.decisions = r.decideLocally(t.now, t.requests)
		}
		close(t.done)
	}
}

// keysOf returns the keys of calls.
func keysOf(group []*rowsTake) map[Key]state {
	keys := make(map[Key]state)
	for _, t := range group {
		for i := range t.requests {
			if q := &t.requests[i]; !q.invalid() { // invalid ones need no state
				keys[q.Key] = state{}
			}
		}
	}
	return keys
}

// count decides calls on the rows of the keys, which must be all keys of the calls,
// and adds to these rows what this node has admitted locally.
func (r *Rows) count(states map[Key]state, group []*rowsTake) error {
	ctx, cancel := context.WithTimeout(r.ctx, rowsTimeout)
	defer cancel()
	err := update(ctx, r.cfg.Store, states, func(key *Key, s state) state {
		return key.rules().join(s, r.tallies[*key].own, key.Duration, 1)
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
		r.tallies[key] = tally{synced: s}
	}
	return nil
}

// update reads the rows of the keys into states, applies add to each, calls work, and
// saves the states that have changed, all in one transaction.
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

// sortedRows returns the keys and their rows in the order of the rows. Locking rows
// in one order prevents deadlocks.
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

// takeFrom decides a batch, all or nothing, on the states and stores the changed ones.
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

// decideLocally decides a batch without the rows, by this node's share of what they
// left.
func (r *Rows) decideLocally(now int64, requests []Request) []Decision {
	b := rowsBatchOf(requests)
	tallies := make([]tally, len(b.counters))
	for i := range tallies {
		tallies[i] = r.tallies[b.counters[i].Key]
	}
	decisions, after, _ := b.decideLocally(now, tallies, max(r.cfg.Nodes(), 1), true)
	if allPassed(decisions) {
		for i, c := range b.counters {
			if c.counted {
				r.tallies[c.Key] = after[i]
			}
		}
	}
	return decisions
}

func rowsBatchOf(requests []Request) batch {
	return newBatch(requests, func(key *Key) uint64 { return maphash.Comparable(rowsSeed, *key) })
}

// lost switches to local decisions and starts probing the rows.
func (r *Rows) lost(err error) {
	if r.ctx.Err() == nil {
		r.cfg.Log.Warn("rate limits: the shared counters are unreachable; "+
			"each node decides with its share", "error", err)
	}
	r.unreachable = true
	r.metrics.unreachable.Store(true)
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

// reconnected adds to the rows what this node has admitted locally.
func (r *Rows) reconnected() {
	r.unreachable = false
	r.metrics.unreachable.Store(false)
	owed := make(map[Key]state)
	for key, t := range r.tallies {
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

// chunks splits states into parts of at most size.
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

// unpack turns the segments of a Store into rows. If a counter has several states,
// including that of a row, the largest one counts, so several nodes can do this, at
// any time.
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

// sweep drops the Keys that no longer matter.
func (r *Rows) sweep() {
	nodes := max(r.cfg.Nodes(), 1)
	for key, t := range r.tallies {
		if t.expires(&key, nodes) <= r.now-sweepInterval.Milliseconds() {
			delete(r.tallies, key)
		}
	}
}
