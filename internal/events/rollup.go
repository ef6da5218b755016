package events

import "time"

// RollUp returns the rows of a block that keep accepts, summed up by a step. Keep gets the
// index of a row.
func RollUp(b *Block, to Step, keep func(row int) bool) *Block {
	some := newBuilder()
	some.addWhere(b, keep)
	return rollUp(&some.block, to)
}

// Join returns the rows of two blocks of sums of a step as one.
func Join(a, b *Block, step Step) *Block {
	both := newBuilder()
	both.add(a)
	both.add(b)
	return rollUp(&both.block, step)
}

// rollUp returns the rows of a block summed up by a coarser step.
func rollUp(b *Block, to Step) *Block {
	type group struct {
		subject, tags uint32
		outcome       uint8
		start         int64
	}
	sums := newBuilder()
	rows := make(map[group]int, b.Rows/4)
	subjects := make([]uint32, len(b.Subjects))
	for i, s := range b.Subjects {
		s.Override = "" // sums don't have it
		subjects[i] = sums.subject(s)
	}
	sets := make([]uint32, len(b.TagSets))
	for i, set := range b.TagSets {
		sets[i] = sums.tags(set)
	}
	for i := range b.Rows {
		g := group{
			subjects[b.Subject[i]], sets[b.Tags[i]], b.Outcome[i], Start(b.Time[i], to),
		}
		row, known := rows[g]
		if !known {
			row = sums.block.Rows
			rows[g] = row
			sums.row(g.start, g.subject, g.outcome, g.tags, 0)
			sums.block.Count = append(sums.block.Count, 0)
		}
		sums.block.Count[row] += b.Of(i)
		sums.block.Amount[row] = plus(sums.block.Amount[row], b.Amount[i])
	}
	return sums.block.sorted()
}

// plus adds numbers that aren't negative, and stays at the largest one.
func plus(a, b int64) int64 {
	if sum := a + b; sum >= a || b < 0 {
		return sum
	}
	return 1<<63 - 1
}

// Start returns the beginning of the minute, hour, day or month of a time, all in unix ms
// and UTC.
func Start(at int64, step Step) int64 {
	const minute, hour, day = 60_000, 3_600_000, 86_400_000
	switch step {
	case Minute:
		return at - mod(at, minute)
	case Hour:
		return at - mod(at, hour)
	case Day:
		return at - mod(at, day)
	case Month:
		t := time.UnixMilli(at).UTC()
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	case Raw, steps:
	}
	return at
}

// mod is the remainder that is never negative.
func mod(n, by int64) int64 { return (n%by + by) % by }
