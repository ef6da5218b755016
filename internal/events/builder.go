package events

import (
	"slices"
	"strings"
)

// builder collects events into a block.
type builder struct {
	block    Block
	subjects map[Subject]uint32
	byKey    map[Described]uint32
	tagSets  map[string]uint32
	joined   []byte
	size     int // bytes of the texts
}

func newBuilder() *builder {
	return &builder{
		block:    Block{TagSets: [][]string{nil}},
		subjects: map[Subject]uint32{},
		byKey:    map[Described]uint32{},
		tagSets:  map[string]uint32{"": 0},
	}
}

func (b *builder) subject(s Subject) uint32 {
	at, known := b.subjects[s]
	if !known {
		at = uint32(len(b.block.Subjects))
		b.block.Subjects = append(b.block.Subjects, s)
		b.subjects[s] = at
		for _, text := range s.fields() {
			b.size += len(*text)
		}
	}
	return at
}

// described returns the index of a subject without asking for its names again.
func (b *builder) described(key Described) uint32 {
	at, known := b.byKey[key]
	if !known {
		at = b.subject(key.Subject())
		b.byKey[key] = at
	}
	return at
}

func (b *builder) tags(set []string) uint32 {
	if len(set) == 0 {
		return 0
	}
	b.joined = b.joined[:0]
	for _, tag := range set {
		b.joined = appendText(b.joined, tag)
	}
	at, known := b.tagSets[string(b.joined)]
	if !known {
		at = uint32(len(b.block.TagSets))
		b.block.TagSets = append(b.block.TagSets, set)
		b.tagSets[string(b.joined)] = at
		b.size += len(b.joined)
	}
	return at
}

// limited is the index of the subject of a decision on a limit.
func (b *builder) limited(d *Limit) uint32 {
	return b.subject(Subject{
		Workspace: d.Workspace, Space: d.Namespace, Key: d.Identifier, Override: d.Override,
	})
}

func (b *builder) verification(v *Verification) {
	tags := uint32(0)
	if v.Tags != nil {
		tags = b.tags(*v.Tags)
	}
	b.row(v.At, b.described(v.Key), v.Outcome, tags, v.Credits)
	b.block.Latency = append(b.block.Latency, int64(v.Latency))
	b.block.Request = append(b.block.Request, v.RequestID)
}

func (b *builder) limit(d *Limit) {
	outcome := denied
	if d.Passed {
		outcome = passed
	}
	b.row(d.At, b.limited(d), outcome, 0, d.Cost)
	b.block.Latency = append(b.block.Latency, int64(d.Latency))
	b.block.Request = append(b.block.Request, d.RequestID)
	b.block.Limit = append(b.block.Limit, d.Limit)
	b.block.Left = append(b.block.Left, d.Remaining)
	b.block.Reset = append(b.block.Reset, d.Reset)
}

func (b *builder) row(at int64, subject uint32, outcome uint8, tags uint32, amount int64) {
	k := &b.block
	k.Rows++
	k.Time = append(k.Time, at)
	k.Subject = append(k.Subject, subject)
	k.Outcome = append(k.Outcome, outcome)
	k.Tags = append(k.Tags, tags)
	k.Amount = append(k.Amount, amount)
}

// addWhere appends the rows of a decoded block that keep accepts, with the columns that sums
// have.
func (b *builder) addWhere(other *Block, keep func(row int) bool) {
	const unknown = 1<<32 - 1
	subjects := make([]uint32, len(other.Subjects))
	sets := make([]uint32, len(other.TagSets))
	for i := range subjects {
		subjects[i] = unknown
	}
	for i := range sets {
		sets[i] = unknown
	}
	for i := range other.Rows {
		if !keep(i) {
			continue
		}
		subject, set := other.Subject[i], other.Tags[i]
		if subjects[subject] == unknown {
			subjects[subject] = b.subject(other.Subjects[subject])
		}
		if sets[set] == unknown {
			sets[set] = b.tags(other.TagSets[set])
		}
		b.row(other.Time[i], subjects[subject], other.Outcome[i], sets[set], other.Amount[i])
		b.block.Count = append(b.block.Count, other.Of(i))
	}
}

