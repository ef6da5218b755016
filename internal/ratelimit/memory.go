package ratelimit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Memory is the Limiter of one process. It is exact: however many calls come at
// once, no more than the limit passes, and a call is not refused for the sake
// of another one that was refused. Take never returns an error.
//
// A Key takes memory from its first accepted cost until it expires and is swept.
// There is no other bound, because forgetting a live Key would lose what it
// counts; room that was once needed is kept for reuse.
type Memory struct {
	table *table[state] // a mark stands for what is to be saved
	saver *saver        // nil if nothing is saved
	now   func() int64
	log   *slog.Logger

	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ Limiter = (*Memory)(nil)

// MemoryConfig is what a Memory is made of.
type MemoryConfig struct {
	// Store is where counters are kept over restarts.
	Store Store
	// Keep loads the counters from the Store and saves them there. It must then be
	// the Store of this process alone. Otherwise they end with the process.
	Keep bool
	// Now returns the time by which expired counters are swept, in unix
	// milliseconds.
	Now func() int64
	// Log receives what failed in the background.
	Log *slog.Logger
}

// saveInterval is how much of what was counted a crash can lose.
const saveInterval = time.Second

// sweepInterval is how often expired counters are forgotten. They are kept as
// long after they expire, for clocks that step back.
const sweepInterval = time.Minute

// NewMemory returns a Memory in which nothing is counted, and which nobody saves
// or sweeps.
func NewMemory() *Memory {
	return &Memory{table: newTable[state](), cancel: func() {}}
}

// OpenMemory returns a Memory with the counters that it is to keep. It saves what
// changes each second, and sweeps each minute, until it is closed.
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
			m.log.Error("rate limits: saving failed; it will be tried again", "error", err)
		}
	}
}

// Close ends the background work and saves what has changed. No call may be
// under way.
func (m *Memory) Close(ctx context.Context) error {
	m.cancel()
	m.done.Wait()
	return m.Save(ctx)
}

// Take decides the requests as Limiter says. A now before the epoch counts as
// the epoch, and a clock that steps back loses no counts.
func (m *Memory) Take(_ context.Context, now int64, requests []Request) ([]Decision, error) {
	if len(requests) == 1 {
		return []Decision{m.takeOne(max(now, 0), &requests[0])}, nil
	}
	return m.takeAll(max(now, 0), requests), nil
}

// TakeOne is Take for a batch of one, which allocates nothing but the room for a
// new Key.
func (m *Memory) TakeOne(_ context.Context, now int64, r Request) (Decision, error) {
	return m.takeOne(max(now, 0), &r), nil
}

func (m *Memory) takeOne(now int64, r *Request) Decision {
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
			e = s.use(hash, &r.Key)
		}
		e.state = after
		s.mark(e)
	}
	return decision
}

func (m *Memory) takeAll(now int64, requests []Request) []Decision {
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
	if allPassed(decisions) {
		m.keep(b.counters, states)
	}
	return decisions
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
// milliseconds. It can run beside all other methods and holds no lock for long.
//
// A dropped counter is forgotten even for a clock that later steps back; a caller
// who expects such steps sweeps with a now that lies behind by as much.
func (m *Memory) Sweep(now int64) {
	m.table.visit(func(s *shard[state], e *entry[state]) {
		if e.rules().expires(e.state, e.Duration) <= now {
			s.drop(e)
		}
	})
}

// Describe makes a Memory a prometheus.Collector, together with Collect. It has
// no metrics.
func (m *Memory) Describe(chan<- *prometheus.Desc) {}

// Collect sends nothing.
func (m *Memory) Collect(chan<- prometheus.Metric) {}
