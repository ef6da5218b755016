package ratelimit

import (
	"context"
	"maps"
	"slices"
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
func live(m *Memory) int { return m.table.size() }
