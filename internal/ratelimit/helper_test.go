package ratelimit

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// second is the duration of most windows in the tests.
const second = 1_000

// take is Take without an error, which none of these returns.
func take(m Limiter, now int64, requests ...Request) []Decision {
	decisions, err := m.Take(context.Background(), now, requests)
	if err != nil {
		panic(err)
	}
	return decisions
}

// each runs a test over every Limiter that promises the same: in memory, and on
// Redis exact and, being the only node, fast. Open returns one that has counted
// nothing.
func each(t *testing.T, test func(t *testing.T, open func() Limiter)) {
	t.Run("memory", func(t *testing.T) {
		test(t, func() Limiter { return NewMemory() })
	})
	for name, fast := range map[string]bool{"exact": false, "fast": true} {
		t.Run(name, func(t *testing.T) {
			test(t, func() Limiter {
				return openRedis(t, RedisConfig{URL: testenv.Redis(t), Fast: fast, patience: time.Minute})
			})
		})
	}
}

// openRedis opens a Redis that is closed when the test is over.
func openRedis(t testing.TB, cfg RedisConfig) *Redis {
	t.Helper()
	r, err := OpenRedis(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// ask makes a request on an identifier with windows of a second.
func ask(identifier string, limit, cost int64) Request {
	return Request{Key: keyOf(identifier), Limit: limit, Cost: cost}
}

func keyOf(identifier string) Key {
	return Key{Workspace: "ws", Namespace: "ns", Identifier: identifier, Duration: second}
}

func passed(remaining, reset int64) Decision {
	return Decision{Passed: true, Remaining: remaining, Reset: reset}
}

func refused(reset int64) Decision {
	return Decision{Reset: reset}
}

// wantTake makes one batch of requests and compares the decisions.
func wantTake(t *testing.T, m Limiter, now int64, requests []Request, want ...Decision) {
	t.Helper()
	if diff := cmp.Diff(want, take(m, now, requests...)); diff != "" {
		t.Errorf("at %d, decisions (-want +got):\n%s", now, diff)
	}
}

// wantAsk makes a request on its own and compares the decision.
func wantAsk(t *testing.T, m Limiter, now int64, r Request, want Decision) {
	t.Helper()
	wantTake(t, m, now, []Request{r}, want)
}

// changed returns the cells of all parts that changed.
func changed(m *Memory) (cells []Cell) {
	for p := range m.Changed() {
		cells = append(cells, p.Cells...)
	}
	return cells
}

// disk is what a caller has saved: the cells of each part.
type disk map[int64][]Cell

func (d disk) save(m *Memory) {
	for p := range m.Changed() {
		d.put(p)
	}
}

func (d disk) put(p Part) {
	if p.Whole {
		d[p.Number] = nil
	}
	d[p.Number] = append(d[p.Number], p.Cells...)
}

// size returns how many cells are saved.
func (d disk) size() (n int) {
	for _, cells := range d {
		n += len(cells)
	}
	return n
}

// restart returns a Memory as it is after a restart.
func (d disk) restart() *Memory {
	m, last := NewMemory(), int64(0)
	for part, cells := range d {
		m.Load(cells)
		last = max(last, part)
	}
	m.NumberParts(last + 1)
	return m
}

// dropOld drops what was saved before the last restart.
func (d disk) dropOld(m *Memory) {
	maps.DeleteFunc(d, func(part int64, _ []Cell) bool { return part < m.FirstPart() })
}

// live returns the number of windows held in memory.
func live(m *Memory) int { return m.table.size() }
