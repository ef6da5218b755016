package ratelimit

import (
	"math"
	"math/bits"
)

// bucket is the state of a token bucket: when it is full again if nothing more is
// taken, which is ms + rest / limit in unix milliseconds, with rest < limit. The
// zero bucket has always been full.
//
// A token is one unit of cost. A bucket holds limit tokens, its burst, and gains
// limit tokens per duration, evenly: one each duration / limit milliseconds. That
// is the generic cell rate algorithm, GCRA(T, τ) of ITU-T I.371 and the ATM Forum's
// Traffic Management Specification 4.0 (4.4.2) in its form as virtual scheduling,
// with the increment T = duration / limit and τ + T = duration; when the bucket is
// full again is what they call the theoretical arrival time, TAT. A request
// passes if
//
//	max(TAT, now) + cost × duration / limit ≤ now + duration
//
// and the left side is then the new TAT. A whole number of milliseconds and a
// fraction of limit parts hold every TAT exactly, whether limit divides duration
// or not, so nothing drifts.
//
// Requests with different limits share one bucket: of it a cost takes the share
// cost / limit, whoever else takes from it, and it is full again for all at the
// same time. A TAT that isn't a whole number of parts of another limit is rounded
// up to one, by less than a token's thousandth where durations are a second or
// more.
//
// A clock that steps back finds the bucket full later by as much, and loses no
// counts. Durations above 2^53-1 ms count as that, and after the year 287396, when
// a TAT would be above 2^53, nothing passes: so Redis, whose numbers are doubles,
// decides alike.
type bucket struct{ ms, rest, limit uint64 }

func bucketOf(s state) bucket { return bucket{s.a, s.b, s.c} }

func (b bucket) state() state { return state{b.ms, b.rest, b.limit} }

// debt is what a node has taken from a bucket by itself: so much cost at a limit
// since a time. What the bucket gained since then isn't taken off it.
type debt struct{ since, cost, limit uint64 }

func debtOf(s state) debt { return debt{s.a, s.b, s.c} }

func (d debt) state() state { return state{d.since, d.cost, d.limit} }

// buckets are the rules of TokenBucket. Reset is when the bucket is full again.
type buckets struct{}

func (buckets) take(s state, now int64, t terms) (state, Decision) {
	t.duration = min(t.duration, exact-1)
	before := bucketOf(s)
	after := before.add(uint64(now), uint64(t.cost), t)
	if !after.within(now, t) {
		return after.state(), Decision{Reset: max(now, before.full())}
	}
	left := uint64(t.duration) - (after.ms - uint64(now))
	hi, lo := bits.Mul64(left, uint64(t.limit))
	lo, borrow := bits.Sub64(lo, after.rest, 0)
	remaining, _ := bits.Div64(hi-borrow, lo, uint64(t.duration))
	return after.state(), Decision{Passed: true, Remaining: int64(remaining), Reset: after.full()}
}

func (buckets) freeAt(s state, now int64, t terms) int64 {
	t.duration = min(t.duration, exact-1)
	after := bucketOf(s).add(uint64(now), uint64(t.cost), t)
	switch {
	case after.within(now, t):
		return now
	case t.limit <= 0 || t.cost > t.limit || after.ms > exact:
		return math.MaxInt64
	}
	return after.full() - t.duration
}

// merge returns the later one.
func (buckets) merge(s, other state) state {
	b, o := bucketOf(s), bucketOf(other)
	if b.limit == 0 {
		return other
	}
	// In parts of b's limit, rounded up, o is above b only if it is so anyway.
	if o = o.in(b.limit); o.ms > b.ms || o.ms == b.ms && o.rest > b.rest {
		return other
	}
	return s
}

func (buckets) expires(s state, _ int64) int64 { return bucketOf(s).full() }

// admit begins a new debt when what is known to be taken, by as many nodes like
// this one, has been gained again: then the old one no longer matters. A debt is
// of one limit.
func (k buckets) admit(shared, own state, now int64, t terms, nodes int) (state, bool) {
	d, limit, cost := debtOf(own), uint64(t.limit), uint64(t.cost)
	known := bucketOf(k.join(shared, own, t.duration, nodes))
	switch {
	case t.limit <= 0 && cost == 0:
		return own, true
	case t.limit <= 0:
		return debt{uint64(now), math.MaxUint64, 1}.state(), true
	case d.cost == 0 || !known.after(now):
		return debt{uint64(now), cost, limit}.state(), true
	case d.limit == limit:
		return debt{d.since, add(d.cost, cost), limit}.state(), true
	}
	return debt{d.since, add(scaleUp(d.cost, limit, d.limit), cost), limit}.state(), false
}

