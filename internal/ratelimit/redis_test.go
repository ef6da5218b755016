package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// fleet opens n nodes on one Redis.
func fleet(t testing.TB, n int, cfg RedisConfig) []*Redis {
	t.Helper()
	cfg.Nodes = func() int { return n }
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	nodes := make([]*Redis, n)
	for i := range nodes {
		nodes[i] = openRedis(t, cfg)
	}
	return nodes
}

// scriptAmounts are limits and costs: mostly small, some at the edge of what the
// script holds.
var scriptAmounts = rapid.OneOf(
	rapid.Int64Range(0, 12),
	rapid.Int64Range(0, 12),
	rapid.Int64Range(exact/2-2, exact/2+2),
	rapid.Int64Range(exact-4, exact-1),
)

var scriptKeys = rapid.Custom(func(t *rapid.T) Key {
	key := keyOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "identifier"))
	key.Duration = rapid.SampledFrom([]int64{
		1, 7, second, 2_592_000_000, 1 << 52, 1 << 62, math.MaxInt64,
	}).Draw(t, "duration")
	key.Algorithm = anyAlgorithm.Draw(t, "algorithm")
	return key
})

var scriptRequests = rapid.Custom(func(t *rapid.T) Request {
	r := Request{
		Key: scriptKeys.Draw(t, "key"), Limit: scriptAmounts.Draw(t, "limit"),
		Cost: scriptAmounts.Draw(t, "cost"),
	}
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		r.Limit = -1
	}
	return r
})

// Whichever node is asked, in whatever order the clock shows, it decides as one
// who remembers every call; so does one node in fast mode, whenever it reports.
func TestDecisionsOverRedisMatchTheHistory(t *testing.T) {
	url := testenv.Redis(t)
	exact := fleet(t, 3, RedisConfig{URL: url, roundTripTimeout: time.Minute})
	fast := fleet(t, 1, RedisConfig{URL: url, Fast: true, roundTripTimeout: time.Minute})
	for name, redis := range map[string][]*Redis{"exact": exact, "fast": fast} {
		var nodes []Limiter
		for _, node := range redis {
			nodes = append(nodes, node)
		}
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				matchesHistory(t, nodes, func() {
					for _, node := range redis {
						node.report(context.Background(), node.unreportedCounters())
					}
				})
			})
		})
	}
}

// So do nodes that share rows.
func TestDecisionsOnRowsMatchTheHistory(t *testing.T) {
	d := newDisk()
	nodes := []Limiter{openRows(t, d, 3), openRows(t, d, 3), openRows(t, d, 3)}
	rapid.Check(t, func(t *rapid.T) { matchesHistory(t, nodes, func() {}) })
}

var workspaces atomic.Int64 // gives each run of the property counters of its own

func matchesHistory(t *rapid.T, nodes []Limiter, report func()) {
	model, workspace := history{}, fmt.Sprint("ws", workspaces.Add(1))
	now := rapid.SampledFrom([]int64{0, 1_700_000_000_123, exact - 5_000}).Draw(t, "start")
	decide := func(t *rapid.T, batch []Request) {
		for i := range batch {
			batch[i].Workspace = workspace
		}
		node := nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, "node")]
		model = model.decided(t, now, batch, take(node, now, batch...))
	}
	one := func(t *rapid.T) { decide(t, []Request{scriptRequests.Draw(t, "request")}) }
	t.Repeat(map[string]func(*rapid.T){
		"one":       one,
		"one again": one,
		"batch": func(t *rapid.T) {
			decide(t, rapid.SliceOfN(scriptRequests, 0, 6).Draw(t, "batch"))
		},
		"report": func(*rapid.T) { report() },
		"clock": func(t *rapid.T) {
			span := rapid.SampledFrom([]int64{1, 7, second, 2_592_000_000}).Draw(t, "span")
			now = min(max(0, now+rapid.Int64Range(-3*span, 3*span).Draw(t, "step")), exact-2)
		},
	})
}

func TestNumbersAboveTheScriptsMaximumAreStrict(t *testing.T) {
	for _, fast := range []bool{false, true} {
		r := openRedis(t, RedisConfig{
			URL: testenv.Redis(t), Fast: fast, roundTripTimeout: time.Minute,
		})
		wantAsk(t, r, 0, ask("a", math.MaxInt64, math.MaxInt64), refused(1_000))
		wantAsk(t, r, 0, ask("a", math.MaxInt64, exact), refused(1_000))
		wantAsk(t, r, 0, ask("a", math.MaxInt64, exact-2), passed(1, 1_000))
		wantAsk(t, r, 0, ask("a", math.MaxInt64, 2), refused(1_000))
		wantAsk(t, r, 0, ask("a", math.MaxInt64, 1), passed(0, 1_000))
		wantAsk(t, r, 0, ask("a", math.MaxInt64, 1), refused(1_000))
		wantAsk(t, r, math.MinInt64, ask("b", 1, 1), passed(0, 1_000))
		wantAsk(t, r, math.MaxInt64, ask("b", 1, 1), passed(0, (exact-2)/1_000*1_000+1_000))
		eternal := Request{
			Key:   Key{Workspace: "ws", Namespace: "ns", Identifier: "a", Duration: math.MaxInt64},
			Limit: 1, Cost: 1,
		}
		wantAsk(t, r, 1_700_000_000_000, eternal, passed(0, math.MaxInt64))
		wantAsk(t, r, 1_700_000_000_000, eternal, refused(math.MaxInt64))
	}
}