// add appends all rows of a decoded block.
func (b *builder) add(other *Block) {
	subjects := make([]uint32, len(other.Subjects))
	for i, s := range other.Subjects {
		subjects[i] = b.subject(s)
	}
	sets := make([]uint32, len(other.TagSets))
	for i, set := range other.TagSets {
		sets[i] = b.tags(set)
	}
	k := &b.block
	k.Rows += other.Rows
	k.Time = append(k.Time, other.Time...)
	for i := range other.Rows {
		k.Subject = append(k.Subject, subjects[other.Subject[i]])
		k.Tags = append(k.Tags, sets[other.Tags[i]])
	}
	k.Outcome = append(k.Outcome, other.Outcome...)
	k.Count = append(k.Count, other.Count...)
	k.Amount = append(k.Amount, other.Amount...)
	k.Latency = append(k.Latency, other.Latency...)
	k.Request = append(k.Request, other.Request...)
	k.Limit = append(k.Limit, other.Limit...)
	k.Left = append(k.Left, other.Left...)
	k.Reset = append(k.Reset, other.Reset...)
}

// sorted returns the block with its rows in an order in which columns compress well and a
// subject's rows are together: by subject, then by time.
func (b *Block) sorted() *Block {
	names := make([]uint32, len(b.Subjects)) // the place of each subject in their order
	order := make([]uint32, len(b.Subjects))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int { return b.Subjects[i].compare(&b.Subjects[j]) })
	sorted := &Block{TagSets: b.TagSets, Rows: b.Rows, Subjects: make([]Subject, len(order))}
	for place, i := range order {
		names[i], sorted.Subjects[place] = uint32(place), b.Subjects[i]
	}
	rows := make([]uint32, b.Rows)
	for i := range rows {
		rows[i] = uint32(i)
	}
	slices.SortStableFunc(rows, func(i, j uint32) int {
		if d := int(names[b.Subject[i]]) - int(names[b.Subject[j]]); d != 0 {
			return d
		}
		switch {
		case b.Time[i] < b.Time[j]:
			return -1
		case b.Time[i] > b.Time[j]:
			return 1
		}
		return 0
	})
	sorted.Time, sorted.Outcome = pick(b.Time, rows), pick(b.Outcome, rows)
	sorted.Subject = pick(b.Subject, rows)
	for i, s := range sorted.Subject {
		sorted.Subject[i] = names[s]
	}
	sorted.Tags, sorted.Count = pick(b.Tags, rows), pick(b.Count, rows)
	sorted.Amount, sorted.Latency = pick(b.Amount, rows), pick(b.Latency, rows)
	sorted.Request, sorted.Limit = pick(b.Request, rows), pick(b.Limit, rows)
	sorted.Left, sorted.Reset = pick(b.Left, rows), pick(b.Reset, rows)
	return sorted
}

// pick returns the values of a column in another order; of a missing column nothing.
func pick[T any](column []T, rows []uint32) []T {
	if len(column) == 0 {
		return nil
	}
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = column[row]
	}
	return picked
}

func (s *Subject) compare(other *Subject) int {
	theirs := other.fields()
	for i, mine := range s.fields() {
		if c := strings.Compare(*mine, *theirs[i]); c != 0 {
			return c
		}
	}
	return 0
}

// span returns the first and the last time of the rows.
func (b *Block) span() (first, last int64) {
	if b.Rows == 0 {
		return 0, 0
	}
	return slices.Min(b.Time), slices.Max(b.Time)
}

// Of returns how many events a row of the block stands for.
func (b *Block) Of(row int) int64 {
	if b.Count == nil || b.Count[row] == 0 {
		return 1
	}
	return b.Count[row]
}
