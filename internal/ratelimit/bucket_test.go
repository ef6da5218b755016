package ratelimit

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// dip makes a request on a bucket that refills in a second.
func dip(identifier string, limit, cost int64) Request {
	r := ask(identifier, limit, cost)
	r.Algorithm = TokenBucket
	return r
}

// eachShared is each, and rows that two nodes share.
func eachShared(t *testing.T, test func(t *testing.T, open func() Limiter)) {
	each(t, test)
	t.Run("rows", func(t *testing.T) {
		test(t, func() Limiter { return openRows(t, newDisk(), 2) })
	})
}

// A third of a second comes to a token: 333⅓ ms, which no clock in milliseconds
// shows and no rounding may eat up.
func TestABucketRefillsEvenly(t *testing.T) {
	eachShared(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, dip("a", 3, 0), passed(3, 0))
		wantAsk(t, m, 0, dip("a", 3, 3), passed(0, 1_000))
		wantAsk(t, m, 333, dip("a", 3, 1), refused(1_000))
		wantAsk(t, m, 334, dip("a", 3, 1), passed(0, 1_334)) // 1333⅓
		wantAsk(t, m, 666, dip("a", 3, 1), refused(1_334))
		wantAsk(t, m, 667, dip("a", 3, 1), passed(0, 1_667)) // 1666⅔
		wantAsk(t, m, 999, dip("a", 3, 1), refused(1_667))
		wantAsk(t, m, 1_000, dip("a", 3, 1), passed(0, 2_000))
		wantAsk(t, m, 1_999, dip("a", 3, 3), refused(2_000))
		wantAsk(t, m, 1_999, dip("a", 3, 0), passed(2, 2_000))
		wantAsk(t, m, 2_000, dip("a", 3, 3), passed(0, 3_000))
		wantAsk(t, m, 9_000, dip("a", 3, 4), refused(9_000))
		wantAsk(t, m, 9_000, dip("a", 3, 0), passed(3, 9_000))
	})
}

// Asked at every millisecond, buckets whose limits divide no second pass their
// burst and then what is gained, to the token.
func TestBucketsDoNotDrift(t *testing.T) {
	for _, limit := range []int64{1, 3, 7, 999, 1_001, 1_000_003} {
		const seconds = 50
		m, got := NewMemory(), int64(0)
		for now := range int64(seconds*second + 1) {
			left := take(m, now, dip("a", limit, 0))[0].Remaining
			if left > 0 && take(m, now, dip("a", limit, left))[0].Passed {
				got += left
			}
		}
		if want := limit + seconds*limit; got != want {
			t.Errorf("limit %d: %d passed, want %d", limit, got, want)
		}
	}
}

func TestADeniedRequestTakesNoTokens(t *testing.T) {
	eachShared(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, dip("a", 5, 3), passed(2, 600))
		for range 10 {
			wantAsk(t, m, 0, dip("a", 5, 3), refused(600))
		}
		wantTake(t, m, 0, []Request{dip("a", 5, 1), dip("b", 2, 3), dip("c", 5, 5), dip("d", 0, 1)},
			passed(2, 600), refused(0), passed(5, 0), refused(0))
		wantTake(t, m, 0, []Request{dip("a", 5, 1), dip("a", 5, 1), dip("a", 5, 1)},
			passed(2, 600), passed(2, 600), refused(600))
		wantTake(t, m, 0, []Request{dip("a", 5, 1), dip("a", 5, 1)}, passed(1, 800),
			passed(0, 1_000))
	})
}

func TestAlgorithmsHaveSeparateCounters(t *testing.T) {
	eachShared(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantTake(t, m, 0, []Request{ask("a", 1, 1), dip("a", 1, 1)}, passed(0, 1_000),
			passed(0, 1_000))
		wantTake(t, m, 1_000, []Request{ask("a", 1, 0), dip("a", 1, 0)}, passed(0, 2_000),
			passed(1, 1_000))
	})
}

// Whoever takes half of its limit takes half of the bucket.
func TestLimitsShareABucket(t *testing.T) {
	eachShared(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, dip("a", 10, 5), passed(5, 500))
		wantAsk(t, m, 0, dip("a", 1_000, 100), passed(400, 600))
		wantAsk(t, m, 0, dip("a", 10, 5), refused(600))
		wantAsk(t, m, 0, dip("a", 10, 4), passed(0, 1_000))
	})
}

