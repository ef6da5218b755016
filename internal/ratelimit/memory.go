package ratelimit

import (
	"context"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"
)

// shardCount is the number of shards of a Memory: one for each bit of a shardSet.
const shardCount = 64

// sliceSize is how many windows of a shard are swept before calls that wait for
// the shard go first, which bounds their wait to microseconds.
const sliceSize = 64

// Memory is the Limiter of one process. It is exact: however many calls come at
// once, no more than the limit passes, and a call is not refused for the sake
// of another one that was refused. It never returns an error.
//
// A Key takes memory from its first accepted cost until Sweep drops it, at most
// two durations and the time between two sweeps after its last one. There is no
// other bound, because forgetting a live Key would forgive what it used; room
// that was once needed is kept for reuse.
type Memory struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

// shard holds the windows of the keys whose hash picks it.
type shard struct {
	mu      sync.Mutex
	windows map[Key]window
	changed map[Key]struct{} // keys of the windows that are marked changed
}

var _ Limiter = (*Memory)(nil)

// NewMemory returns a Memory in which nothing is counted.
func NewMemory() *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].windows = make(map[Key]window)
		m.shards[i].changed = make(map[Key]struct{})
	}
	return m
}

// Take decides the requests as Limiter says. A now before the epoch counts as
// the epoch, and for each Key a now before the last window in which something
// was counted as the beginning of that window: a clock that steps back forgives
// nothing.
func (m *Memory) Take(_ context.Context, now int64, requests []Request) ([]Decision, error) {
	now = max(now, 0)
	if len(requests) == 1 {
		return []Decision{m.takeOne(now, requests[0])}, nil
	}
	return m.takeAll(now, requests), nil
}

func (m *Memory) takeOne(now int64, r Request) Decision {
	s := m.shard(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[r.Key]
	decision := w.take(now, r)
	if decision.Passed {
		s.count(r, w)
	}
	return decision
}

// takeAll works on copies of the windows and stores them if all requests passed,
// so a refused batch leaves nothing to take back.
func (m *Memory) takeAll(now int64, requests []Request) []Decision {
	shards := m.shardsOf(requests)
	m.lock(shards)
	defer m.unlock(shards)

	decisions := make([]Decision, len(requests))
	after := make(map[Key]window, len(requests))
	passed := true
	for i, r := range requests {
		w, seen := after[r.Key]
		if !seen {
			w = m.shard(r.Key).windows[r.Key]
		}
		decisions[i] = w.take(now, r)
		after[r.Key] = w
		passed = passed && decisions[i].Passed
	}
	if !passed {
		m.refund(now, requests, decisions)
		return decisions
	}
	for _, r := range requests {
		m.shard(r.Key).count(r, after[r.Key])
	}
	return decisions
}

// refund corrects the decisions of a refused batch: those that passed report
// what remains without it, which is what a request of no cost would be told.
func (m *Memory) refund(now int64, requests []Request, decisions []Decision) {
	for i, r := range requests {
		if decisions[i].Passed {
			r.Cost = 0
			w := m.shard(r.Key).windows[r.Key]
			decisions[i] = w.take(now, r)
		}
	}
}

// count stores the window that an accepted request led to. A request of no cost
// changed nothing that matters, so it neither makes a Key live nor keeps it so.
func (s *shard) count(r Request, w window) {
	if r.Cost > 0 {
		s.change(r.Key, w)
	}
}

// change stores a window for Changed to return. The mark on the window spares
// all but the first change a write to the set.
func (s *shard) change(key Key, w window) {
	if !w.changed {
		w.changed = true
		s.changed[key] = struct{}{}
	}
	s.windows[key] = w
}

// Sweep drops the windows that no longer matter at the time now, in unix
// milliseconds. It can run beside all other methods and holds no lock for long.
//
// A dropped window is forgotten even for a clock that later steps back; a caller
// who expects such steps sweeps with a now that lies behind by as much.
func (m *Memory) Sweep(now int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.visit(func(key Key, w window) {
			if w.cell(key).Expires() <= now {
				delete(s.windows, key)
				delete(s.changed, key)
			}
		})
	}
}

// visit calls do for each window with the shard locked, and unlocks it for a
// moment after each sliceSize of them. Windows that others add meanwhile may be
// left out; do may delete the one it is called for.
func (s *shard) visit(do func(Key, window)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	visited := 0
	for key, w := range s.windows {
		do(key, w)
		if visited++; visited%sliceSize == 0 {
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
		}
	}
}

func (m *Memory) shard(key Key) *shard {
	return &m.shards[m.shardIndex(key)]
}

func (m *Memory) shardIndex(key Key) int {
	return int(maphash.Comparable(m.seed, key) % shardCount)
}

// shardSet is a set of shards: bit i stands for shard i.
type shardSet uint64

func (m *Memory) shardsOf(requests []Request) shardSet {
	var set shardSet
	for _, r := range requests {
		set |= 1 << m.shardIndex(r.Key)
	}
	return set
}

// lock locks the shards of the set in ascending order. As every batch does so,
// no two can wait for each other.
func (m *Memory) lock(set shardSet) {
	for ; set != 0; set &= set - 1 {
		m.shards[bits.TrailingZeros64(uint64(set))].mu.Lock()
	}
}

func (m *Memory) unlock(set shardSet) {
	for ; set != 0; set &= set - 1 {
		m.shards[bits.TrailingZeros64(uint64(set))].mu.Unlock()
	}
}
