package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Memory is the Limiter of one process. It is exact under concurrency: at most the
// limit passes, and a denied call never causes another one to be denied. Its only
// error is ErrTooManyCounters.
//
// A Key uses memory from its first accepted cost until it expires and is swept. Dropping
// a live Key would lose its count, so a workspace that has more than a million at a sweep
// gets ErrTooManyCounters for new ones until a later sweep. Freed memory is kept for reuse.
type Memory struct {
	table *table[state] // an entry to be saved is marked
	saver *saver        // nil if nothing is saved
	now   func() int64
	log   *slog.Logger

	most int                             // of the counters of a workspace
	live atomic.Int64                    // counters at the last sweep
	full atomic.Pointer[map[string]bool] // workspaces with more than most; nil for none

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// maxCounters is how many counters a workspace can have, about 300 MB.
const maxCounters = 1_000_000

// ErrTooManyCounters means that a workspace has so many live counters that it gets no new
// ones. Those that it has count on.
var ErrTooManyCounters = errors.New("ratelimit: too many live counters in the workspace")

var _ Limiter = (*Memory)(nil)

// MemoryConfig configures a Memory.
type MemoryConfig struct {
	// Store keeps counters over restarts.
	Store Store
	// Keep loads the counters from the Store and saves them there. No other process
	// can use the Store then. Without Keep, the counters end with the process.
	Keep bool
	// Now returns the time by which expired counters are swept, in Unix milliseconds.
	Now func() int64
	// Log gets the errors of the background work.
	Log *slog.Logger
}

// saveInterval is the time between saves. A crash loses at most the counts since the
// last one.
const saveInterval = time.Second

// sweepInterval is the time between sweeps of expired counters. A counter is kept
// for another interval after it expires, in case a clock steps back.
const sweepInterval = time.Minute

// NewMemory returns an empty Memory, without saves and sweeps.
func NewMemory() *Memory {
	return &Memory{table: newTable[state](), most: maxCounters, cancel: func() {}}
}

// OpenMemory returns a Memory with the saved counters, if it keeps them. It saves
// changes every second, and sweeps every minute, until it is closed.
func OpenMemory(ctx context.Context, cfg MemoryConfig) (*Memory, error) {
	m := NewMemory()
	m.now, m.log = cfg.Now, cfg.Log
	if cfg.Keep {
		if err := m.load(ctx, cfg.Store); err != nil {
			return nil, err
		}
	}
	ctx, m.cancel = context.WithCancel(context.Background())
	m.done.Go(func() { m.background(ctx) })
	if !cfg.Keep {
		m.done.Go(func() { sweepStore(ctx, cfg.Store, cfg.Now, cfg.Log) })
	}
	return m, nil
}

func (m *Memory) background(ctx context.Context) {
	save, sweep := time.NewTicker(saveInterval), time.NewTicker(sweepInterval)
	defer save.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-save.C:
			err = m.Save(ctx)
		case <-sweep.C:
			m.Sweep(m.now() - sweepInterval.Milliseconds())
		}
		if err != nil && ctx.Err() == nil {
			m.log.Error("rate limits: can't save the counters; retrying in a second", "error", err)
		}
	}
}

// Close ends the background work and saves what has changed. There must be no call in
// flight.
func (m *Memory) Close(ctx context.Context) error {
	m.cancel()
	m.done.Wait()
	return m.Save(ctx)
}

// Take decides the requests as Limiter says. A now before the epoch counts as
// the epoch, and a clock that steps back loses no counts.
func (m *Memory) Take(_ context.Context, now int64, requests []Request) ([]Decision, error) {
	if len(requests) == 1 {
		d, err := m.takeOne(max(now, 0), &requests[0])
		return []Decision{d}, err
	}
	return m.takeAll(max(now, 0), requests)
}

// TakeOne is Take for a batch of one. It allocates only for a new Key.
func (m *Memory) TakeOne(_ context.Context, now int64, r Request) (Decision, error) {
	return m.takeOne(max(now, 0), &r)
}

func (m *Memory) takeOne(now int64, r *Request) (Decision, error) {
	s, hash := m.table.at(&r.Key)
	defer s.mu.Unlock()
	e := s.find(hash, &r.Key)
	var before state
	if e != nil {
		before = e.state
	}
	after, decision := r.take(before, now)
	if decision.Passed && r.Cost > 0 {
		if e == nil {
			if m.isFull(&r.Key) {
				return Decision{}, ErrTooManyCounters
			}
			e = s.use(hash, &r.Key)
		}
		e.state = after
		s.mark(e)
	}
	return decision, nil
}

// isFull reports whether a Key can't be new. That of the workspace's own requests can.
func (m *Memory) isFull(k *Key) bool {
	full := m.full.Load()
	return full != nil && (*full)[k.Workspace] && k.Identifier != k.Workspace
}

func (m *Memory) takeAll(now int64, requests []Request) ([]Decision, error) {
	b := m.table.batch(requests)
	defer m.table.unlock(m.table.lock(b.counters))
	states := make([]state, len(b.counters))
	for i := range b.counters {
		c := &b.counters[i]
		if e := m.table.shard(c.hash).find(c.hash, &c.Key); e != nil {
			states[i] = e.state
		}
	}
	decisions := b.take(now, states)
	if !allPassed(decisions) {
		return decisions, nil
	}
	for i := range b.counters {
		c := &b.counters[i]
		if c.counted && m.isFull(&c.Key) && m.table.shard(c.hash).find(c.hash, &c.Key) == nil {
			return nil, ErrTooManyCounters
		}
	}
	m.keep(b.counters, states)
	return decisions, nil
}

// keep stores the states that an accepted batch led to.
func (m *Memory) keep(counters []counter, states []state) {
	for i := range counters {
		if c := &counters[i]; c.counted {
			s := m.table.shard(c.hash)
			e := s.use(c.hash, &c.Key)
			e.state = states[i]
			s.mark(e)
		}
	}
}

// Sweep drops the counters that have expired at the time now, in unix
// milliseconds. It can run concurrently with all other methods and holds no lock for
// long.
//
// A dropped counter is lost for a clock that later steps back. If that can happen,
// pass a now that is earlier by as much.
func (m *Memory) Sweep(now int64) {
	var live int64
	counts := map[string]int{}
	m.table.visit(func(s *shard[state], e *entry[state]) {
		if e.rules().expires(e.state, e.Duration) <= now {
			s.drop(e)
			return
		}
		live++
		counts[e.Workspace]++
	})
	m.live.Store(live)
	m.full.Store(m.moreThanMost(counts))
}

// moreThanMost returns the workspaces that have too many counters, nil for none.
func (m *Memory) moreThanMost(counts map[string]int) *map[string]bool {
	full := map[string]bool{}
	for workspace, n := range counts {
		if n > m.most {
			full[workspace] = true
		}
	}
	if len(full) == 0 {
		return nil
	}
	return &full
}

var descCounters = prometheus.NewDesc("latchkey_ratelimit_counters",
	"Live counters of rate limits in memory, at the last sweep.", nil, nil)

// Describe makes a Memory a prometheus.Collector, together with Collect.
func (m *Memory) Describe(ch chan<- *prometheus.Desc) { ch <- descCounters }

// Collect sends the metrics.
func (m *Memory) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(descCounters, prometheus.GaugeValue, float64(m.live.Load()))
}
