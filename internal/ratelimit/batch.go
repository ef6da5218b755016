package ratelimit

// batch is the requests of one call, sorted out by the counters they name.
type batch struct {
	requests []Request
	counters []counter
	of       []int // of[i] is the index of request i's counter
}

// counter is a Key that a batch names.
type counter struct {
	Key
	hash    uint64 // in the table that made the batch
	counted bool   // a request asks to count something on it
}

// batch finds the counters of the requests.
func (t *table[S]) batch(requests []Request) batch { return sortOut(requests, t.hash) }

// sortOut finds the counters of the requests. A batch has a hundred at most, so
// that looking through their hashes is faster than a map.
func sortOut(requests []Request, hashOf func(*Key) uint64) batch {
	counters, of := make([]counter, 0, len(requests)), make([]int, len(requests))
	for i := range requests {
		r := &requests[i]
		hash := hashOf(&r.Key)
		of[i] = indexOf(counters, hash, &r.Key)
		if of[i] == len(counters) {
			counters = append(counters, counter{Key: r.Key, hash: hash})
		}
		if r.Cost > 0 {
			counters[of[i]].counted = true
		}
	}
	return batch{requests, counters, of}
}

// indexOf returns where a Key is among counters, or their number if it is not.
func indexOf(counters []counter, hash uint64, key *Key) int {
	for i := range counters {
		if c := &counters[i]; c.hash == hash && c.Key == *key {
			return i
		}
	}
	return len(counters)
}

// take decides the batch on the windows of its counters, and changes those that
// are to be kept: if every request passed, those of the counters on which
// something was counted.
func (b *batch) take(now int64, windows []window) []Decision {
	decisions := make([]Decision, len(b.requests))
	after := append(make([]window, 0, len(windows)), windows...)
	passed := true
	for i := range b.requests {
		decisions[i] = after[b.of[i]].take(now, b.requests[i])
		passed = passed && decisions[i].Passed
	}
	if !passed {
		b.refund(now, windows, decisions)
		return decisions
	}
	for i := range windows {
		// A request of no cost changed nothing that matters, so it neither
		// makes a Key live nor keeps it so.
		if b.counters[i].counted {
			windows[i] = after[i]
		}
	}
	return decisions
}

// refund corrects the decisions of a refused batch: those that passed report
// what remains without it, which is what a request of no cost would be told.
func (b *batch) refund(now int64, windows []window, decisions []Decision) {
	for i := range decisions {
		if decisions[i].Passed {
			w, r := windows[b.of[i]], b.requests[i]
			r.Cost = 0
			decisions[i] = w.take(now, r)
		}
	}
}
