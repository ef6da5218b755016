package ratelimit

// tally is what a node knows of a counter that nodes share.
type tally struct {
	heard window // the shared count as it last heard it
	own   window // what it has admitted by itself and not reported
	// asked is the cost of the requests that wait for the shared counter's
	// answer; it may be counted there already, so no one else may have it.
	asked uint64
	// busy is closed when the report of own, or in fast mode a request, that is
	// under way has been answered. Until then nothing else may ask.
	busy chan struct{}
}

// idle reports whether there is nothing to remember.
func (t *tally) idle() bool {
	return t.heard.empty() && t.own.empty() && t.asked == 0 && t.busy == nil
}

// expires returns when the tally no longer matters, in unix milliseconds.
func (t *tally) expires(duration int64) int64 {
	return max(t.heard.expires(duration), t.own.expires(duration))
}

// decide decides a request by what this node knows, as one of so many nodes, and
// adds its cost to own. The caller keeps the changed tally only if the request is
// to be counted.
//
// A request that does not pass is refused for certain: what is known was really
// counted. One that passes may be counted here and now only if it also fits, that
// is if all that this node admitted alone stays within its share of what the
// shared count had left. Without the shared counter, none passes that doesn't fit.
func (t *tally) decide(now int64, r Request, nodes int, degraded bool) (d Decision, fits bool) {
	if r.Duration <= 0 || r.Cost < 0 {
		return Decision{Reset: now}, false
	}
	sequence := max(uint64(now/r.Duration), t.heard.sequence, t.own.sequence)
	t.heard.roll(sequence)
	t.own.roll(sequence)
	t.own.current = add(t.own.current, uint64(r.Cost))
	d.Reset = startOf(sequence+1, r.Duration)

	known := t.heard
	known.join(t.own)
	used := add(known.current, known.carried(now, r.Duration))
	if r.Limit <= 0 || used > uint64(r.Limit) {
		return d, false
	}
	left := uint64(r.Limit) - add(t.heard.current, t.heard.carried(now, r.Duration))
	share := left / uint64(nodes)
	// Rounded up here, the parts of all nodes are no less than the part of the
	// sum of what they admitted.
	mine := add(add(t.own.current, t.asked), t.own.carriedUp(now, r.Duration))
	fits = mine <= share
	switch {
	case !degraded:
		d.Passed, d.Remaining = true, r.Limit-int64(used)
	case fits && !r.Refuse:
		d.Passed, d.Remaining = true, int64(share-mine)
	}
	return d, fits
}

// decide decides a batch by what this node knows, and counts it here if it may.
// It is not sure if only the shared counters can tell.
func (r *Redis) decide(now int64, b batch, degraded bool) (decisions []Decision, sure bool) {
	defer r.table.unlock(r.table.lock(b.counters))
	before := r.tallies(b.counters)
	after := append(make([]tally, 0, len(before)), before...)
	decisions = make([]Decision, len(b.requests))
	nodes, fit := r.nodes(), true
	for i := range b.requests {
		var fits bool
		decisions[i], fits = after[b.of[i]].decide(now, b.requests[i], nodes, degraded)
		fit = fit && fits
	}
	switch {
	case !allPassed(decisions):
		b.refundBy(now, before, nodes, degraded, decisions)
	case !fit:
		return nil, false
	default:
		r.admit(b.counters, after)
	}
	return decisions, true
}

// tallies returns copies of what is known of the counters, which are locked.
func (r *Redis) tallies(counters []counter) []tally {
	tallies := make([]tally, len(counters))
	for i := range counters {
		c := &counters[i]
		if e := r.table.shard(c.hash).find(c.hash, &c.Key); e != nil {
			tallies[i] = e.state
		}
	}
	return tallies
}

// admit keeps what this node has admitted, to be reported.
func (r *Redis) admit(counters []counter, after []tally) {
	for i := range counters {
		if c := &counters[i]; c.counted {
			s := r.table.shard(c.hash)
			e := s.use(c.hash, &c.Key)
			e.state.own = after[i].own
			s.mark(e)
		}
	}
}

// refundBy is refund for a batch that is decided by what this node knows.
func (b *batch) refundBy(now int64, before []tally, nodes int, degraded bool, decisions []Decision) {
	for i := range decisions {
		if decisions[i].Passed {
			t, r := before[b.of[i]], b.requests[i]
			r.Cost = 0
			decisions[i], _ = t.decide(now, r, nodes, degraded)
		}
	}
}

// decideOne is decide for a batch of one, without allocations.
func (r *Redis) decideOne(now int64, q Request, degraded bool) (d Decision, sure bool) {
	s, hash := r.table.at(&q.Key)
	defer s.mu.Unlock()
	e := s.find(hash, &q.Key)
	var t tally
	if e != nil {
		t = e.state
	}
	d, fits := t.decide(now, q, r.nodes(), degraded)
	if d.Passed && fits && q.Cost > 0 {
		if e == nil {
			e = s.use(hash, &q.Key)
		}
		e.state.own = t.own
		s.mark(e)
	}
	return d, fits || !d.Passed
}
