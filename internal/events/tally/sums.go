package tally

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// Question asks for sums.
type Question struct {
	Kind   events.Kind
	Scope  Scope
	Filter Filter
	// Bounds are the first ms of each interval, and the first ms after the last, all in unix ms.
	Bounds []int64
	// InParts asks for the sums of each interval, too.
	InParts bool
	// By are the dimensions of the groups, two at most; none for the total only.
	By []Dimension
	// Top is how many groups are returned, those with the largest sums.
	Top int
	// ByCredits orders the groups by credits, not by the number of events.
	ByCredits bool
	Now       time.Time
}

// Sum is what events add up to.
type Sum struct {
	Count  int64 // events
	Passed int64 // valid verifications, or decisions that passed
	// Credits are those that verifications spent, or the cost of the decisions that passed.
	Credits int64
}

func (s *Sum) add(o Sum) {
	s.Count, s.Passed = s.Count+o.Count, s.Passed+o.Passed
	if s.Credits += o.Credits; s.Credits < 0 {
		s.Credits = math.MaxInt64
	}
}

// Group is a group with its sums.
type Group struct {
	Labels []string // one for each dimension
	Sum    Sum
	Series []Sum // of the intervals, if they were asked for
}

// Answer has the sums of a question.
type Answer struct {
	Total  Sum
	Series []Sum // of the intervals, if they were asked for
	Groups []Group
	// AllGroups is how many groups there are, those that aren't returned among them.
	AllGroups int
	// Dropped is how many events were dropped within the time, of all workspaces together.
	Dropped int64
}

// Add answers a question. Its errors are ErrTooManyGroups, ErrUnavailable, an *OldError, or of the
// context.
func Add(ctx context.Context, log *events.Log, q *Question) (*Answer, error) {
	var answer *Answer
	err := read(ctx, log, func(snapshot *events.Snapshot) (err error) {
		answer, err = add(ctx, log, snapshot, q)
		return err
	})
	return answer, err
}

func add(
	ctx context.Context, log *events.Log, snapshot *events.Snapshot, q *Question,
) (*Answer, error) {
	first, last := q.Bounds[0], q.Bounds[len(q.Bounds)-1]
	answer := &Answer{}
	// The groups are found first: to have the series of all of them could take any memory.
	if !q.InParts || len(q.By) > 0 {
		whole := &adder{q: q, plan: planFor([]int64{first, last}), groups: newGroups(q.Kind, q.By)}
		if err := whole.run(ctx, log, snapshot); err != nil {
			return nil, err
		}
		answer.Total, answer.AllGroups = whole.total, len(whole.groups.sums)
		answer.Groups = whole.groups.top(q)
	}
	if q.InParts {
		parts := &adder{q: q, plan: planFor(q.Bounds), groups: newGroups(q.Kind, q.By)}
		parts.series = make([]Sum, len(q.Bounds)-1)
		parts.groups.only(answer.Groups, len(parts.series))
		if err := parts.run(ctx, log, snapshot); err != nil {
			return nil, err
		}
		answer.Total, answer.Series = parts.total, parts.series
	}
	var err error
	answer.Dropped, err = snapshot.Dropped(ctx, q.Kind, first, last-1)
	return answer, err
}

// adder adds up blocks.
type adder struct {
	q      *Question
	plan   *plan
	groups *groups
	scope  *scope
	total  Sum
	series []Sum // nil for none
}

// run adds up everything.
func (a *adder) run(ctx context.Context, log *events.Log, snapshot *events.Snapshot) error {
	a.scope = newScope(a.q.Scope, a.q.Filter)
	for _, s := range a.plan.segments {
		kept := log.Kept(a.q.Kind, s.step)
		if s.from < a.q.Now.Add(-kept).UnixMilli() {
			return &OldError{s.step, kept}
		}
	}
	parts, err := a.parts(ctx, snapshot)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := snapshot.Read(ctx, p.Part, a.columns(p), a.scope.sees)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		if err := a.block(b, p); err != nil {
			return err
		}
	}
	return nil
}

