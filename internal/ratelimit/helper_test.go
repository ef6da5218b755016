package ratelimit

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// second is the duration of most windows in the tests.
const second = 1_000

// take is Take without an error, which a Memory never returns.
func take(m *Memory, now int64, requests ...Request) []Decision {
	decisions, err := m.Take(context.Background(), now, requests)
	if err != nil {
		panic(err)
	}
	return decisions
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
func wantTake(t *testing.T, m *Memory, now int64, requests []Request, want ...Decision) {
	t.Helper()
	if diff := cmp.Diff(want, take(m, now, requests...)); diff != "" {
		t.Errorf("at %d, decisions (-want +got):\n%s", now, diff)
	}
}

// wantAsk makes a request on its own and compares the decision.
func wantAsk(t *testing.T, m *Memory, now int64, r Request, want Decision) {
	t.Helper()
	wantTake(t, m, now, []Request{r}, want)
}

// disk is what a caller has saved: one row for each Key.
type disk map[Key]Cell

func (d disk) save(cells []Cell) {
	for _, c := range cells {
		d[c.Key] = c
	}
}

// restart returns a Memory as it is after a restart.
func (d disk) restart() *Memory {
	m := NewMemory()
	m.Load(slices.Collect(maps.Values(d)))
	return m
}

// live returns the number of windows held in memory.
func live(m *Memory) int {
	n := 0
	for i := range m.shards {
		n += len(m.shards[i].windows)
	}
	return n
}
