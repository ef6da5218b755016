package ratelimit

import (
	"iter"
	"math"
)

// Cell is the saved form of what is counted on one Key: Current in the window
// with the number Sequence, which begins Sequence durations after the unix
// epoch, and Previous in the window before it.
type Cell struct {
	Key
	Sequence int64
	Current  int64
	Previous int64
}

// Expires returns when the counts no longer matter, in unix milliseconds: the
// end of the window after the Cell's. It is at most the largest int64.
func (c Cell) Expires() int64 {
	return c.window().expires(c.Duration)
}

// Part is what is to be saved of one part of a Memory.
type Part struct {
	// Number is the same each time for the same part. A Key is in one part
	// during the life of a Memory.
	Number int64
	// Cells are the cells that have changed, each Key once.
	Cells []Cell
	// Whole tells that Cells are all that the part has, to be saved in place of
	// what was saved of the part. Otherwise they are saved beside it.
	Whole bool
}

// Changed ranges over what changed since the last time, part by part, for the
// caller to save. What is not saved when the process dies is forgiven, so call it
// often, but only once at a time. If a part can't be saved, hand it to Keep.
//
// What is saved of a part grows until it would be more than twice what the part
// has; then the part comes whole. So no more than that is ever saved, while each
// change is written about twice at most; a row for each Key, replaced in its
// place, touches three pages of a database for each cell. What has expired and was
// swept goes the same way. TestWhatIsSavedIsBounded holds both.
//
// It can run beside all other methods. It locks one shard at a time, for about a
// millisecond if a hundred thousand cells have changed.
func (m *Memory) Changed() iter.Seq[Part] {
	return func(yield func(Part) bool) {
		for i := range m.table.shards {
			p := changedIn(&m.table.shards[i])
			p.Number = m.first + int64(i)
			if (len(p.Cells) > 0 || p.Whole) && !yield(p) {
				return
			}
		}
	}
}

// changedIn returns what is to be saved of a shard.
func changedIn(s *shard[window]) Part {
	s.mu.Lock()
	cells := make([]Cell, 0, len(s.marked))
	s.unmark(func(e *entry[window]) { cells = append(cells, e.state.cell(e.Key)) })
	s.saved += len(cells)
	whole := s.saved > 2*len(s.chains)
	s.mu.Unlock()
	if !whole {
		return Part{Cells: cells}
	}
	return Part{Cells: allIn(s), Whole: true}
}

// allIn returns all cells of a shard. Those that change or are new while it lets
// others through are marked, so they come again.
func allIn(s *shard[window]) []Cell {
	s.mu.Lock()
	cells := make([]Cell, 0, len(s.chains))
	s.mu.Unlock()
	s.visit(func(e *entry[window]) { cells = append(cells, e.state.cell(e.Key)) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = len(cells)
	return cells
}

// Keep makes the next call of Changed return the cells of a part that could not
// be saved again, in the state they have by then, except those that Sweep has
// dropped. As it isn't known what is saved of the part now, it comes whole.
func (m *Memory) Keep(p Part) {
	for i := range p.Cells {
		s, hash := m.table.at(&p.Cells[i].Key)
		if e := s.find(hash, &p.Cells[i].Key); e != nil {
			s.mark(e)
		}
		s.mu.Unlock()
	}
	s := &m.table.shards[p.Number-m.first]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = math.MaxInt / 2
}

// Load restores saved cells; call it before the first Take. Where something is
// counted already, the larger count of each window stands, so that loading the
// same cells twice, or old beside new ones, does no harm.
//
// A Memory has parts of its own, so what is loaded counts as changed. When all
// that Changed returns was saved, the cells that were loaded are no longer needed.
func (m *Memory) Load(cells []Cell) {
	for i := range cells {
		s, hash := m.table.at(&cells[i].Key)
		e := s.use(hash, &cells[i].Key)
		e.state.merge(cells[i].window())
		s.mark(e)
		s.mu.Unlock()
	}
}

// NumberParts gives the parts the numbers from first on. Call it before the
// first call of Changed.
func (m *Memory) NumberParts(first int64) { m.first = first }

// FirstPart returns the lowest number of a part.
func (m *Memory) FirstPart() int64 { return m.first }

func (w window) cell(key Key) Cell {
	return Cell{Key: key, Sequence: int64(w.sequence), Current: int64(w.current), Previous: int64(w.previous)}
}

func (c Cell) window() window {
	return window{sequence: uint64(c.Sequence), current: uint64(c.Current), previous: uint64(c.Previous)}
}
