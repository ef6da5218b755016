package tally

import (
	"math"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// most is how many dimensions a question has at most.
const most = 2

// place are the numbers of the labels of a group, one for each dimension.
type place [most]uint32

// groups are groups with their sums.
type groups struct {
	kind  events.Kind
	by    []Dimension
	names [most]map[string]uint32 // the number of each label
	texts [most][]string          // the labels by number
	bytes int                     // of the labels
	index map[place]uint32        // of sums
	at    []place
	sums  []Sum
	// series are the sums of each interval, of a fixed set of groups. With nil, new groups are added.
	series [][]Sum
	// the group that was added to last
	last      uint32
	lastPlace place
	any       bool
}

func newGroups(kind events.Kind, by []Dimension) *groups {
	g := &groups{kind: kind, by: by, index: map[place]uint32{}}
	for i := range by {
		g.names[i] = map[string]uint32{}
	}
	return g
}

// only fixes the groups.
func (g *groups) only(some []Group, intervals int) {
	series := make([][]Sum, 0, len(some))
	for i := range some {
		var p place
		for d, label := range some[i].Labels {
			p[d], _ = g.label(d, label) // there are fewer than the most
		}
		some[i].Series = make([]Sum, intervals)
		g.index[p] = uint32(len(series))
		series = append(series, some[i].Series)
	}
	g.series = series
}

// noLabel is the number of a label that no group has.
const noLabel = math.MaxUint32

// label returns the number of a label.
func (g *groups) label(dimension int, text string) (uint32, error) {
	n, known := g.names[dimension][text]
	switch {
	case known:
		return n, nil
	case g.series != nil:
		return noLabel, nil
	case len(g.texts[dimension]) >= MaxGroups, g.bytes+len(text) > MaxLabelBytes:
		return noLabel, ErrTooManyGroups
	}
	n = uint32(len(g.texts[dimension]))
	text = strings.Clone(text) // it is part of a block
	g.names[dimension][text] = n
	g.texts[dimension] = append(g.texts[dimension], text)
	g.bytes += len(text)
	return n, nil
}

// labels are the labels of a group.
func (g *groups) labels(i int) []string {
	texts := make([]string, len(g.by))
	for d := range g.by {
		texts[d] = g.texts[d][g.at[i][d]]
	}
	return texts
}

// add adds to a group.
func (g *groups) add(p place, interval int, sum Sum) error {
	i, known := g.last, g.any && p == g.lastPlace
	if !known {
		i, known = g.index[p]
	}
	switch {
	case g.series != nil:
		if known {
			g.series[i][interval].add(sum)
		}
		return nil
	case !known && len(g.sums) >= MaxGroups:
		return ErrTooManyGroups
	case !known:
		i = uint32(len(g.sums))
		g.index[p], g.at, g.sums = i, append(g.at, p), append(g.sums, Sum{})
	}
	g.sums[i].add(sum)
	g.last, g.lastPlace, g.any = i, p, true
	return nil
}

// labels has the numbers of the labels in a block.
type labels struct {
	groups *groups
	block  *events.Block
	// of each dimension, the numbers by subject, by tag set or by outcome; nil where they weren't
	// looked up yet
	numbers [most][][]uint32
}

// labelsOf prepares the labels of a block. What doesn't count of it isn't looked up.
func (g *groups) labelsOf(b *events.Block) *labels {
	l := &labels{groups: g, block: b}
	for d, dimension := range g.by {
		switch dimension {
		case ByTag:
			l.numbers[d] = make([][]uint32, len(b.TagSets))
		case ByOutcome:
			l.numbers[d] = make([][]uint32, 256)
		case BySpace, ByKey, ByIdentity, ByExternal:
			l.numbers[d] = make([][]uint32, len(b.Subjects))
		}
	}
	return l
}

// add adds a row of the block to its groups.
func (l *labels) add(row, interval int, sum Sum) error {
	first, err := l.of(0, row)
	if err != nil {
		return err
	}
	second := []uint32{0}
	if len(l.groups.by) > 1 {
		if second, err = l.of(1, row); err != nil {
			return err
		}
	}
	for _, one := range first {
		for _, other := range second {
			if err := l.groups.add(place{one, other}, interval, sum); err != nil {
				return err
			}
		}
	}
	return nil
}

// of returns the numbers of the labels of a row.
func (l *labels) of(d, row int) ([]uint32, error) {
	var at uint32
	switch l.groups.by[d] {
	case ByTag:
		at = l.block.Tags[row]
	case ByOutcome:
		at = uint32(l.block.Outcome[row])
	case BySpace, ByKey, ByIdentity, ByExternal:
		at = l.block.Subject[row]
	}
	if known := l.numbers[d][at]; known != nil {
		return known, nil
	}
	for _, text := range l.texts(d, at) {
		n, err := l.groups.label(d, text)
		if err != nil {
			return nil, err
		}
		l.numbers[d][at] = append(l.numbers[d][at], n)
	}
	return l.numbers[d][at], nil
}

// texts returns the labels of a subject, a tag set or an outcome.
func (l *labels) texts(d int, at uint32) []string {
	subject := func() *events.Subject { return &l.block.Subjects[at] }
	switch l.groups.by[d] {
	case BySpace:
		return []string{subject().Space}
	case ByKey:
		return []string{subject().Key}
	case ByIdentity:
		return []string{subject().Identity}
	case ByExternal:
		return []string{subject().External}
	case ByOutcome:
		if names := Outcomes(l.groups.kind); int(at) < len(names) {
			return []string{names[at]}
		}
	case ByTag:
		if set := slices.Clone(l.block.TagSets[at]); len(set) > 0 {
			slices.Sort(set)
			return slices.Compact(set)
		}
	}
	return []string{""}
}
