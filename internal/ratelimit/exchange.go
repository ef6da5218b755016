package ratelimit

import "context"

// exchange is one call of the script: what it tells of each counter of a batch.
type exchange struct {
	heard []state
	owed  []state       // what this node has admitted by itself: reported by this call and no other
	asked []uint64      // the costs that the call asks to count
	done  chan struct{} // what others wait for, nil if they need not
}

// ask calls the script for a batch and decides it by the answer. Of the
// exchanges that report something only one at a time is under way for a counter,
// and none beside it, so that no call is decided by Redis before what this node
// has admitted on the same counter is known there. In fast mode this holds for
// every exchange, because others admit locally meanwhile.
//
// If such an exchange is in the way, ask returns its end to wait for, and has
// done nothing.
func (r *Redis) ask(
	ctx context.Context, now int64, b batch,
) (decisions []Decision, busy <-chan struct{}, err error) {
	x, busy := r.begin(b)
	if busy != nil {
		return nil, busy, nil
	}
	states, at, err := r.run(ctx, now, b, x)
	if err == nil {
		decisions = b.take(at, states)
	}
	r.settle(b.counters, x, states)
	return decisions, nil, err
}

func (r *Redis) begin(b batch) (x *exchange, busy <-chan struct{}) {
	defer r.table.unlock(r.table.lock(b.counters))
	for _, t := range r.tallies(b.counters) {
		if t.busy != nil {
			return nil, t.busy
		}
	}
	n := len(b.counters)
	x = &exchange{heard: make([]state, n), owed: make([]state, n), asked: b.costs()}
	alone := r.cfg.Fast
	for i := range b.counters {
		t := r.tally(&b.counters[i])
		x.heard[i], x.owed[i] = t.heard, t.own
		t.asked = add(t.asked, x.asked[i])
		alone = alone || t.own != state{}
	}
	if alone {
		x.done = make(chan struct{})
		for i := range b.counters {
			r.tally(&b.counters[i]).busy = x.done
		}
	}
	return x, nil
}

// tally returns the tally of a counter, which is locked.
func (r *Redis) tally(c *counter) *tally {
	return &r.table.shard(c.hash).use(c.hash, &c.Key).state
}

// costs returns what the requests ask to count on each counter.
func (b *batch) costs() []uint64 {
	costs := make([]uint64, len(b.counters))
	for i := range b.requests {
		costs[b.of[i]] = add(costs[b.of[i]], uint64(max(b.requests[i].Cost, 0)))
	}
	return costs
}

// settle ends an exchange that was answered with states, or with none: then it
// is not known whether Redis has counted what was owed, and it stays owed.
func (r *Redis) settle(counters []counter, x *exchange, states []state) {
	defer r.table.unlock(r.table.lock(counters))
	for i := range counters {
		c := &counters[i]
		s := r.table.shard(c.hash)
		e := s.use(c.hash, &c.Key)
		t := &e.state
		t.asked -= x.asked[i]
		if states != nil {
			rules := c.rules()
			t.own = rules.less(t.own, x.owed[i])
			t.heard = rules.merge(t.heard, states[i])
		}
		if x.done != nil {
			t.busy = nil
		}
		if t.idle() {
			s.drop(e)
		}
	}
	if x.done != nil {
		close(x.done)
	}
}
