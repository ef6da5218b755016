package ratelimit

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
				return openRedis(t, RedisConfig{
					URL: testenv.Redis(t), Fast: fast, roundTripTimeout: time.Minute,
				})
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
	t.Cleanup(func() { _ = r.Close(context.Background()) })
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

// ignoreWait is for tests of what is counted. matchesHistory looks at each Wait.
var ignoreWait = cmpopts.IgnoreFields(Decision{}, "Wait")

// wantTake makes one batch of requests and compares the decisions.
func wantTake(t *testing.T, m Limiter, now int64, requests []Request, want ...Decision) {
	t.Helper()
	if diff := cmp.Diff(want, take(m, now, requests...), ignoreWait); diff != "" {
		t.Errorf("at %d, decisions (-want +got):\n%s", now, diff)
	}
}

// wantAsk makes a request on its own and compares the decision.
func wantAsk(t *testing.T, m Limiter, now int64, r Request, want Decision) {
	t.Helper()
	wantTake(t, m, now, []Request{r}, want)
}

// disk is a Store in memory.
type disk struct {
	mu       sync.Mutex
	rows     map[Row]Row // by their key columns
	segments map[int64][]Segment
	allow    int  // how many calls of Save succeed before the rest fails
	failures int  // how many calls of Save fail before the rest succeeds
	reached  bool // a call that fails has taken effect
	wrote    int  // counters, by all calls of Save
	gone     atomic.Bool
}

func newDisk() *disk {
	return &disk{rows: map[Row]Row{}, segments: map[int64][]Segment{}, allow: math.MaxInt}
}

var errDisk = errors.New("the disk is out of reach")

func keyColumns(r Row) Row {
	return Row{
		Workspace: r.Workspace, Namespace: r.Namespace, Identifier: r.Identifier,
		Duration: r.Duration,
	}
}

func (d *disk) Saved(_ context.Context, row func(Row), segment func(Segment) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rows {
		if row != nil {
			row(r)
		}
	}
	for _, segments := range d.segments {
		for _, s := range segments {
			if err := segment(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *disk) Save(_ context.Context, segments []Segment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	failed := d.failures > 0 || d.allow == 0
	if failed {
		d.failures--
		if !d.reached {
			return errDisk
		}
	}
	d.allow--
	for _, s := range segments {
		_ = s.Each(func(Row) { d.wrote++ })
		if s.Full {
			delete(d.segments, s.Shard)
		}
		if len(s.Data) > 0 {
			d.segments[s.Shard] = append(d.segments[s.Shard], s)
		}
	}
	if failed {
		return errDisk
	}
	return nil
}

func (d *disk) DropRows(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.rows)
	return nil
}

func (d *disk) DropSegments(_ context.Context, before int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.segments, func(shard int64, _ []Segment) bool { return shard < before })
	return nil
}

func (d *disk) DropExpired(_ context.Context, now int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.rows, func(_, r Row) bool { return r.Expires <= now })
	for shard := range d.segments {
		d.segments[shard] = slices.DeleteFunc(d.segments[shard], func(s Segment) bool {
			return s.Expires <= now
		})
	}
	return nil
}

func (d *disk) Update(_ context.Context, keys []Row, decide func([]Row) []Row) error {
	if d.gone.Load() {
		return errDisk
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := make([]Row, len(keys))
	for i, key := range keys {
		if i > 0 && compareRows(keys[i-1], key) >= 0 {
			return errors.New("the keys are not sorted, or one is there twice")
		}
		rows[i] = keyColumns(key)
		if r, ok := d.rows[rows[i]]; ok {
			rows[i] = r
		}
	}
	decide(slices.Clone(rows)) // as after a transaction that came to nothing
	for _, r := range decide(rows) {
		d.rows[keyColumns(r)] = r
	}
	return nil
}

// counter returns what is counted in the row of a Key.
func (d *disk) counter(key Key) window {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rows[keyColumns(key.row(state{}))]
	return windowOf(r.state())
}

// list returns all counters that are saved, each as often as it is.
func (d *disk) list() (all []saved) {
	row := func(r Row) {
		if key, s, err := r.counter(); err == nil {
			all = append(all, saved{key, s})
		}
	}
	_ = d.Saved(context.Background(), row, func(s Segment) error { return s.Each(row) })
	return all
}

// restart returns a Memory with what is saved.
func (d *disk) restart() *Memory {
	m := NewMemory()
	if err := m.load(context.Background(), d); err != nil {
		panic(err)
	}
	return m
}

// newSaved returns a Memory that is saved on a disk, when it is told to.
func newSaved() (*Memory, *disk) {
	d := newDisk()
	return d.restart(), d
}

// save saves a Memory and returns whether that succeeded.
func save(m *Memory) bool { return m.Save(context.Background()) == nil }

// live returns the number of counters held in memory.
func live(m *Memory) int { return m.table.size() }

// isDown reports whether a breaker is open.
func (r *Redis) isDown() bool { return r.breakers.n.Load() > 0 }

// allCounters returns all counters of a node.
func (r *Redis) allCounters() []counter {
	var counters []counter
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		counters = append(counters, counter{Key: e.Key, hash: e.hash})
	})
	return counters
}
