package ratelimit

import "math"

// batch is the requests of one call with the counters that they name.
type batch struct {
	requests []Request
	counters []counter
	of       []int // of[i] is the index of request i's counter
}

// counter is a Key that a batch names.
type counter struct {
	Key
	hash    uint64 // in the table of the batch
	counted bool   // a request has a cost on it
}

// batch finds the counters of the requests.
func (t *table[S]) batch(requests []Request) batch { return newBatch(requests, t.hash) }

// newBatch finds the counters of the requests. A batch has at most a hundred, so
// searching their hashes is faster than a map.
func newBatch(requests []Request, hashOf func(*Key) uint64) batch {
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

// indexOf returns the index of a Key in counters, or their number if it is absent.
func indexOf(counters []counter, hash uint64, key *Key) int {
	for i := range counters {
		if c := &counters[i]; c.hash == hash && c.Key == *key {
			return i
		}
	}
	return len(counters)
}

// take decides the batch on the states of its counters. If every request passed, it
// updates the states of the counters with a cost.
func (b *batch) take(now int64, states []state) []Decision {
	decisions := make([]Decision, len(b.requests))
	after := append(make([]state, 0, len(states)), states...)
	for i := range b.requests {
		s := &after[b.of[i]]
		*s, decisions[i] = b.requests[i].take(*s, now)
	}
	if !allPassed(decisions) {
		b.refund(decisions, func(of int, r Request) Decision {
			_, d := r.take(states[of], now)
			return d
		})
		return decisions
	}
	for i := range states {
		// A request without a cost changes nothing that matters, so it must not
		// create a Key or keep it alive.
		if b.counters[i].counted {
			states[i] = after[i]
		}
	}
	return decisions
}

// refund corrects the decisions of a denied batch, of which nothing is counted.
// Their Reset is that without the batch. Those that passed get the Remaining of a
// request without a cost. The others get the Wait until there is room for them and
// for those before them on their counter.
func (b *batch) refund(decisions []Decision, take func(of int, r Request) Decision) {
	asked := make([]uint64, len(b.counters))
	for i, r := range b.requests {
		of := b.of[i]
		asked[of] = add(asked[of], uint64(max(r.Cost, 0)))
		none, together := r, r
		none.Cost = min(r.Cost, 0)
		free := take(of, none)
		if decisions[i].Passed {
			decisions[i] = free
			continue
		}
		decisions[i].Reset, decisions[i].Wait = free.Reset, 0
		if asked[of] > math.MaxInt64 {
			continue // No limit ever has room for so much.
		}
		if !r.invalid() {
			together.Cost = int64(asked[of])
		}
		decisions[i].Wait = take(of, together).Wait
	}
}

// allPassed reports whether a batch passed as a whole.
func allPassed(decisions []Decision) bool {
	for i := range decisions {
		if !decisions[i].Passed {
			return false
		}
	}
	return true
}
