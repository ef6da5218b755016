package ratelimit

import "context"

// exchange is one call of the script, with what it sends for each counter of a batch.
type exchange struct {
	synced []state
	owed   []state       // what this node has admitted locally, reported only by this call
	costs  []uint64      // the costs of the batch
	done   chan struct{} // closed at the end if the exchange is exclusive, else nil
}

// ask calls the script for a batch and decides it by the response. An exchange that
// reports something is exclusive for its counters, so that Redis decides no call
// before it knows what this node has admitted on the same counter. In fast mode
// every exchange is exclusive, because other calls admit locally meanwhile.
//
// If an exclusive exchange is in flight, ask does nothing and returns a channel that
// is closed at its end.
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
	r.resolve(b.counters, x, states)
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
	x = &exchange{synced: make([]state, n), owed: make([]state, n), costs: b.costs()}
	exclusive := r.cfg.Fast
	for i := range b.counters {
		t := r.tally(&b.counters[i])
		x.synced[i], x.owed[i] = t.synced, t.own
		t.pending = add(t.pending, x.costs[i])
		exclusive = exclusive || t.own != state{}
	}
	if exclusive {
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

// costs returns the total cost of the requests on each counter.
func (b *batch) costs() []uint64 {
	costs := make([]uint64, len(b.counters))
	for i := range b.requests {
		costs[b.of[i]] = add(costs[b.of[i]], uint64(max(b.requests[i].Cost, 0)))
	}
	return costs
}

// resolve ends an exchange with the states of the response, or with nil if there
// was none: then Redis may have counted what was owed or not, so it stays owed.
func (r *Redis) resolve(counters []counter, x *exchange, states []state) {
	defer r.table.unlock(r.table.lock(counters))
	for i := range counters {
		c := &counters[i]
		s := r.table.shard(c.hash)
		e := s.use(c.hash, &c.Key)
		t := &e.state
		t.pending -= x.costs[i]
		if states != nil {
			rules := c.rules()
			t.own = rules.less(t.own, x.owed[i])
			t.synced = rules.merge(t.synced, states[i])
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