// Three nodes with many callers each pass exactly the limit, in single requests
// and in batches.
func TestNodesTogetherPassExactlyTheLimit(t *testing.T) {
	const limit, callers = 1_000, 16
	nodes := fleet(t, 3, RedisConfig{URL: testenv.Redis(t), roundTripTimeout: time.Minute})
	for round := range 3 {
		for _, batch := range [][]Request{
			{ask(fmt.Sprint("one", round), limit, 1)},
			{ask(fmt.Sprint("a", round), 2*limit, 2), ask(fmt.Sprint("b", round), 3*limit, 1),
				ask(fmt.Sprint("a", round), 5*limit, 0)},
		} {
			var got atomic.Int64
			inParallel(3*callers, func(i int) bool {
				for range limit / 40 {
					if allPassed(take(nodes[i%3], 0, batch...)) {
						got.Add(1)
					}
				}
				return true
			})
			if got.Load() != limit {
				t.Fatalf("%d calls passed for %d requests, want %d", got.Load(), len(batch), limit)
			}
		}
	}
}

// The worst that can happen to fast mode: one node uses the limit up while the
// others know nothing of it and then use their shares.
func TestFastModeAdmitsAtMostItsBound(t *testing.T) {
	const n, limit, bound = 3, 999, 999 + 666
	nodes := fleet(t, n, RedisConfig{
		URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute,
	})
	worst := 0
	for round := range 24 {
		rng := rand.New(rand.NewPCG(7, uint64(round)))
		request := ask(fmt.Sprint(round), limit, 1)
		passed := 0
		burst := func(node *Redis, calls int) {
			for range calls {
				if take(node, 0, request)[0].Passed {
					passed++
				}
			}
		}
		if round%2 == 0 { // the schedule that comes to the bound
			burst(nodes[1], limit/n)
			burst(nodes[2], limit/n)
		}
		for range 8 {
			burst(nodes[rng.IntN(n)], rng.IntN(limit))
			if node := nodes[rng.IntN(n)]; rng.IntN(4) == 0 {
				node.report(t.Context(), node.unreportedCounters())
			}
		}
		for _, node := range nodes {
			burst(node, limit)
			node.report(t.Context(), node.unreportedCounters())
			burst(node, 1)
		}
		if passed < limit || passed > bound {
			t.Fatalf("round %d: %d calls passed, want %d to %d", round, passed, limit, bound)
		}
		worst = max(worst, passed)
	}
	t.Logf("worst of 24 schedules: %d passed of %d, at most %d may", worst, limit, bound)
	if worst == limit {
		t.Error("no schedule was adversarial")
	}
}

func TestFastModeStaysWithinItsBoundUnderLoad(t *testing.T) {
	const n, callers, limit = 3, 8, 3_000
	nodes := fleet(t, n, RedisConfig{
		URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute,
	})
	for round := range 3 {
		var got atomic.Int64
		single := ask(fmt.Sprint("a", round), limit, 1)
		inParallel(n*callers, func(i int) bool {
			for range limit / 10 {
				if d, err := nodes[i%n].TakeOne(t.Context(), 0, single); err == nil && d.Passed {
					got.Add(1)
				}
			}
			return true
		})
		if passed := got.Load(); passed < limit || passed > limit+limit*(n-1)/n {
			t.Errorf("%d calls passed, want %d to %d", passed, limit, limit+limit*(n-1)/n)
		} else {
			t.Logf("%d of %d passed", passed, limit)
		}
	}
}

func TestFastModeSyncsSoon(t *testing.T) {
	nodes := fleet(t, 2, RedisConfig{
		URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute,
	})
	wantAsk(t, nodes[0], 0, ask("a", 100, 40), passed(60, 1_000))
	eventually(t, "the first node reports", func() bool { return nodes[0].unreported() == 0 })
	wantAsk(t, nodes[1], 0, ask("a", 100, 61), refused(1_000)) // more than a share, so it asks
	wantAsk(t, nodes[1], 0, ask("a", 100, 60), passed(0, 1_000))
	wantAsk(t, nodes[1], 0, ask("a", 100, 1), refused(1_000))
	eventually(t, "the first node hears of all", func() bool {
		return !take(nodes[0], 0, ask("a", 100, 1))[0].Passed
	})
}

