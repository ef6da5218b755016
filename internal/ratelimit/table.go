package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"
)

// shardCount is the number of shards of a table: one for each bit of a shardSet.
const shardCount = 64

// sliceSize is the number of entries that a visit handles before it lets waiting
// calls lock the shard, which bounds their wait to microseconds.
const sliceSize = 64

// table holds a state of type S for each Key in use. A Key is hashed once; the
// hash locates its shard and its entry there. Entries are updated in place, so a
// call costs one lookup and no copy.
type table[S any] struct {
	seed   maphash.Seed
	shards [shardCount]shard[S]
}

// shard holds the entries of the hashes that map to it. mu guards all its fields.
type shard[S any] struct {
	mu     sync.Mutex
	chains map[uint64]*entry[S] // the entries of one hash, nearly always one
	marked []*entry[S]          // the marked entries, and dropped ones
	saved  int                  // maximum number of its counters that are saved
	_      [72]byte             // keeps the locks of two shards on different cache lines
}

// entry is one Key in use.
type entry[S any] struct {
	Key
	state   S
	hash    uint64
	next    *entry[S] // another Key of the same hash
	marked  bool      // to be saved or reported, and in the shard's marked list
	dropped bool      // no longer in the table
}

func newTable[S any]() *table[S] {
	t := &table[S]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].chains = make(map[uint64]*entry[S])
	}
	return t
}

func (t *table[S]) hash(key *Key) uint64 { return maphash.Comparable(t.seed, *key) }

func (t *table[S]) shard(hash uint64) *shard[S] { return &t.shards[hash%shardCount] }

// at returns the shard of a Key, locked, and the Key's hash.
func (t *table[S]) at(key *Key) (*shard[S], uint64) {
	hash := t.hash(key)
	s := t.shard(hash)
	s.mu.Lock()
	return s, hash
}

// find returns the entry of a Key, or nil if it has none.
func (s *shard[S]) find(hash uint64, key *Key) *entry[S] {
	e := s.chains[hash]
	for e != nil && e.Key != *key {
		e = e.next
	}
	return e
}

// use returns the entry of a Key, and creates it if there is none.
func (s *shard[S]) use(hash uint64, key *Key) *entry[S] {
	e := s.find(hash, key)
	if e == nil {
		e = &entry[S]{Key: *key, hash: hash, next: s.chains[hash]}
		s.chains[hash] = e
	}
	return e
}

// drop removes an entry.
func (s *shard[S]) drop(e *entry[S]) {
	e.dropped = true
	first := s.chains[e.hash]
	if first == e {
		if e.next == nil {
			delete(s.chains, e.hash)
		} else {
			s.chains[e.hash] = e.next
		}
		return
	}
	for first.next != e {
		first = first.next
	}
	first.next = e.next
}

// mark adds an entry to the marked list, once.
func (s *shard[S]) mark(e *entry[S]) {
	if !e.marked {
		e.marked = true
		s.marked = append(s.marked, e)
	}
}

// unmark empties the marked list and calls do for each of its entries that is still
// in the table.
func (s *shard[S]) unmark(do func(*entry[S])) {
	for _, e := range s.marked {
		if e.marked = false; !e.dropped {
			do(e)
		}
	}
	clear(s.marked)
	s.marked = s.marked[:0]
}

// visit calls do for each entry with the shard locked, and unlocks it briefly after
// each sliceSize entries. It can miss entries that are added meanwhile. do can drop
// its entry.
func (s *shard[S]) visit(do func(*entry[S])) {
	s.mu.Lock()
	defer s.mu.Unlock()
	visited := 0
	for _, e := range s.chains {
		for ; e != nil; e = e.next {
			do(e)
		}
		if visited++; visited%sliceSize == 0 {
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
		}
	}
}

// visit calls do for each entry of all shards, see shard.visit.
func (t *table[S]) visit(do func(*shard[S], *entry[S])) {
	for i := range t.shards {
		s := &t.shards[i]
		s.visit(func(e *entry[S]) { do(s, e) })
	}
}

// size returns the number of entries.
func (t *table[S]) size() int {
	n := 0
	t.visit(func(*shard[S], *entry[S]) { n++ })
	return n
}

// shardSet is a set of shards: bit i is shard i.
type shardSet uint64

// lock locks the shards of the counters in ascending order, as every batch does, so
// there are no deadlocks.
func (t *table[S]) lock(counters []counter) shardSet {
	var all shardSet
	for i := range counters {
		all |= 1 << (counters[i].hash % shardCount)
	}
	for set := all; set != 0; set &= set - 1 {
		t.shards[bits.TrailingZeros64(uint64(set))].mu.Lock()
	}
	return all
}

func (t *table[S]) unlock(set shardSet) {
	for ; set != 0; set &= set - 1 {
		t.shards[bits.TrailingZeros64(uint64(set))].mu.Unlock()
	}
}
