package ratelimit

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// RowsConfig is what a Rows is made of.
type RowsConfig struct {
	// Count gives decide the cells of the keys, in their order, and saves those
	// that it returns, all in one transaction that nobody else can come between.
	// The keys are sorted, each there once; one without a row has a zero Cell.
	// It may call decide more than once; the last time counts.
	Count func(ctx context.Context, keys []Key, decide func([]Cell) []Cell) error
	// Nodes is how many nodes share the rows now, this one included.
	Nodes func() int
	// Log is told when the rows go out of reach and come back.
	Log *slog.Logger
}

// Rows is the Limiter of nodes that share rows of a database. It is exact over
// all of them as long as the rows are in reach. Calls that wait while others are
// being counted are counted together in the next transaction.
//
// The windows are those of the callers' clocks. Where these differ, the one that
// is ahead leads: the others are decided as at the beginning of the window that
// it has reached, which forgives nothing.
//
// While the rows are out of reach, that is from the first call which got no
// answer within a quarter of a second, each node decides alone. It remembers of
// each Key what it last saw of the shared count, and passes what fits its Nth of
// what was left then; in a window that began meanwhile, an Nth of the limit.
// Requests that ask for it are refused instead. What passed is added to the rows
// when they are back. More than the limit can pass only by what other nodes
// counted between this one's last look and the outage. A transaction that was
// committed though its answer was lost is counted twice: too strict, never too
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
	seen map[Key]seen
}

// seen is what a node knows of a Key: the shared count when it last saw it, and
// what it has passed alone since.
type seen struct{ shared, alone window }

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
	rowsSweep   = time.Minute            // how often Keys that no longer matter are forgotten
)

// OpenRows returns a Rows that counts until it is closed.
func OpenRows(cfg RowsConfig) *Rows {
	r := &Rows{cfg: cfg, takes: make(chan *rowsTake, rowsBatch), back: make(chan struct{}), seen: make(map[Key]seen)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(r.run)
	return r
}

// Close ends the counting. No call of Take may be under way.
func (r *Rows) Close() {
	r.cancel()
	r.done.Wait()
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
	sweep := time.NewTicker(rowsSweep)
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

// keysOf returns the keys of calls, sorted: whoever locks rows in one order
// can't wait for one another in a circle.
func keysOf(group []*rowsTake) []Key {
	var keys []Key
	for _, t := range group {
		for _, q := range t.requests {
			if q.Duration > 0 { // others are refused unseen
				keys = append(keys, q.Key)
			}
		}
	}
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Workspace, b.Workspace), strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Identifier, b.Identifier), cmp.Compare(a.Duration, b.Duration))
}

// count decides calls on the rows of the keys, which are all that they name, and
// adds to these rows what was passed alone.
func (r *Rows) count(keys []Key, group []*rowsTake) error {
	ctx, cancel := context.WithTimeout(r.ctx, rowsTimeout)
	defer cancel()
	var windows map[Key]window
	err := r.cfg.Count(ctx, keys, func(cells []Cell) []Cell {
		windows = make(map[Key]window, len(keys))
		for i, key := range keys {
			w := cells[i].window()
			w.join(r.seen[key].alone)
			windows[key] = w
		}
		for _, t := range group {
			t.decisions = takeFrom(windows, t.now, t.requests)
		}
		var changed []Cell
		for i, key := range keys {
			if w := windows[key]; w != cells[i].window() {
				changed = append(changed, w.cell(key))
			}
		}
		return changed
	})
	if err != nil {
		return err
	}
	r.metrics.commits.Add(1)
	for key, w := range windows {
		r.seen[key] = seen{shared: w}
	}
	return nil
}

// takeFrom decides a batch on the windows and keeps those that it changes.
func takeFrom(windows map[Key]window, now int64, requests []Request) []Decision {
	return takeBatch(now, requests, func(key Key) window { return windows[key] }, func(key Key, w window) { windows[key] = w })
}

// takeBatch decides a batch, all or nothing, on the windows that get returns, and
// keeps those that it changes.
func takeBatch(now int64, requests []Request, get func(Key) window, keep func(Key, window)) []Decision {
	b := sortOut(requests, func(key *Key) uint64 { return maphash.Comparable(rowsSeed, *key) })
	windows := make([]window, len(b.counters))
	for i := range windows {
		windows[i] = get(b.counters[i].Key)
	}
	decisions := b.take(now, windows)
	if allPassed(decisions) {
		for i, c := range b.counters {
			if c.counted {
				keep(c.Key, windows[i])
			}
		}
	}
	return decisions
}

// alone decides a batch without the rows. A Key's own window is held against
// this node's share of what the shared count left free.
func (r *Rows) alone(now int64, requests []Request) []Decision {
	shares := slices.Clone(requests)
	for i := range shares {
		shares[i].Limit = r.share(now, requests[i])
	}
	return takeBatch(now, shares,
		func(key Key) window { return r.seen[key].alone },
		func(key Key, w window) {
			s := r.seen[key]
			s.alone = w
			r.seen[key] = s
		})
}

// share returns how much this node may pass of a request's Key alone.
func (r *Rows) share(now int64, q Request) int64 {
	if q.Refuse || q.Limit <= 0 || q.Duration <= 0 {
		return 0
	}
	w := r.seen[q.Key].shared
	w.roll(uint64(now / q.Duration))
	used := add(w.current, w.carried(now, q.Duration))
	if used >= uint64(q.Limit) {
		return 0
	}
	return (q.Limit - int64(used)) / int64(max(r.cfg.Nodes(), 1))
}

// lost begins to decide alone, and to look for the rows.
func (r *Rows) lost(err error) {
	if r.ctx.Err() == nil {
		r.cfg.Log.Warn("rate limits: the shared counters are out of reach; each node decides with its share", "error", err)
	}
	r.gone = true
	r.metrics.gone.Store(true)
	r.done.Go(func() {
		for r.ctx.Err() == nil {
			ctx, cancel := context.WithTimeout(r.ctx, rowsTimeout)
			err := r.cfg.Count(ctx, nil, func([]Cell) []Cell { return nil })
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
	var owed []Key
	for key, s := range r.seen {
		if s.alone != (window{}) {
			owed = append(owed, key)
		}
	}
	slices.SortFunc(owed, compareKeys)
	for keys := range slices.Chunk(owed, rowsBatch) {
		if err := r.count(keys, nil); err != nil {
			r.lost(err)
			return
		}
	}
	r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(owed))
}

// sweep forgets the Keys that no longer matter.
func (r *Rows) sweep() {
	for key, s := range r.seen {
		if max(s.shared.cell(key).Expires(), s.alone.cell(key).Expires()) <= r.now-rowsSweep.Milliseconds() {
			delete(r.seen, key)
		}
	}
}

// join counts what another window of the same Key counted. Counts that don't fit
// an int64 stop at the largest, which no limit is above.
func (w *window) join(other window) {
	w.roll(other.sequence)
	other.roll(w.sequence)
	w.current = min(add(w.current, other.current), math.MaxInt64)
	w.previous = min(add(w.previous, other.previous), math.MaxInt64)
}