// Local decisions of fast mode allocate nothing.
func TestTakeOneLocallyAllocatesNothing(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute})
	request := ask("a", exact-1, 1)
	if n := testing.AllocsPerRun(1_000, func() {
		if _, err := r.TakeOne(context.Background(), 0, request); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}

// Nodes whose clocks differ by hours count in the windows of the server's clock.
func TestWithOwnClockTheServersClockDecides(t *testing.T) {
	nodes := fleet(t, 2, RedisConfig{
		URL: testenv.Redis(t), OwnClock: true, roundTripTimeout: time.Minute,
	})
	request := ask("a", 10, 6)
	request.Duration = 24 * 3_600_000
	now := time.Now().UnixMilli()
	first := take(nodes[0], now-5*3_600_000, request)[0]
	second := take(nodes[1], now+40*3_600_000, request)[0]
	if !first.Passed || second.Passed || first.Reset != second.Reset {
		t.Errorf("decisions %+v, %+v, want the second refused in the window of the first", first,
			second)
	}
	if end := first.Reset; end <= now || end > now+request.Duration {
		t.Errorf("the window ends at %d, not in the day after %d", end, now)
	}
}

func TestCountersExpireAMinuteAfterTheyMatter(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t), roundTripTimeout: time.Minute})
	request := ask("a", 10, 1)
	take(r, 5_300, request)
	got, err := r.client.Do(t.Context(),
		r.client.B().Pttl().Key(name(&request.Key)).Build()).AsInt64()
	if want := int64(7_000 - 5_300 + 60_000); err != nil || got > want || got < want-1_000 {
		t.Errorf("expires in %d ms, %v, want %d", got, err, want)
	}
}

func TestOnlyCountedCostUsesMemory(t *testing.T) {
	for _, fast := range []bool{false, true} {
		r := openRedis(t, RedisConfig{
			URL: testenv.Redis(t), Fast: fast, roundTripTimeout: time.Minute,
		})
		take(r, 0, ask("refused", 1, 2))
		take(r, 0, ask("free", 1, 0))
		take(r, 0, ask("meaningless", 1, -1))
		take(r, 0, ask("free in a batch", 1, 0), ask("counted", 1, 1))
		r.report(t.Context(), r.unreportedCounters())
		keys, err := r.client.Do(t.Context(),
			r.client.B().Keys().Pattern("latchkey:{*}:*").Build()).AsStrSlice()
		if n := r.table.size(); n != 1 || len(keys) != 1 || err != nil {
			t.Errorf("fast %v: %d counters are remembered and %q stored, %v, want 1", fast, n,
				keys, err)
		}
		r.clock(1_999 + 60_000)
		if r.sweep(); r.table.size() != 1 {
			t.Errorf("fast %v: a counter that matters was swept", fast)
		}
		r.clock(2_000 + 60_000)
		if r.sweep(); r.table.size() != 0 {
			t.Errorf("fast %v: a counter that no longer matters is remembered", fast)
		}
	}
}

// In a cluster, the keys of a call must all be in the slot of one tag.
func TestCountersOfAWorkspaceShareASlot(t *testing.T) {
	names := map[string]Key{}
	for _, workspace := range []string{"", "ws", "}", "{", "}{", "a}b", "a:b", "{}", "1:a"} {
		tags := map[string]bool{}
		for _, namespace := range []string{"", "ns", "{x}", "}", "a", "a:b", "1:a"} {
			for _, identifier := range []string{"", "id", "b:id", "{y}", "a:b", "1:a:b"} {
				for _, duration := range []int64{1, 1_000} {
					key := Key{
						Workspace: workspace, Namespace: namespace, Identifier: identifier,
						Duration: duration,
					}
					n := name(&key)
					if other, taken := names[n]; taken {
						t.Errorf("%+v and %+v are both %q", key, other, n)
					}
					names[n] = key
					tags[hashTag(n)] = true
				}
			}
		}
		if len(tags) != 1 || tags[""] {
			t.Errorf("workspace %q has the tags %v, want one", workspace, tags)
		}
	}
}

// hashTag is the part of a key that decides its slot, by the specification of
// Redis Cluster: what is between the first { and the next }, unless empty.
func hashTag(key string) string {
	_, rest, opened := strings.Cut(key, "{")
	inner, _, closed := strings.Cut(rest, "}")
	if !opened || !closed || inner == "" {
		return ""
	}
	return inner
}

func TestABatchOfTwoWorkspacesIsAnError(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t), roundTripTimeout: time.Minute})
	other := ask("a", 1, 1)
	other.Workspace = "other"
	if _, err := r.Take(t.Context(), 0, []Request{ask("a", 1, 1), other}); err == nil {
		t.Error("it was decided")
	}
}

func TestTheCallersContextEndsACall(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t), roundTripTimeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Take(ctx, 0, []Request{ask("a", 1, 1)}); err != context.Canceled {
		t.Errorf("the error is %v", err)
	}
	wantAsk(t, r, 0, ask("a", 1, 1), passed(0, 1_000)) // nobody else is to suffer from it
}

// eventually waits for something that is to happen within seconds.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