func TestABucketSurvivesARestart(t *testing.T) {
	m, d := newSaved()
	take(m, 100, dip("a", 7, 5))
	take(m, 100, ask("a", 7, 2))
	save(m)
	for range 2 {
		m = d.restart()
		wantTake(t, m, 200, []Request{dip("a", 7, 0), ask("a", 7, 0)}, passed(2, 815),
			passed(5, 1_000))
		save(m)
	}
	m.Sweep(814)
	if live(m) != 2 {
		t.Error("a bucket that isn't full was swept")
	}
	m.Sweep(815)
	if live(m) != 1 {
		t.Error("a full bucket is kept")
	}
}

func TestBucketsDenyACostAboveTheirSize(t *testing.T) {
	const most = math.MaxInt64
	eachShared(t, func(t *testing.T, open func() Limiter) {
		m := open()
		wantAsk(t, m, 0, dip("a", 5, most), refused(0))
		wantAsk(t, m, 0, dip("a", 0, 0), refused(0))
		wantAsk(t, m, 0, dip("a", -1, 1), refused(0))
		wantAsk(t, m, 0, dip("a", 5, -1), refused(0))
		wantTake(t, m, 0, []Request{dip("a", 0, 1), dip("a", 5, 1)}, refused(0), refused(0))
		wantTake(t, m, 0, []Request{dip("a", 5, 6), dip("a", 5, 1)}, refused(0), refused(0))
		wantAsk(t, m, 0, dip("a", 5, 5), passed(0, 1_000))
		// A clock that steps back finds it full later by as much.
		wantAsk(t, m, 1_500, dip("b", 5, 1), passed(4, 1_700))
		wantAsk(t, m, 1_200, dip("b", 5, 0), passed(2, 1_700))
		wantAsk(t, m, 600, dip("b", 5, 0), refused(1_700))
	})
	m := NewMemory()
	wantAsk(t, m, 0, dip("a", most, most), passed(0, 1_000))
	wantAsk(t, m, 1, dip("a", most, 0), passed(most/1_000, 1_000))
	eternal := dip("eternal", 2, 1)
	eternal.Duration = most // counts as 2^53-1
	wantAsk(t, m, 1, eternal, passed(1, 1<<52+1))
	wantAsk(t, m, 1<<53+1, eternal, refused(1<<53+1))
}

// Compares freeAt with trying every moment.
func TestABucketIsFreeAtTheFirstMomentThatPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration, now, s := rapid.Int64Range(1, 50).Draw(t, "duration"), int64(0), state{}
		draw := func(now int64) terms {
			return terms{
				duration, rapid.Int64Range(-1, 40).Draw(t, "limit"),
				rapid.Int64Range(0, 42).Draw(t, "cost"),
			}
		}
		for range rapid.IntRange(0, 5).Draw(t, "calls") {
			now += rapid.Int64Range(0, 20).Draw(t, "pause")
			if after, d := (buckets{}).take(s, now, draw(now)); d.Passed {
				s = after
			}
		}
		now = max(0, now+rapid.Int64Range(-5, 20).Draw(t, "pause"))
		asked, want := draw(now), int64(math.MaxInt64)
		for at := now; at <= now+200; at++ {
			if _, d := (buckets{}).take(s, at, asked); d.Passed {
				want = at
				break
			}
		}
		if got := (buckets{}).freeAt(s, now, asked); got != want {
			t.Fatalf("%v at %d, %+v: free at %d, want %d", s, now, asked, got, want)
		}
	})
}

// Three nodes with many callers each take exactly what is in the bucket.
func TestNodesTogetherTakeExactlyTheBucket(t *testing.T) {
	const limit, callers = 300, 8
	rows := newDisk()
	nodes := map[string][]Limiter{"memory": {NewMemory()}}
	for range 3 {
		nodes["rows"] = append(nodes["rows"], openRows(t, rows, 3))
	}
	for _, r := range fleet(t, 3, RedisConfig{
		URL: testenv.Redis(t), roundTripTimeout: time.Minute,
	}) {
		nodes["redis"] = append(nodes["redis"], r)
	}
	for name, nodes := range nodes {
		var got atomic.Int64
		inParallel(3*callers, func(i int) bool {
			for range limit / 10 {
				if allPassed(take(
					nodes[i%len(nodes)], 0, dip("a", limit, 1), dip("b", 2*limit, 1),
				)) {
					got.Add(1)
				}
			}
			return true
		})
		if got.Load() != limit {
			t.Errorf("%s: %d calls passed, want %d", name, got.Load(), limit)
		}
	}
}