// part is a block with the steps of the segments that it has rows of.
type part struct {
	events.Part
	steps uint8 // a bit for each
	// whole is the index of the segment that has all its rows, -1 if there is none.
	whole int
}

// parts returns the blocks of all steps of the plan. A block whose rows aren't in those of a longer
// step yet counts for this one, too.
func (a *adder) parts(ctx context.Context, snapshot *events.Snapshot) ([]part, error) {
	var all []part
	at := map[events.Part]int{}
	for step := events.Raw; step <= events.Month; step++ {
		from, to, used := a.plan.span(step)
		if !used {
			continue
		}
		found, err := snapshot.Parts(ctx, events.Query{
			Kind: a.q.Kind, Step: step, From: from, To: to,
		})
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			i, known := at[p]
			if !known {
				i = len(all)
				at[p] = i
				all = append(all, part{Part: p, whole: -1})
			}
			all[i].steps |= 1 << step
		}
	}
	for i := range all {
		p := &all[i]
		s := a.plan.find(p.First, 0)
		if s >= 0 && s == a.plan.find(p.Last, s) && p.steps&(1<<a.plan.segments[s].step) != 0 {
			p.whole = s
		}
	}
	return all, nil
}

// columns returns the columns that are needed.
func (a *adder) columns(p part) events.Columns {
	c := events.ColSubject | events.ColOutcome | events.ColCount | events.ColAmount
	if p.Step == events.Raw {
		c &^= events.ColCount // each row is one event
	}
	if p.whole < 0 {
		c |= events.ColTime
	}
	if a.q.Filter.Tag != "" || slices.Contains(a.q.By, ByTag) {
		c |= events.ColTags
	}
	return c
}

// block adds up a block.
func (a *adder) block(b *events.Block, p part) error {
	v := a.scope.viewOf(a.q.Kind, b)
	labels := a.groups.labelsOf(b)
	at := p.whole
	for i := range b.Rows {
		if !v.has(b, i) {
			continue
		}
		if p.whole < 0 {
			found := a.plan.find(b.Time[i], at)
			if found < 0 || p.steps&(1<<a.plan.segments[found].step) == 0 {
				continue
			}
			at = found
		}
		sum := sumOf(a.q.Kind, b, i)
		a.total.add(sum)
		interval := a.plan.segments[at].interval
		if a.series != nil {
			a.series[interval].add(sum)
		}
		if len(a.q.By) > 0 {
			if err := labels.add(i, interval, sum); err != nil {
				return err
			}
		}
	}
	return nil
}

// sumOf returns what a row of a block stands for.
func sumOf(kind events.Kind, b *events.Block, row int) Sum {
	passed, sum := uint8(0), Sum{Count: b.Of(row)}
	if kind == events.Limits {
		passed = 1
	}
	if b.Outcome[row] == passed {
		// Verifications that aren't valid spend nothing.
		sum.Passed, sum.Credits = sum.Count, b.Amount[row]
	}
	return sum
}

// top returns the groups with the largest sums, in their order.
func (g *groups) top(q *Question) []Group {
	all := make([]int, len(g.sums))
	for i := range all {
		all[i] = i
	}
	first, second := func(s *Sum) int64 { return s.Count }, func(s *Sum) int64 { return s.Credits }
	if q.ByCredits {
		first, second = second, first
	}
	slices.SortFunc(all, func(i, j int) int {
		c := cmp.Or(cmp.Compare(first(&g.sums[j]), first(&g.sums[i])),
			cmp.Compare(second(&g.sums[j]), second(&g.sums[i])))
		for d := 0; d < len(g.by) && c == 0; d++ {
			c = strings.Compare(g.texts[d][g.at[i][d]], g.texts[d][g.at[j][d]])
		}
		return c
	})
	top := make([]Group, 0, min(q.Top, len(all)))
	for _, i := range all[:min(q.Top, len(all))] {
		top = append(top, Group{Labels: g.labels(i), Sum: g.sums[i]})
	}
	return top
}
