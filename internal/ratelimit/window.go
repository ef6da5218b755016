package ratelimit

import (
	"math"
	"math/bits"
)

// window is the state of one Key: what was accepted in the window with the
// number sequence, and in the one before it. Window n begins n durations after
// the unix epoch. The zero value is a Key that was never used.
//
// A window at rest holds counts that fit in an int64. While a batch is decided
// current may grow past that; it then stops at the largest uint64, which is
// above every limit, so that a sum which does not fit is never taken for one
// that does.
type window struct {
	sequence          uint64
	current, previous uint64
}

// take adds the request to the window as of now and decides it. The caller keeps
// the changed window only if the request is to be counted. Now is at least 0.
func (w *window) take(now int64, r Request) Decision {
	if r.Duration <= 0 || r.Cost < 0 {
		return Decision{Reset: now}
	}
	w.roll(uint64(now / r.Duration))
	w.current = add(w.current, uint64(r.Cost))
	used := add(w.current, w.carried(now, r.Duration))
	decision := Decision{Reset: startOf(w.sequence+1, r.Duration)}
	if r.Limit > 0 && used <= uint64(r.Limit) {
		decision.Passed = true
		decision.Remaining = r.Limit - int64(used)
	}
	return decision
}

// roll moves the window forward to the given number. It never moves back: when
// the clock steps back behind what was already counted, calls are decided as at
// the beginning of the window that was reached, where everything counted weighs
// most, until the clock is there again.
func (w *window) roll(sequence uint64) {
	switch {
	case sequence <= w.sequence:
		return
	case sequence == w.sequence+1:
		w.previous = w.current
	default:
		w.previous = 0
	}
	w.sequence, w.current = sequence, 0
}

// carried is what the previous window still weighs: the largest whole number not
// above previous × (duration − elapsed) / duration, exact for all values. The
// window must have been rolled to now, so that elapsed is below duration.
func (w window) carried(now, duration int64) uint64 {
	quotient, _ := w.weigh(now, duration)
	return quotient
}

// carriedUp is carried, rounded up.
func (w window) carriedUp(now, duration int64) uint64 {
	quotient, rest := w.weigh(now, duration)
	if rest > 0 {
		quotient++
	}
	return quotient
}

func (w window) weigh(now, duration int64) (quotient, rest uint64) {
	left := uint64(duration)
	if start := startOf(w.sequence, duration); start < now {
		left -= uint64(now - start)
	}
	// As left is at most duration, the quotient is at most previous.
	hi, lo := bits.Mul64(w.previous, left)
	return bits.Div64(hi, lo, uint64(duration))
}

// merge takes over the larger counts of another state of the same Key. Both are
// brought to the later of their two windows first.
func (w *window) merge(other window) {
	w.roll(other.sequence)
	other.roll(w.sequence)
	w.current = max(w.current, other.current)
	w.previous = max(w.previous, other.previous)
}

// less takes away what another window of the same Key counted, as far as it is
// there.
func (w *window) less(other window) {
	w.roll(other.sequence)
	other.roll(w.sequence)
	w.current -= min(w.current, other.current)
	w.previous -= min(w.previous, other.previous)
}

// empty reports whether nothing is counted.
func (w window) empty() bool { return w.current == 0 && w.previous == 0 }

// expires returns when the counts no longer matter, in unix milliseconds: the
// end of the window after this one, or the largest int64 if that is too late to
// be told.
func (w window) expires(duration int64) int64 { return startOf(w.sequence+2, duration) }

// startOf returns when the window with the number sequence begins, in unix
// milliseconds, or the largest int64 if that is too late to be told.
func startOf(sequence uint64, duration int64) int64 {
	hi, lo := bits.Mul64(sequence, uint64(duration))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// add returns a + b, or the largest uint64 if the sum does not fit.
func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}
