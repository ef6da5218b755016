package ratelimit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// openRowsNodes returns nodes that count in one table.
func openRowsNodes(t *testing.T, n int) ([]*Rows, *disk) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	d := newDisk()
	nodes := make([]*Rows, n)
	for i := range nodes {
		nodes[i] = openRows(t, d, n)
	}
	return nodes, d
}

func openRows(t *testing.T, d *disk, nodes int) *Rows {
	t.Helper()
	r, err := OpenRows(t.Context(), RowsConfig{
		Store: d, Nodes: func() int { return nodes }, Now: func() int64 { return 0 },
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

func (r *Rows) passes(t *testing.T, now int64, requests ...Request) bool {
	t.Helper()
	decisions, err := r.Take(t.Context(), now, requests)
	if err != nil {
		t.Fatal(err)
	}
	return allPassed(decisions)
}

const rowsStart = 16_666_666 * 60_000 // the beginning of a window of a minute

func rowsRequest(identifier string, limit int64) Request {
	return Request{
		Key:   Key{Workspace: "w", Namespace: "n", Identifier: identifier, Duration: 60_000},
		Limit: limit, Cost: 1,
	}
}

// With concurrent calls on several nodes, single and in batches that name the same
// counters in different orders.
func TestRowsAreExact(t *testing.T) {
	nodes, d := openRowsNodes(t, 3)
	a, b := rowsRequest("a", 300), rowsRequest("b", 300)
	var passed atomic.Int64
	var all sync.WaitGroup
	for _, r := range nodes {
		for i := range 8 {
			all.Go(func() {
				for range 100 {
					batch := []Request{a, b}
					if i%2 == 1 {
						batch = []Request{b, a}
					}
					if r.passes(t, rowsStart, batch...) {
						passed.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	if n := passed.Load(); n != 300 || d.counter(a.Key).current != 300 ||
		d.counter(b.Key).current != 300 {
		t.Errorf("%d batches passed, %d and %d are counted, want 300", n,
			d.counter(a.Key).current, d.counter(b.Key).current)
	}
}

func TestRowsAgreeWithMemory(t *testing.T) {
	nodes, _ := openRowsNodes(t, 2)
	m := NewMemory()
	for i := range int64(2000) {
		now := rowsStart + i*127 + i%7*1000 // with steps back
		batch := []Request{
			rowsRequest([]string{"a", "b", "c"}[i%3], 20+i%5),
			rowsRequest([]string{"a", "b"}[i%2], 25),
		}
		batch[0].Cost = i % 3
		if i%4 > 0 {
			batch = batch[:1]
		}
		want, _ := m.Take(t.Context(), now, batch)
		got, err := nodes[i%2].Take(t.Context(), now, batch)
		if err != nil {
			t.Fatal(err)
		}
		for j := range want {
			if got[j] != want[j] {
				t.Fatalf("call %d, request %d: %+v, want %+v", i, j, got[j], want[j])
			}
		}
	}
}

// Each node admits its share of what was left as of its last state, or denies requests
// with Refuse. Afterwards the rows have what was admitted.
func TestUnreachableRowsAreShared(t *testing.T) {
	nodes, d := openRowsNodes(t, 2)
	q := rowsRequest("a", 100)
	for range 20 {
		nodes[0].passes(t, rowsStart, q)
	}
	nodes[1].passes(t, rowsStart, q) // sees 21
	nodes[0].passes(t, rowsStart, q) // sees 22
	d.gone.Store(true)
	count := func(r *Rows, now int64, q Request) (n int64) {
		for range 100 {
			if r.passes(t, now, q) {
				n++
			}
		}
		return n
	}
	refuse := q
	refuse.Refuse = true
	if count(nodes[0], rowsStart, refuse) != 0 {
		t.Error("what asked to be refused passed")
	}
	if n := count(nodes[0], rowsStart, q); n != (100-22)/2 {
		t.Errorf("%d passed at one node, want %d", n, (100-22)/2)
	}
	if n := count(nodes[1], rowsStart, q); n != (100-21)/2 {
		t.Errorf("%d passed at the other, want %d", n, (100-21)/2)
	}
	if d, _ := nodes[0].TakeOne(t.Context(), rowsStart, refuse); d.Wait != 0 {
		t.Errorf("what asked to be refused waits %d ms, though nobody knows how long", d.Wait)
	}
	told, _ := nodes[0].TakeOne(t.Context(), rowsStart, q)
	late := rowsStart + told.Wait + q.Duration/50 // each node rounds its share down
	if early, _ := nodes[0].TakeOne(t.Context(), rowsStart+told.Wait-1, q); early.Passed {
		t.Errorf("%d passed before a wait of %d ms was over", early.Remaining, told.Wait)
	}
	free := q
	if free.Cost = 0; told.Wait == 0 || !nodes[0].passes(t, late, free) {
		t.Errorf("refused long after a wait of %d ms", told.Wait)
	}
	d.gone.Store(false)
	want := uint64(22 + 39 + 39)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		counted := d.counter(q.Key).current
		if counted == want {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d are counted afterwards, want %d", counted, want)
		}
	}
	if count(nodes[0], rowsStart, q)+count(nodes[1], rowsStart, q) != 0 {
		t.Error("more than the limit passed")
	}
}

func TestRowsDropExpiredTallies(t *testing.T) {
	nodes, _ := openRowsNodes(t, 1)
	r := nodes[0]
	r.passes(t, rowsStart, rowsRequest("a", 9))
	r.passes(t, rowsStart+4*60_000, rowsRequest("b", 9))
	r.cancel()
	r.done.Wait() // its maps are the test's now
	r.sweep()
	if len(r.tallies) != 1 {
		t.Errorf("%d counters are remembered, want 1", len(r.tallies))
	}
}
