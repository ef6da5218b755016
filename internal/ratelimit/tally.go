package ratelimit

import (
	"math"
	"math/bits"
)

// tally is what a node knows of a counter that nodes share.
type tally struct {
	heard state // the shared count as it last heard it
	own   state // what it has admitted by itself and not reported
	// asked is the cost of the requests that wait for the shared counter's
	// answer; it may be counted there already, so no one else may have it.
	asked uint64
	// busy is closed when the report of own, or in fast mode a request, that is
	// under way has been answered. Until then nothing else may ask.
	busy chan struct{}
}

// idle reports whether there is nothing to remember.
func (t *tally) idle() bool {
	return t.heard == state{} && t.own == state{} && t.asked == 0 && t.busy == nil
}

// expires returns when the tally no longer matters, in unix milliseconds, as what
// one of so many nodes knows.
func (t *tally) expires(key *Key, nodes int) int64 {
	rules := key.rules()
	return rules.expires(rules.join(t.heard, t.own, key.Duration, nodes), key.Duration)
}

// decide decides a request by what this node knows, as one of so many nodes, and
// adds its cost to own. The caller keeps the changed tally only if the request is
// to be counted.
//
// A request that does not pass is refused for certain: what is known was really
// counted. One that passes may be counted here and now only if it also fits, that
// is if all that this node admitted alone stays within its share of what the
// shared count had left. Without the shared counter, none passes that doesn't fit.
// With it, the decision is no more than a guess if it is not exact.
func (t *tally) decide(
	now int64, r *Request, nodes int, degraded bool,
) (d Decision, fits, exact bool) {
	if r.invalid() {
		return Decision{Reset: now}, false, true
	}
	rules, terms := r.rules(), r.terms()
	others := 1 // while reports go out, what the others admit is heard soon
	if degraded {
		others = nodes
	}
	before := t.own
	t.own, exact = rules.admit(t.heard, before, now, terms, others)
	exact = exact || degraded
	terms.cost = 0
	_, known := rules.take(rules.join(t.heard, t.own, terms.duration, 1), now, terms)
	if known.Passed {
		_, shared := rules.take(t.heard, now, terms)
		share := uint64(shared.Remaining) / uint64(nodes)
		mine := add(rules.weight(t.heard, t.own, now, terms.duration, others), t.asked)
		fits = mine <= share
		switch {
		case !degraded:
			return known, fits, exact
		case fits && !r.Refuse:
			known.Remaining = int64(share - mine)
			return known, true, true
		}
	}
	_, free := rules.take(rules.join(t.heard, before, terms.duration, 1), now, terms)
	wait := int64(0)
	if !degraded || !r.Refuse {
		wait = aloneFor(r, rules.join(t.heard, before, terms.duration, others), now, others)
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

// decideAlone decides the batch by what a node knows of its counters, and returns
// what it knows afterwards. If that isn't certain, only the shared counters can
// decide it.
func (b *batch) decideAlone(
	now int64, before []tally, nodes int, degraded bool,
) (decisions []Decision, after []tally, certain bool) {
	after = append(make([]tally, 0, len(before)), before...)
	decisions = make([]Decision, len(b.requests))
	fit := true
	certain = true
	for i := range b.requests {
		var fits, exact bool
		decisions[i], fits, exact = after[b.of[i]].decide(now, &b.requests[i], nodes, degraded)
		fit, certain = fit && fits, certain && exact
	}
	if allPassed(decisions) {
		return decisions, after, certain && fit
	}
	b.refund(decisions, func(of int, r Request) Decision {
		t := before[of]
		d, _, _ := t.decide(now, &r, nodes, degraded)
		return d
	})
	return decisions, after, certain
}

// decide decides a batch by what this node knows, and counts it here if it may.
// It is not sure if only the shared counters can tell.
func (r *Redis) decide(now int64, b batch, degraded bool) (decisions []Decision, sure bool) {
	defer r.table.unlock(r.table.lock(b.counters))
	decisions, after, sure := b.decideAlone(now, r.tallies(b.counters), r.nodes(), degraded)
	if sure && allPassed(decisions) {
		r.admit(b.counters, after)
	}
	return decisions, sure
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
