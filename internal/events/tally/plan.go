package tally

import (
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// plan says of which rows each part of a time is added up. Its segments follow one another
// without gaps.
type plan struct {
	segments []segment
	starts   []int64 // of the segments
	end      int64   // the first ms after the last segment
}

// segment is a part of the time whose rows have one step and are added up in one interval.
type segment struct {
	from     int64
	step     events.Step
	interval int
}

// planFor returns the plan for intervals between bounds, which increase. It takes the longest
// steps that fit: months in the middle, and days, hours and single events towards the ends.
func planFor(bounds []int64) *plan {
	p := &plan{end: bounds[len(bounds)-1]}
	for i := range len(bounds) - 1 {
		p.cover(bounds[i], bounds[i+1], events.Month, i)
	}
	for _, s := range p.segments {
		p.starts = append(p.starts, s.from)
	}
	return p
}

func (p *plan) cover(from, to int64, step events.Step, interval int) {
	if from >= to {
		return
	}
	first, last := from, to
	if step > events.Raw {
		first, last = ceil(from, step), events.Start(to, step)
		if first >= last {
			p.cover(from, to, step-1, interval)
			return
		}
		p.cover(from, first, step-1, interval)
	}
	if n := len(p.segments); n == 0 || p.segments[n-1].step != step ||
		p.segments[n-1].interval != interval {
		p.segments = append(p.segments, segment{first, step, interval})
	}
	p.cover(last, to, step-1, interval)
}

// ceil returns the first beginning of a step at or after a time.
func ceil(at int64, step events.Step) int64 {
	start := events.Start(at, step)
	if start == at {
		return at
	}
	lengths := map[events.Step]time.Duration{ // at least, and less than two
		events.Hour: time.Hour, events.Day: 24 * time.Hour, events.Month: 31 * 24 * time.Hour,
	}
	return events.Start(start+lengths[step].Milliseconds(), step)
}

// find returns the index of the segment that a time is in, -1 for none. It looks at the one of the
// row before and the next one first.
func (p *plan) find(at int64, before int) int {
	if at < p.starts[0] || at >= p.end {
		return -1
	}
	for i := max(before, 0); i < min(before+2, len(p.starts)); i++ {
		if at >= p.starts[i] && at < p.endOf(i) {
			return i
		}
	}
	i, exact := slices.BinarySearch(p.starts, at)
	if exact {
		return i
	}
	return i - 1
}

func (p *plan) endOf(i int) int64 {
	if i+1 < len(p.starts) {
		return p.starts[i+1]
	}
	return p.end
}

// span returns the first time of the segments of a step, and the last; ok is false if none has it.
func (p *plan) span(step events.Step) (from, to int64, ok bool) {
	for i, s := range p.segments {
		if s.step != step {
			continue
		}
		if !ok {
			from = s.from
		}
		to, ok = p.endOf(i)-1, true
	}
	return from, to, ok
}