// weight is what own makes the bucket full later by, in tokens. What is shared was
// taken first, so it is gained again first.
func (k buckets) weight(shared, own state, now, duration int64, nodes int) uint64 {
	d := debtOf(own)
	if d.cost == 0 {
		return 0
	}
	with := bucketOf(k.join(shared, own, duration, nodes))
	without := bucketOf(shared).in(d.limit).from(uint64(now))
	if with.ms < without.ms || with.ms == without.ms && with.rest <= without.rest {
		return 0
	}
	rest, borrow := bits.Sub64(with.rest, without.rest, 0)
	hi, lo := bits.Mul64(with.ms-without.ms-borrow, d.limit)
	if borrow > 0 {
		rest += d.limit
	}
	lo, carry := bits.Add64(lo, rest, 0)
	return divideUp(hi+carry, lo, uint64(min(duration, exact-1))*uint64(nodes))
}

// join takes what own has taken, at the time when that began.
func (buckets) join(shared, own state, duration int64, times int) state {
	d := debtOf(own)
	if d.cost == 0 {
		return shared
	}
	hi, cost := bits.Mul64(d.cost, uint64(times))
	if hi > 0 {
		cost = math.MaxUint64
	}
	t := terms{duration: min(duration, exact-1), limit: int64(d.limit)}
	return bucketOf(shared).add(d.since, cost, t).state()
}

// less leaves a debt alone that began after the reported one had been forgotten.
func (buckets) less(own, reported state) state {
	d, r := debtOf(own), debtOf(reported)
	if r.cost == 0 || d.since != r.since {
		return own
	}
	if d.limit != r.limit {
		r.cost = scaleUp(r.cost, d.limit, r.limit)
	}
	if d.cost <= r.cost {
		return state{}
	}
	d.cost -= r.cost
	return d.state()
}

// add takes a cost at a time. Without a limit any cost is too much for ever.
func (b bucket) add(at, cost uint64, t terms) bucket {
	if t.limit <= 0 {
		if cost > 0 {
			return bucket{ms: math.MaxUint64, limit: 1}
		}
		return b
	}
	limit := uint64(t.limit)
	b = b.in(limit).from(at)
	hi, lo := bits.Mul64(cost, uint64(t.duration))
	if hi >= limit {
		return bucket{ms: math.MaxUint64, limit: limit}
	}
	ms, rest := bits.Div64(hi, lo, limit)
	if b.rest += rest; b.rest >= limit {
		b.rest -= limit
		ms = add(ms, 1)
	}
	b.ms = add(b.ms, ms)
	return b
}

// in returns the bucket in parts of another limit.
func (b bucket) in(limit uint64) bucket {
	if b.limit != limit && b.rest > 0 {
		if b.rest = scaleUp(b.rest, limit, b.limit); b.rest == limit {
			b.ms, b.rest = add(b.ms, 1), 0
		}
	}
	b.limit = limit
	return b
}

// from returns the bucket as one that isn't full before a time.
func (b bucket) from(at uint64) bucket {
	if b.ms < at {
		b.ms, b.rest = at, 0
	}
	return b
}

// after reports whether the bucket is full only after a time.
func (b bucket) after(now int64) bool {
	return b.ms > uint64(now) || b.ms == uint64(now) && b.rest > 0
}

// within reports whether no more than the limit is taken.
func (b bucket) within(now int64, t terms) bool {
	if t.limit <= 0 || b.ms > exact {
		return false
	}
	return !b.after(now + t.duration)
}

// full returns when the bucket is full, in whole milliseconds.
func (b bucket) full() int64 {
	ms := b.ms
	if b.rest > 0 {
		ms = add(ms, 1)
	}
	return int64(min(ms, math.MaxInt64))
}

// scaleUp returns amount × to / from, rounded up, or the largest uint64.
func scaleUp(amount, to, from uint64) uint64 {
	hi, lo := bits.Mul64(amount, to)
	return divideUp(hi, lo, from)
}

func divideUp(hi, lo, by uint64) uint64 {
	if hi >= by {
		return math.MaxUint64
	}
	quotient, rest := bits.Div64(hi, lo, by)
	if rest > 0 {
		quotient = add(quotient, 1)
	}
	return quotient
}
