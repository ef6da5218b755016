package ratelimit

import "context"

// Memory is the Limiter of one process. It is exact: however many calls come at
// once, no more than the limit passes, and a call is not refused for the sake
// of another one that was refused. It never returns an error.
//
// A Key takes memory from its first accepted cost until Sweep drops it, at most
// two durations and the time between two sweeps after its last one. There is no
// other bound, because forgetting a live Key would forgive what it used; room
// that was once needed is kept for reuse.
type Memory struct {
	table *table[window] // a mark stands for what Changed has yet to return
	first int64          // the number of the first Part
}

var _ Limiter = (*Memory)(nil)

// NewMemory returns a Memory in which nothing is counted.
func NewMemory() *Memory { return &Memory{table: newTable[window]()} }

// Take decides the requests as Limiter says. A now before the epoch counts as
// the epoch, and for each Key a now before the last window in which something
// was counted as the beginning of that window: a clock that steps back forgives
// nothing.
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
	var w window
	if e != nil {
		w = e.state
	}
	decision := w.take(now, *r)
	if decision.Passed && r.Cost > 0 {
		if e == nil {
			e = s.use(hash, &r.Key)
		}
		e.state = w
		s.mark(e)
	}
	return decision
}

func (m *Memory) takeAll(now int64, requests []Request) []Decision {
	b := m.table.batch(requests)
	defer m.table.unlock(m.table.lock(b.counters))
	windows := make([]window, len(b.counters))
	for i := range b.counters {
		c := &b.counters[i]
		if e := m.table.shard(c.hash).find(c.hash, &c.Key); e != nil {
			windows[i] = e.state
		}
	}
	decisions := b.take(now, windows)
	if allPassed(decisions) {
		m.keep(b.counters, windows)
	}
	return decisions
}

// keep stores the windows that an accepted batch led to.
func (m *Memory) keep(counters []counter, windows []window) {
	for i := range counters {
		if c := &counters[i]; c.counted {
			s := m.table.shard(c.hash)
			e := s.use(c.hash, &c.Key)
			e.state = windows[i]
			s.mark(e)
		}
	}
}

// allPassed tells whether a batch passed as a whole.
func allPassed(decisions []Decision) bool {
	for i := range decisions {
		if !decisions[i].Passed {
			return false
		}
	}
	return true
}

// Sweep drops the windows that no longer matter at the time now, in unix
// milliseconds. It can run beside all other methods and holds no lock for long.
//
// A dropped window is forgotten even for a clock that later steps back; a caller
// who expects such steps sweeps with a now that lies behind by as much.
func (m *Memory) Sweep(now int64) {
	m.table.visit(func(s *shard[window], e *entry[window]) {
		if e.state.expires(e.Duration) <= now {
			s.drop(e)
		}
	})
}
