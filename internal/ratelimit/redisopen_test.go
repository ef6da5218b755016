package ratelimit

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

func TestClosingLeavesNothingBehind(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(*testenv.Server)
	}{
		{"in reach", func(*testenv.Server) {}},
		{"killed", (*testenv.Server).Kill},
		{"frozen", (*testenv.Server).Freeze},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := testenv.StartRedis(t)
			before := goleak.IgnoreCurrent()
			r, err := OpenRedis(t.Context(), RedisConfig{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			c.lose(server)
			inParallel(20, func(int) bool { return take(r, 0, hourly("a", 5, 1))[0].Passed })
			began := time.Now()
			_ = r.Close(t.Context())
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("closing took %v", took)
			}
			goleak.VerifyNone(t, before)
		})
	}
}

func TestClosingReportsWhatWasAdmitted(t *testing.T) {
	url := testenv.Redis(t)
	first, err := OpenRedis(t.Context(), RedisConfig{URL: url, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	wantAsk(t, first, 0, ask("a", 10, 4), passed(6, 1_000))
	_ = first.Close(t.Context())
	wantAsk(t, openRedis(t, RedisConfig{URL: url}), 0, ask("a", 10, 4), passed(2, 1_000))
}

func TestMetricsShowTheDecisionsAndTheOutage(t *testing.T) {
	server := testenv.StartRedis(t)
	r := openRedis(t, RedisConfig{URL: server.URL})
	want := func(text string) {
		t.Helper()
		err := testutil.CollectAndCompare(r, strings.NewReader(text+"\n"),
			"latchkey_ratelimit_degraded", "latchkey_ratelimit_unreported")
		if err != nil {
			t.Error(err)
		}
	}
	state := func(degraded, unreported string) string {
		return "# HELP latchkey_ratelimit_degraded 1 while Redis, or a part of a cluster, is " +
			"unreachable and this node decides with its share, else 0." + `
# TYPE latchkey_ratelimit_degraded gauge
latchkey_ratelimit_degraded ` + degraded + `
# HELP latchkey_ratelimit_unreported Cost that this node has admitted locally ` +
			"and not reported, over all counters." + `
# TYPE latchkey_ratelimit_unreported gauge
latchkey_ratelimit_unreported ` + unreported
	}
	take(r, 0, hourly("a", 10, 1))
	want(state("0", "0"))
	server.Kill()
	take(r, 0, hourly("a", 10, 3))
	want(state("1", "3"))
	server.Start()
	recovered(t, r)
	want(state("0", "0"))
	shared := testutil.ToFloat64(r.metrics.shared)
	degraded := testutil.ToFloat64(r.metrics.degraded)
	if shared != 1 || degraded != 1 {
		t.Errorf("%v calls were decided by Redis and %v without, want 1 and 1", shared, degraded)
	}
}

// No error and no line of the log shows the password.
func TestThePasswordIsNeverShown(t *testing.T) {
	const password = "s3cr3t"
	server := testenv.StartRedis(t)
	open := openRedis(t, RedisConfig{URL: server.URL})
	setPassword := open.client.B().ConfigSet().ParameterValue().
		ParameterValue("requirepass", "another").Build()
	if err := open.client.Do(t.Context(), setPassword).Error(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, url := range []string{
		"redis://:" + password + "@" + server.Addr,
		"redis://u:" + password + "@127.0.0.1:1",
		"redis://u:" + password + "@127.0.0.1:port",
		"redis://u:" + password + "/@127.0.0.1",
		"redis://u:/" + password + "@127.0.0.1",
		"redis://u:%" + password + "@127.0.0.1",
		"redis://" + password + "/" + password,
		"http://u:" + password + "@127.0.0.1",
		password,
		"redis://u:" + password + "@127.0.0.1:1,127.0.0.1:2/0",
	} {
		_, err := OpenRedis(t.Context(), RedisConfig{
			URL: url, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("the error for %s is %v", url, err)
		}
	}
	if strings.Contains(log.String(), password) {
		t.Error("the log shows it")
	}
}

func TestURLsNameSeveralServers(t *testing.T) {
	for url, want := range map[string]string{
		"redis://a":                           "a:6379",
		"redis://a:1,b:2,c":                   "a:1 b:2 c:6379",
		"redis://u:p@a:1,b:2/3":               "a:1 b:2",
		"redis://a:1?addr=b:2&addr=c:3":       "a:1 b:2 c:3",
		"rediss://u:p,q@a:1,b:2?master_set=m": "a:1 b:2",
		"unix:///run/a,b.sock":                "/run/a,b.sock",
	} {
		options, err := optionsOf(url, roundTripTimeout)
		if got := strings.Join(options.InitAddress, " "); got != want || err != nil {
			t.Errorf("%s names %q, %v, want %q", url, got, err, want)
		}
		if secure := strings.HasPrefix(url, "rediss:"); secure != (options.TLSConfig != nil) {
			t.Errorf("%s: TLS is %v", url, !secure)
		}
	}
}

// The errors of URLs in the forms of other clients have ours.
func TestURLsOfOtherClientsAreAnsweredWithOurs(t *testing.T) {
	for url, want := range map[string]string{
		"redis+sentinel://a:26379/mymaster": "master_set=",
		"redis-sentinel://a,b":              "master_set=",
		"sentinel://a":                      "master_set=",
		"redis-cluster://a,b":               "redis://user:password@host:6379,host:6379",
		"redis://a?ca=/ca.pem":              "need rediss://",
		"rediss://a?ca=/nowhere/ca.pem":     "/nowhere/ca.pem",
		"rediss://a?cert=/nowhere/c.pem":    "/nowhere/c.pem",
	} {
		if _, err := optionsOf(url, roundTripTimeout); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

// It would refuse to count.
func TestAReplicaIsRefusedAtTheStart(t *testing.T) {
	primary := testenv.StartRedis(t)
	host, port, _ := strings.Cut(primary.Addr, ":")
	replica := testenv.StartRedis(t, "--replicaof", host+" "+port)
	r, err := OpenRedis(t.Context(), RedisConfig{URL: replica.URL})
	if err == nil {
		_ = r.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("the error is %v", err)
	}
}

// direct sends a command to one server of a cluster.
func direct(t *testing.T, s *testenv.Server, words ...string) string {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Addr}, ForceSingleClient: true, DisableCache: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	reply := client.Do(t.Context(), client.B().Arbitrary(words...).Build())
	if err := reply.Error(); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	message, _ := reply.ToMessage()
	text, err := message.ToString()
	if err != nil {
		text = fmt.Sprint(message.AsInt64())
	}
	return strings.TrimSuffix(text, " <nil>")
}

// While the counters of one call are on both sides of a move, only that call waits for
// them, or is decided here. No other call is affected.
func TestAMovingSlotOpensNoBreaker(t *testing.T) {
	from := testenv.StartRedis(t, "--cluster-enabled", "yes")
	to := testenv.StartRedis(t, "--cluster-enabled", "yes")
	direct(t, from, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	host, port, _ := strings.Cut(to.Addr, ":")
	direct(t, from, "CLUSTER", "MEET", host, port)
	eventually(t, "the servers know each other", func() bool {
		return strings.Contains(direct(t, from, "CLUSTER", "INFO"), "cluster_known_nodes:2") &&
			strings.Contains(direct(t, to, "CLUSTER", "INFO"), "cluster_state:ok")
	})
	r := openRedis(t, RedisConfig{URL: from.URL, roundTripTimeout: time.Second})
	one, two := hourly("one", 100, 1), hourly("two", 100, 1)
	take(r, 0, one, two)
	slot := direct(t, from, "CLUSTER", "KEYSLOT", name(&one.Key))
	direct(t, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", direct(t, from, "CLUSTER", "MYID"))
	direct(t, from, "CLUSTER", "SETSLOT", slot, "MIGRATING", direct(t, to, "CLUSTER", "MYID"))
	move := func(q Request) {
		direct(t, from, "MIGRATE", host, port, name(&q.Key), "0", "1000")
	}
	move(one)
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		time.Sleep(200 * time.Millisecond)
		move(two)
	}()
	decisions := take(r, 0, one, two)
	<-moved
	if d := decisions[0]; !d.Passed || d.Remaining != 98 || r.isDown() {
		t.Errorf("decided %+v, degraded: %v", d, r.isDown())
	}
	if n := testutil.ToFloat64(r.metrics.degraded); n != 0 {
		t.Errorf("%v calls were decided without Redis", n)
	}
}

// When a server of a cluster fails, the counters on the others count on, and when its
// replica is promoted, the count goes on from all that was admitted.
func TestAServerOfAClusterFailsAlone(t *testing.T) {
	cluster := testenv.StartRedisCluster(t)
	nodes := fleet(t, 2, RedisConfig{URL: cluster.URL})
	a, b := nodes[0], nodes[1]
	on := make([]Request, len(cluster.Primaries)) // one request on each server
	for i := 0; on[0].Limit == 0 || on[1].Limit == 0 || on[2].Limit == 0; i++ {
		q := hourly("a", 100, 1)
		q.Workspace = fmt.Sprint("ws", i)
		on[cluster.PrimaryOf(name(&q.Key))] = q
	}
	for _, q := range on {
		if n := use(a, 20, q) + use(b, 20, q); n != 40 {
			t.Fatalf("%d of 40 calls passed", n)
		}
	}
	cluster.Primaries[0].Kill()
	lost := 0 // what passed on the server that failed
	eventually(t, "the failure is noticed", func() bool {
		lost += use(a, 1, on[0]) + use(b, 1, on[0])
		return a.isDown() && b.isDown()
	})
	before := testutil.ToFloat64(a.metrics.degraded)
	for _, q := range on[1:] {
		if n := use(a, 100, q) + use(b, 100, q); n != 60 {
			t.Errorf("%d calls passed beside the failure, want the 60 left", n)
		}
	}
	if after := testutil.ToFloat64(a.metrics.degraded); after != before {
		t.Errorf("%v calls on other servers were decided without Redis", after-before)
	}
	lost += use(a, 10, on[0])
	recovered(t, a, b) // by the promotion of the replica
	// A call that was counted before its answer was lost makes it less.
	if n := lost + use(a, 100, on[0]) + use(b, 100, on[0]); n > 60 || n < 50 {
		t.Errorf("%d calls passed over the failure, want the 60 left", n)
	}
}

// When sentinels promote a replica, nodes find it, and tell it what it may have missed.
func TestSentinelsPromoteAReplica(t *testing.T) {
	for mode, fast := range map[string]bool{"exact": false, "fast": true} {
		t.Run(mode, func(t *testing.T) {
			servers := testenv.StartSentinels(t)
			nodes := fleet(t, 2, RedisConfig{URL: servers.URL, Fast: fast})
			a, b := nodes[0], nodes[1]
			passed := use(a, 20, hourly("a", 100, 1)) + use(b, 20, hourly("a", 100, 1))
			hearAll(t, nodes)
			servers.Primary.Kill()
			eventually(t, "the failure is noticed", func() bool {
				passed += use(a, 1, hourly("a", 100, 1)) + use(b, 1, hourly("a", 100, 1))
				hearAll(t, nodes) // in fast mode a node need not ask
				return a.isDown() && b.isDown()
			})
			recovered(t, a, b)
			for _, node := range nodes {
				hearAll(t, nodes)
				passed += use(node, 100, hourly("a", 100, 1))
			}
			if passed > 100 || passed < 90 {
				t.Errorf("%d calls passed over the failover, want 100", passed)
			}
		})
	}
}
