package ratelimit

import (
	"bytes"
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// hourly makes a request on windows long enough that a test stays in one.
func hourly(identifier string, limit, cost int64) Request {
	r := ask(identifier, limit, cost)
	r.Duration = 3_600_000
	return r
}

// use makes single requests and returns how many passed.
func use(m Limiter, calls int, r Request) int {
	n := 0
	for range calls {
		if take(m, 0, r)[0].Passed {
			n++
		}
	}
	return n
}

// notice lets a node notice that Redis is out of reach. The call takes no longer
// than is promised, with room for a busy machine.
func notice(t *testing.T, r *Redis) {
	t.Helper()
	began := time.Now()
	// asks in exact mode, and is refused anyway
	take(r, 0, hourly("notice", 1, 0), hourly("notice", 1, math.MaxInt64))
	if !r.isDown() {
		r.report(context.Background(), []counter{{Key: keyOf("notice")}})
	}
	if took := time.Since(began); took > 550*time.Millisecond {
		t.Errorf("it took %v, want 250 ms and at most 300 for a busy machine", took)
	}
	if !r.isDown() {
		t.Fatal("the breaker is closed")
	}
}

func recovered(t *testing.T, nodes ...*Redis) {
	t.Helper()
	for _, r := range nodes {
		eventually(t, "Redis is in reach again", func() bool { return !r.isDown() })
		eventually(t, "everything is reported", func() bool { return r.unreported() == 0 })
	}
}

// hearAll lets each node hear of what all have admitted.
func hearAll(t *testing.T, nodes []*Redis) {
	t.Helper()
	for range 2 {
		for _, r := range nodes {
			r.report(t.Context(), r.allCounters())
		}
	}
}

// outages are the ways to lose Redis and to get it back.
var outages = []struct {
	name      string
	args      []string
	lose, end func(*testenv.Server, *testenv.Proxy)
}{
	{"killed, restarted empty", nil,
		func(s *testenv.Server, _ *testenv.Proxy) { s.Kill() },
		func(s *testenv.Server, _ *testenv.Proxy) { s.Start() }},
	{"killed, restarted with data", []string{"--appendonly", "yes", "--appendfsync", "always"},
		func(s *testenv.Server, _ *testenv.Proxy) { s.Kill() },
		func(s *testenv.Server, _ *testenv.Proxy) { s.Start() }},
	{"frozen", nil,
		func(s *testenv.Server, _ *testenv.Proxy) { s.Freeze() },
		func(s *testenv.Server, _ *testenv.Proxy) { s.Thaw() }},
	{"slowed by 500 ms", nil,
		func(_ *testenv.Server, p *testenv.Proxy) { p.Delay(500 * time.Millisecond) },
		func(_ *testenv.Server, p *testenv.Proxy) { p.Delay(0) }},
	{"partitioned", nil,
		func(_ *testenv.Server, p *testenv.Proxy) { p.Partition() },
		func(_ *testenv.Server, p *testenv.Proxy) { p.Heal() }},
	{"refusing", nil,
		func(_ *testenv.Server, p *testenv.Proxy) { p.Refuse() },
		func(_ *testenv.Server, p *testenv.Proxy) { p.Accept() }},
}

// eachOutage runs a test over all outages and both modes, with two nodes.
func eachOutage(t *testing.T, test func(t *testing.T, nodes []*Redis, lose, end func())) {
	for _, o := range outages {
		for mode, fast := range map[string]bool{"exact": false, "fast": true} {
			t.Run(o.name+", "+mode, func(t *testing.T) {
				server := testenv.StartRedis(t, o.args...)
				proxy := testenv.NewProxy(t, server.Addr)
				nodes := fleet(t, 2, RedisConfig{URL: "redis://" + proxy.Addr, Fast: fast})
				test(t, nodes, func() { o.lose(server, proxy) }, func() { o.end(server, proxy) })
			})
		}
	}
}

// While Redis is out of reach each node admits its share of what was left as it
// last heard, and of the whole limit on what is new; when it is back, the count
// goes on from all that was admitted.
func TestNodesAdmitTheirSharesDuringAnOutage(t *testing.T) {
	eachOutage(t, func(t *testing.T, nodes []*Redis, lose, end func()) {
		a, b := nodes[0], nodes[1]
		used := use(a, 20, hourly("used", 100, 1)) + use(b, 20, hourly("used", 100, 1))
		hearAll(t, nodes)
		// 60, or less if a call was late
		left := int(take(a, 0, hourly("used", 100, 0))[0].Remaining)
		lose()
		notice(t, a)
		notice(t, b)

		began := time.Now()
		for _, node := range nodes {
			if n := use(node, 200, hourly("used", 100, 1)); n != left/2 {
				t.Errorf("a node admitted %d of the %d left, want half of them", n, left)
			} else {
				used += n
			}
			if n := use(node, 200, hourly("new", 101, 1)); n != 50 {
				t.Errorf("a node admitted %d of a new 101, want 50", n)
			}
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("800 local decisions took %v", took)
		}
		end()
		recovered(t, nodes...)
		hearAll(t, nodes)
		if n := use(a, 10, hourly("used", 100, 1)) +
			use(b, 10, hourly("used", 100, 1)); used+n > 100 {
			t.Errorf("%d were admitted in the window, want 100", used+n)
		}
		if n := use(a, 10, hourly("new", 101, 1)) + use(b, 10, hourly("new", 101, 1)); n > 1 {
			t.Errorf("%d more were admitted of 101 after twice 50", n)
		}
		if n := use(a, 10, hourly("later", 4, 1)) + use(b, 10, hourly("later", 4, 1)); n < 4 ||
			n > 6 {
			t.Errorf("%d were admitted of a new 4, want 4 to 6", n)
		}
	})
}

// Callers go on while Redis goes and comes back: over the whole window, no more
// is admitted than what is documented.
func TestAWindowWithAnOutageStaysWithinItsBound(t *testing.T) {
	const limit = 20_000
	eachOutage(t, func(t *testing.T, nodes []*Redis, lose, end func()) {
		var admitted atomic.Int64
		var callers sync.WaitGroup
		stop := make(chan struct{})
		for i := range 8 {
			callers.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						if take(nodes[i%2], 0, hourly("a", limit, 5))[0].Passed {
							admitted.Add(5)
						}
					}
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		lose()
		time.Sleep(400 * time.Millisecond)
		end()
		recovered(t, nodes...)
		close(stop)
		callers.Wait()
		for _, cost := range []int64{500, 50, 5} {
			for i := 0; i < 2; {
				if take(nodes[i], 0, hourly("a", limit, cost))[0].Passed {
					admitted.Add(cost)
				} else {
					i++
				}
			}
		}
		// Late calls that Redis counted as well make it less than the limit.
		t.Logf("%d of %d were admitted", admitted.Load(), limit)
		if got := admitted.Load(); got > limit+limit/2 || got < limit/2 {
			t.Errorf("%d were admitted, want about %d", got, limit)
		}
	})
}

// A report that failed is sent again: what a node admitted alone reaches the
// shared count.
func TestAFailedReportIsRetried(t *testing.T) {
	for mode, fast := range map[string]bool{"exact": false, "fast": true} {
		t.Run(mode, func(t *testing.T) {
			server := testenv.StartRedis(t)
			proxy := testenv.NewProxy(t, server.Addr)
			node := openRedis(t, RedisConfig{URL: "redis://" + proxy.Addr, Fast: fast})
			proxy.Refuse()
			notice(t, node)
			if n := use(node, 3, hourly("a", 10, 1)); n != 3 {
				t.Fatalf("%d were admitted, want 3", n)
			}
			var reports atomic.Int32
			proxy.OnClient(func(sent []byte) (cut bool) {
				return bytes.Contains(sent, []byte("EVALSHA")) && reports.Add(1) == 1
			})
			proxy.Accept()
			eventually(t, "a report has failed and one has passed", func() bool {
				return reports.Load() > 1 && !node.isDown() && node.unreported() == 0
			})
			other := openRedis(t, RedisConfig{URL: server.URL})
			wantAsk(t, other, 0, hourly("a", 10, 0), passed(7, 3_600_000))
		})
	}
}

// Calls that are under way when Redis stops to answer may have been counted:
// what they ask for is nobody else's until it is known.
func TestPendingCallsAreNotAdmittedTwice(t *testing.T) {
	server := testenv.StartRedis(t)
	r := openRedis(t, RedisConfig{URL: server.URL})
	take(r, 0, hourly("a", 10, 0))
	server.Freeze()
	got := inParallel(100, func(int) bool { return take(r, 0, hourly("a", 10, 1))[0].Passed })
	got += use(r, 100, hourly("a", 10, 1))
	if got != 10 {
		t.Errorf("%d were admitted, want 10", got)
	}
	server.Thaw()
	recovered(t, r)
	if n := use(r, 100, hourly("a", 10, 1)); n != 0 {
		t.Errorf("%d more were admitted when it was back", n)
	}
}

func TestABatchDuringAnOutageIsAllOrNothing(t *testing.T) {
	server := testenv.StartRedis(t)
	r := fleet(t, 2, RedisConfig{URL: server.URL})[0]
	server.Kill()
	notice(t, r)
	const reset = 3_600_000
	wantTake(t, r, 0, []Request{hourly("a", 10, 4), hourly("b", 10, 6)}, passed(5, reset),
		refused(reset))
	wantTake(t, r, 0, []Request{hourly("a", 10, 4), hourly("b", 10, 5), hourly("a", 10, 1)},
		passed(1, reset), passed(0, reset), passed(0, reset))
	wantTake(t, r, 0, []Request{hourly("a", 10, 1)}, refused(reset))

	refusing := hourly("c", 10, 1)
	refusing.Refuse = true
	wantAsk(t, r, 0, refusing, refused(reset))
	wantTake(t, r, 0, []Request{hourly("c", 10, 1), refusing}, passed(5, reset), refused(reset))
	if d, err := r.TakeOne(t.Context(), 0, refusing); d.Passed || err != nil {
		t.Errorf("got %+v, %v", d, err)
	}
	if n := use(r, 20, hourly("c", 10, 1)); n != 5 {
		t.Errorf("%d were admitted beside those that refuse, want 5", n)
	}
}

func TestRefuseHasNoEffectWhileRedisIsReachable(t *testing.T) {
	each(t, func(t *testing.T, open func() Limiter) {
		refusing := ask("a", 1, 1)
		refusing.Refuse = true
		m := open()
		wantAsk(t, m, 0, refusing, passed(0, 1_000))
		wantAsk(t, m, 0, refusing, refused(1_000))
	})
}

// A server that answers but can't count is as good as none.
func TestAServerThatCannotWriteOpensTheBreaker(t *testing.T) {
	server := testenv.StartRedis(t)
	r := openRedis(t, RedisConfig{URL: server.URL})
	command := func(words ...string) {
		t.Helper()
		if err := r.client.Do(
			t.Context(), r.client.B().Arbitrary(words...).Build(),
		).Error(); err != nil {
			t.Fatal(err)
		}
	}
	take(r, 0, hourly("a", 10, 4))
	command("REPLICAOF", "127.0.0.1", "1")
	if n := use(r, 20, hourly("a", 10, 1)); n != 6 || !r.isDown() {
		t.Errorf("%d were admitted, breaker open %v, want 6", n, r.isDown())
	}
	time.Sleep(300 * time.Millisecond) // three probes
	if !r.isDown() {
		t.Error("the breaker is closed again")
	}
	command("REPLICAOF", "NO", "ONE")
	began := time.Now()
	recovered(t, r)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to close the breaker, which is probed each 100 ms", took)
	}
	wantAsk(t, r, 0, hourly("a", 11, 1), passed(0, 3_600_000))
}

// A server that has lost all is told the counts even if no call has failed.
func TestCountsSurviveAFlush(t *testing.T) {
	r := openRedis(t, RedisConfig{URL: testenv.Redis(t)})
	wantAsk(t, r, 0, ask("a", 10, 4), passed(6, 1_000))
	if err := r.client.Do(t.Context(), r.client.B().Flushdb().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	wantAsk(t, r, 0, ask("a", 10, 4), passed(2, 1_000))
}

// The script is sent again to a server that has forgotten it.
func TestAFlushedScriptIsSentAgain(t *testing.T) {
	server := testenv.StartRedis(t)
	r := openRedis(t, RedisConfig{URL: server.URL})
	if err := r.client.Do(t.Context(), r.client.B().ScriptFlush().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	wantAsk(t, r, 0, ask("a", 10, 4), passed(6, 1_000))
	if r.isDown() {
		t.Error("the breaker is open")
	}
}
