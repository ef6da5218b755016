package ratelimit

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

// Changed returns the cells that changed since the last call, each Key once, for
// the caller to save as rows that replace older ones of the same Key. What is not
// saved when the process dies is forgiven, so call it often. If saving fails,
// hand the cells to Keep.
//
// It can run beside all other methods. It locks one shard at a time, for about a
// millisecond if a hundred thousand cells have changed.
func (m *Memory) Changed() []Cell {
	var cells []Cell
	for i := range m.table.shards {
		s := &m.table.shards[i]
		s.mu.Lock()
		s.unmark(func(e *entry[window]) { cells = append(cells, e.state.cell(e.Key)) })
		s.mu.Unlock()
	}
	return cells
}

// Keep makes the next call of Changed return these cells again, in the state
// they have by then, except those that Sweep has dropped.
func (m *Memory) Keep(cells []Cell) {
	for i := range cells {
		s, hash := m.table.at(&cells[i].Key)
		if e := s.find(hash, &cells[i].Key); e != nil {
			s.mark(e)
		}
		s.mu.Unlock()
	}
}

// Load restores saved cells; call it before the first Take. Where something is
// counted already, the larger count of each window stands, so that loading the
// same cells twice, or old beside new ones, does no harm.
func (m *Memory) Load(cells []Cell) {
	for i := range cells {
		s, hash := m.table.at(&cells[i].Key)
		s.use(hash, &cells[i].Key).state.merge(cells[i].window())
		s.mu.Unlock()
	}
}

func (w window) cell(key Key) Cell {
	return Cell{Key: key, Sequence: int64(w.sequence), Current: int64(w.current), Previous: int64(w.previous)}
}

func (c Cell) window() window {
	return window{sequence: uint64(c.Sequence), current: uint64(c.Current), previous: uint64(c.Previous)}
}