func TestFastBucketsStayWithinTheirBound(t *testing.T) {
	const n, callers, limit = 3, 8, 3_000
	nodes := fleet(t, n, RedisConfig{
		URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute,
	})
	var got atomic.Int64
	inParallel(n*callers, func(i int) bool {
		for range limit / 10 {
			if d, err := nodes[i%n].TakeOne(t.Context(), 0, dip("a", limit, 1)); err == nil &&
				d.Passed {
				got.Add(1)
			}
		}
		return true
	})
	if passed := got.Load(); passed < limit || passed > limit+limit*(n-1)/n {
		t.Errorf("%d calls passed, want %d to %d", passed, limit, limit+limit*(n-1)/n)
	}
	for _, r := range nodes {
		eventually(t, "all tokens are reported", func() bool { return r.unreported() == 0 })
	}
}

// Apart from one another, each of two nodes takes half of what was left, and then
// half of what the bucket gains; when they are back, no token is there twice.
func TestDisconnectedNodesShareABucketAndItsRefill(t *testing.T) {
	apart := func(t *testing.T, a, b Limiter, lose, end func()) {
		t.Helper()
		at := func(now int64, calls int) (passed int) {
			for _, m := range []Limiter{a, b} {
				n := 0
				for range calls {
					if take(m, now, dip("a", 100, 1))[0].Passed {
						n++
					}
				}
				passed += n
			}
			return passed
		}
		take(a, 0, dip("a", 100, 40))
		take(b, 0, dip("a", 100, 0)) // both know of 40
		take(a, 0, dip("a", 100, 0))
		lose()
		if n := at(0, 60); n != 60 {
			t.Errorf("%d passed at once, want the 60 that were left", n)
		}
		total := 0
		for now := int64(0); now <= 1_000; now += 10 {
			total += at(now, 5)
		}
		if total != 100 {
			t.Errorf("%d passed in a second, want the 100 that were gained", total)
		}
		end()
		if n := at(1_000, 60); n != 0 {
			t.Errorf("%d passed when the nodes were back, want none", n)
		}
		if n := at(1_100, 60); n != 10 {
			t.Errorf("%d passed a tenth of a second later, want 10", n)
		}
	}
	t.Run("rows", func(t *testing.T) {
		d := newDisk()
		a, b := openRows(t, d, 2), openRows(t, d, 2)
		apart(t, a, b, func() { d.gone.Store(true) }, func() {
			d.gone.Store(false)
			for _, r := range []*Rows{a, b} {
				eventually(t, "the rows are back", func() bool {
					return !r.metrics.unreachable.Load()
				})
			}
			// What was passed alone is added in the next transaction at the latest.
			take(a, 1_000, dip("a", 100, 0))
			take(b, 1_000, dip("a", 100, 0))
		})
	})
	t.Run("redis", func(t *testing.T) {
		server := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		proxy := testenv.NewProxy(t, server.Addr)
		nodes := fleet(t, 2, RedisConfig{URL: "redis://" + proxy.Addr})
		apart(t, nodes[0], nodes[1], func() {
			proxy.Refuse()
			notice(t, nodes[0])
			notice(t, nodes[1])
		}, func() {
			proxy.Accept()
			recovered(t, nodes...)
			hearAll(t, nodes)
		})
	})
}

func TestAFullBucketExpiresInRedis(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t), roundTripTimeout: time.Minute})
	request := dip("a", 3, 1)
	take(r, 5_300, request)
	got, err := r.client.Do(context.Background(),
		r.client.B().Pttl().Key(name(&request.Key)).Build()).AsInt64()
	if want := int64(334 + 60_000); err != nil || got > want || got < want-1_000 {
		t.Errorf("expires in %d ms, %v, want %d", got, err, want)
	}
}
