package ratelimit

import (
	"math"
	"math/bits"
)

// tally is a node's state of a counter that nodes share.
type tally struct {
	synced state // the shared state as of the last response
	own    state // what the node has admitted locally and not reported
	// pending is the cost of the requests that wait for a response of the shared
	// counter. It may be counted there already, so it must not be admitted again.
	pending uint64
	// busy is closed by the response to the exclusive exchange in flight: one that
	// reports own, or in fast mode any. No other exchange can begin until then.
	busy chan struct{}
}

// idle reports whether the tally can be dropped.
func (t *tally) idle() bool {
	return t.synced == state{} && t.own == state{} && t.pending == 0 && t.busy == nil
}

// expires returns when the tally no longer matters, in unix milliseconds, if nodes
// share the counter.
func (t *tally) expires(key *Key, nodes int) int64 {
	rules := key.rules()
	return rules.expires(rules.join(t.synced, t.own, key.Duration, nodes), key.Duration)
}

// decide decides a request from the node's state, as one of nodes, and adds its
// cost to own. The caller keeps the changed tally only if the request is counted.
//
// A denial is final, because the synced state was really counted. A request that
// passes can be counted locally only if it also fits: if everything that the node
// admitted locally stays within its share of what the shared counter had left.
// While degraded, a request that doesn't fit doesn't pass. Otherwise the decision
// is only an estimate if it is not exact.
func (t *tally) decide(
	now int64, r *Request, nodes int, degraded bool,
) (d Decision, fits, exact bool) {
	if r.invalid() {
		return Decision{Reset: now}, false, true
	}
	rules, terms := r.rules(), r.terms()
	others := 1 // other nodes report soon, unless degraded
	if degraded {
		others = nodes
	}
	before := t.own
	t.own, exact = rules.admit(t.synced, before, now, terms, others)
	exact = exact || degraded
	terms.cost = 0
	_, known := rules.take(rules.join(t.synced, t.own, terms.duration, 1), now, terms)
	if known.Passed {
		_, shared := rules.take(t.synced, now, terms)
		share := uint64(shared.Remaining) / uint64(nodes)
		mine := add(rules.weight(t.synced, t.own, now, terms.duration, others), t.pending)
		fits = mine <= share
		switch {
		case !degraded:
			return known, fits, exact
		case fits && !r.Refuse:
			known.Remaining = int64(share - mine)
			return known, true, true
		}
	}
	_, free := rules.take(rules.join(t.synced, before, terms.duration, 1), now, terms)
	wait := int64(0)
	if !degraded || !r.Refuse {
		wait = aloneFor(r, rules.join(t.synced, before, terms.duration, others), now, others)
	}
	return Decision{Reset: free.Reset, Wait: wait}, false, exact
}

// aloneFor returns how long a request waits if each of so many nodes asks for as much
// on a state that counts what all of them have admitted. With several nodes it is a
// few units of the limit inexact, because each node rounds its share down.
func aloneFor(r *Request, s state, now int64, nodes int) int64 {
	each := *r
	hi, cost := bits.Mul64(uint64(r.Cost), uint64(nodes))
	if hi > 0 || cost > math.MaxInt64 {
		return 0
	}
	each.Cost = int64(cost)
	return each.wait(s, now)
}

// decideLocally decides the batch from the tallies of its counters, and returns the
// tallies afterwards. If it isn't certain, only the shared counters can decide.
func (b *batch) decideLocally(
	now int64, before []tally, nodes int, degraded bool,
) (decisions []Decision, after []tally, certain bool) {
	after = append(make([]tally, 0, len(before)), before...)
	decisions = make([]Decision, len(b.requests))
	passed, fit := true, true
	certain = true
	for i := range b.requests {
		var fits, exact bool
		decisions[i], fits, exact = after[b.of[i]].decide(now, &b.requests[i], nodes, degraded)
		if b.requests[i].invalid() { // keeps the batch from being counted; see Peek
			continue
		}
		fit, certain = fit && fits, certain && exact
		passed = passed && decisions[i].Passed
	}
	if passed {
		certain = certain && fit
	}
	if allPassed(decisions) {
		return decisions, after, certain
	}
	b.refund(decisions, func(of int, r Request) Decision {
		t := before[of]
		d, _, _ := t.decide(now, &r, nodes, degraded)
		return d
	})
	return decisions, after, certain
}

// decide decides a batch from this node's state and counts it locally if possible.
// It is not sure if only the shared counters can decide.
func (r *Redis) decide(now int64, b batch, degraded bool) (decisions []Decision, sure bool) {
	defer r.table.unlock(r.table.lock(b.counters))
	decisions, after, sure := b.decideLocally(now, r.tallies(b.counters), r.nodes(), degraded)
	if sure && allPassed(decisions) {
		r.admit(b.counters, after)
	}
	return decisions, sure
}

// tallies returns copies of the tallies of the counters, which are locked.
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

// admit stores what this node has admitted, to be reported.
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

// decideOne is decide for a batch of one, without allocations.
func (r *Redis) decideOne(now int64, q Request, degraded bool) (d Decision, sure bool) {
	s, hash := r.table.at(&q.Key)
	defer s.mu.Unlock()
	e := s.find(hash, &q.Key)
	var t tally
	if e != nil {
		t = e.state
	}
	d, fits, exact := t.decide(now, &q, r.nodes(), degraded)
	if !exact || d.Passed && !fits {
		return d, false
	}
	if d.Passed && q.Cost > 0 {
		if e == nil {
			e = s.use(hash, &q.Key)
		}
		e.state.own = t.own
		s.mark(e)
	}
	return d, true
}
