package ratelimit

import (
	"math"
	"math/bits"
)

// window is the state of a sliding window over two fixed ones: what was accepted
// in the window with the number sequence, and in the one before it. Window n
// begins n durations after the unix epoch.
//
// A window at rest holds counts that fit in an int64. While a batch is decided
// current may grow past that; it then stops at the largest uint64, which is
// above every limit, so that a sum which does not fit is never taken for one
// that does.
type window struct {
	sequence          uint64
	current, previous uint64
}

func windowOf(s state) window { return window{s.a, s.b, s.c} }

func (w window) state() state { return state{w.sequence, w.current, w.previous} }

// windows are the rules of SlidingWindow.
type windows struct{}

func (windows) take(s state, now int64, t terms) (state, Decision) {
	w := windowOf(s)
	w.roll(uint64(now / t.duration))
	w.current = add(w.current, uint64(t.cost))
	used := add(w.current, w.carried(now, t.duration))
	decision := Decision{Reset: startOf(w.sequence+1, t.duration)}
	if t.limit > 0 && used <= uint64(t.limit) {
		decision.Passed = true
		decision.Remaining = t.limit - int64(used)
	}
	return w.state(), decision
}

// freeAt looks for the first moment in the current window and then in the next
// one, which carries nothing but what the current window counts. After that
// nothing is counted.
func (windows) freeAt(s state, now int64, t terms) int64 {
	if _, d := (windows{}).take(s, now, t); d.Passed {
		return now
	}
	if t.limit <= 0 || t.cost > t.limit {
		return math.MaxInt64
	}
	w := windowOf(s)
	w.roll(uint64(now / t.duration))
	for range 2 {
		if free, ok := w.freeIn(t); ok {
			return free
		}
		w.roll(w.sequence + 1)
	}
	return startOf(w.sequence, t.duration)
}

// freeIn returns the first moment of the window at which a request passes, if
// there is one: the largest whole number of milliseconds left for which
//
//	previous × left / duration < room + 1, where room = limit − current − cost
func (w window) freeIn(t terms) (at int64, ok bool) {
	needed := add(w.current, uint64(t.cost))
	if needed > uint64(t.limit) {
		return 0, false
	}
	start, room := startOf(w.sequence, t.duration), uint64(t.limit)-needed
	if w.previous <= room {
		return start, true
	}
	// As room is below previous, the quotient is at most duration.
	hi, lo := bits.Mul64(room+1, uint64(t.duration))
	left, rest := bits.Div64(hi, lo, w.previous)
	if rest == 0 {
		left--
	}
	return later(start, uint64(t.duration)-left), left > 0
}

// merge brings both windows to the later one first.
func (windows) merge(s, other state) state {
	w, o := together(s, other)
	w.current = max(w.current, o.current)
	w.previous = max(w.previous, o.previous)
	return w.state()
}

// expires returns the end of the window after the state's.
func (windows) expires(s state, duration int64) int64 {
	return startOf(windowOf(s).sequence+2, duration)
}

func (windows) admit(shared, own state, now int64, t terms, _ int) (state, bool) {
	o := windowOf(own)
	o.roll(max(uint64(now/t.duration), windowOf(shared).sequence))
	o.current = add(o.current, uint64(t.cost))
	return o.state(), true
}

// weight is rounded up so that the parts of all nodes are no less than the part
// of the sum of what they admitted.
func (windows) weight(_, own state, now, duration int64, _ int) uint64 {
	o := windowOf(own)
	o.roll(uint64(now / duration))
	return add(o.current, o.carriedUp(now, duration))
}

// join stops at the largest int64, which no limit is above.
func (windows) join(shared, own state, _ int64, times int) state {
	w, o := together(shared, own)
	for range times {
		w.current = min(add(w.current, o.current), math.MaxInt64)
		w.previous = min(add(w.previous, o.previous), math.MaxInt64)
	}
	return w.state()
}

func (windows) less(own, reported state) state {
	w, r := together(own, reported)
	w.current -= min(w.current, r.current)
	w.previous -= min(w.previous, r.previous)
	if w.current == 0 && w.previous == 0 {
		return state{}
	}
	return w.state()
}

// together returns two windows of one counter, both rolled to the later one.
func together(a, b state) (window, window) {
	w, o := windowOf(a), windowOf(b)
	w.roll(o.sequence)
	o.roll(w.sequence)
	return w, o
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

// startOf returns when the window with the number sequence begins, in unix
// milliseconds, or the largest int64 if that is too late to be told.
func startOf(sequence uint64, duration int64) int64 {
	hi, lo := bits.Mul64(sequence, uint64(duration))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// later returns a time so many milliseconds after another, or the largest int64.
func later(ms int64, by uint64) int64 {
	return int64(min(add(uint64(ms), by), math.MaxInt64))
}

// add returns a + b, or the largest uint64 if the sum does not fit.
func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}
