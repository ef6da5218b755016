package cluster

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// replicas are a primary and a standby that takes its place. The addresses stay: that of a server
// that is gone becomes the address of the next standby.
type replicas struct {
	t                *testing.T
	primary, standby *testenv.Server
	first, second    *testenv.Proxy // the addresses of the primary and the standby, by turns
	replication      *testenv.Proxy
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	r := &replicas{t: t, primary: testenv.StartPostgres(t)}
	r.first, r.second = testenv.NewProxy(t, r.primary.Addr), testenv.NewProxy(t, r.primary.Addr)
	r.addStandby()
	return r
}

func (r *replicas) addStandby() {
	r.t.Helper()
	r.replication = testenv.NewProxy(r.t, r.primary.Addr)
	r.standby = r.primary.Standby(r.replication.Addr)
	r.second.Retarget(r.standby.Addr)
}

// url names both addresses.
func (r *replicas) url() string {
	return strings.Replace(r.primary.URL, r.primary.Addr, r.first.Addr+","+r.second.Addr, 1)
}

// caughtUp waits until the standby has everything.
func (r *replicas) caughtUp() {
	r.t.Helper()
	r.primary.Execute("SELECT pg_switch_wal()", "CREATE TABLE IF NOT EXISTS sync ()")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		const lag = "SELECT 1 / CASE WHEN bool_and(replay_lsn >= pg_current_wal_lsn()) " +
			"THEN 1 ELSE 0 END FROM pg_stat_replication"
		if r.primary.Try(lag) == nil {
			return
		}
		if time.Now().After(end) {
			r.t.Fatal("the standby doesn't catch up")
		}
	}
}

// failOver makes the standby the primary. What the old one did since the replication was cut is
// lost.
func (r *replicas) failOver() {
	r.t.Helper()
	r.standby.Promote()
	r.primary, r.standby = r.standby, nil
	r.first, r.second = r.second, r.first
}

// code returns the code of a verification, or the error.
func (n *node) code(t *testing.T, key string) latchkey.Code {
	t.Helper()
	v, err := n.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
	if err != nil {
		return latchkey.Code(err.Error())
	}
	return v.Code
}

// episode is a set of keys with what was changed before a failover and is lost with it.
type episode struct {
	kept, created, enabled, deleted string // keys
}

// lose makes changes that the standby doesn't get, each on another node, and has every node cache
// what they say.
func (r *replicas) lose(c *cluster, api string) episode {
	t := r.t
	t.Helper()
	enabled := latchkey.CreateKeyRequest{APIID: api}
	kept, later, gone := newKey(t, c.Client, enabled), newKey(t, c.Client, enabled),
		newKey(t, c.Client, enabled)
	if err := c.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{
		KeyID: later.KeyID, Enabled: latchkey.Set(false),
	}); err != nil {
		t.Fatal(err)
	}
	r.caughtUp()
	r.replication.Partition()
	h := episode{kept: kept.Key, enabled: later.Key, deleted: gone.Key}
	for _, n := range c.nodes {
		n.code(t, h.kept)
	}
	if err := c.any().Keys.Update(t.Context(), latchkey.UpdateKeyRequest{
		KeyID: later.KeyID, Enabled: latchkey.Set(true),
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.any().Keys.Delete(t.Context(),
		latchkey.DeleteKeyRequest{KeyID: gone.KeyID}); err != nil {
		t.Fatal(err)
	}
	h.created = newKey(t, c.any().Client, enabled).Key
	for _, n := range c.nodes {
		for _, key := range []string{h.created, h.enabled, h.deleted} {
			n.code(t, key)
		}
	}
	return h
}

// survived checks that all nodes verify keys as the rows that survived say, at the latest a second
// after they hear the log again, and for as long as it takes to see that no cache brings back what
// was lost.
func (h episode) survived(t *testing.T, c *cluster, within time.Duration) {
	t.Helper()
	began := time.Now()
	for _, n := range c.nodes {
		for n.code(t, h.kept) != latchkey.Valid ||
			n.metric(t, "latchkey_change_log_silence_seconds") > time.Since(began).Seconds() {
			if time.Since(began) > within {
				t.Fatalf("after %v a node doesn't work:\n%s", within, last(n.log.String(), 3000))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	t.Logf("all nodes work after %v", time.Since(began))
	time.Sleep(time.Second)
	for range 5 {
		for i, n := range c.nodes {
			for key, want := range map[string]latchkey.Code{
				h.kept: latchkey.Valid, h.created: latchkey.NotFound,
				h.enabled: latchkey.Disabled, h.deleted: latchkey.Valid,
			} {
				if got := n.code(t, key); got != want {
					t.Errorf("node %d: %s, want %s", i, got, want)
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestLossyFailoversLeaveNothingBehind loses acknowledged changes in failovers. No node goes on
// believing them.
func TestLossyFailoversLeaveNothingBehind(t *testing.T) {
	for _, way := range []struct {
		name, pooler string
		flags        []string
	}{
		{name: "two hosts"},
		{name: "pgbouncer", pooler: "transaction",
			flags: []string{"--fail-mode", "stale", "--limits", "fast"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			r := newReplicas(t)
			s := settings{nodes: 2, database: r.url(), flags: way.flags}
			if way.pooler != "" {
				behind := strings.Replace(r.primary.URL, r.primary.Addr, r.first.Addr, 1)
				s.database = testenv.StartPgBouncer(t, behind, way.pooler).URL
				s.redis = testenv.StartRedis(t).URL
			}
			c := start(t, s)
			api := newAPI(t, c.Client)
			for round := range 2 {
				h := r.lose(c, api)
				r.primary.Kill()
				r.failOver()
				if way.pooler != "" { // its address moves
					r.first, r.second = r.second, r.first
					r.first.Retarget(r.primary.Addr)
					r.first.Cut()
				}
				h.survived(t, c, 10*time.Second)
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
				r.addStandby()
			}
			lost := 0.0
			for _, n := range c.nodes {
				lost += n.metric(t, "latchkey_changes_lost_total")
			}
			if lost == 0 || !strings.Contains(c.nodes[0].log.String()+c.nodes[1].log.String(),
				"the database lost changes") {
				t.Errorf("%v changes were counted as lost, or nothing was logged", lost)
			}
		})
	}
}

// TestADarkPrimaryIsReplacedAndStaysOut freezes the primary, promotes the standby, and lets the old
// primary return. It still says that it accepts changes.
func TestADarkPrimaryIsReplacedAndStaysOut(t *testing.T) {
	r := newReplicas(t)
	c := start(t, settings{nodes: 2, database: r.url()})
	api := newAPI(t, c.Client)
	h := r.lose(c, api)
	old := r.primary
	old.Freeze()
	r.failOver()
	h.survived(t, c, 3*time.Second)
	old.Thaw()
	var deleted []string
	for i := range 40 {
		made := newKey(t, c.nodes[i%2].Client, latchkey.CreateKeyRequest{APIID: api})
		if err := c.nodes[i%2].Keys.Delete(t.Context(),
			latchkey.DeleteKeyRequest{KeyID: made.KeyID}); err != nil {
			t.Fatal(err)
		}
		deleted = append(deleted, made.Key)
		time.Sleep(20 * time.Millisecond)
	}
	for range 4 {
		time.Sleep(500 * time.Millisecond)
		for i, n := range c.nodes {
			for _, key := range deleted {
				if got := n.code(t, key); got != latchkey.NotFound {
					t.Fatalf("node %d: a deleted key is %s", i, got)
				}
			}
		}
	}
}

// TestASynchronousFailoverLosesNothing kills the primary under load. Every change that was
// acknowledged is there on its synchronous standby.
func TestASynchronousFailoverLosesNothing(t *testing.T) {
	r := newReplicas(t)
	r.primary.Execute("ALTER SYSTEM SET synchronous_standby_names = '*'",
		"SELECT pg_reload_conf()")
	c := start(t, settings{nodes: 2, database: r.url()})
	api := newAPI(t, c.Client)
	var mu sync.Mutex
	var keys []string
	var load sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				made, err := c.nodes[i%2].Keys.Create(t.Context(),
					latchkey.CreateKeyRequest{APIID: api})
				if err == nil {
					mu.Lock()
					keys = append(keys, made.Key)
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(time.Second)
	r.primary.Kill()
	r.failOver()
	time.Sleep(3 * time.Second)
	close(stop)
	load.Wait()
	lost := 0
	for _, key := range keys {
		for _, n := range c.nodes {
			if n.code(t, key) != latchkey.Valid {
				lost++
			}
		}
	}
	t.Logf("%d keys were acknowledged", len(keys))
	if lost > 0 {
		t.Errorf("%d answers for %d keys say that they are lost", lost, len(keys))
	}
}

// TestAReadOnlyDatabaseShows checks that load balancers and metrics see it.
func TestAReadOnlyDatabaseShows(t *testing.T) {
	server := testenv.StartPostgres(t)
	c := start(t, settings{nodes: 1, database: server.URL})
	n := c.nodes[0]
	if !n.ready() || n.metric(t, "latchkey_database_writable") != 1 {
		t.Fatal("a node that works isn't ready")
	}
	for _, on := range []bool{true, false} {
		server.Execute(fmt.Sprintf("BEGIN READ WRITE; ALTER DATABASE postgres "+
			"SET default_transaction_read_only = %t; COMMIT", on),
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "+
				"AND backend_type = 'client backend'")
		began := time.Now()
		for n.ready() == on || (n.metric(t, "latchkey_database_writable") == 1) == on {
			if time.Since(began) > 2500*time.Millisecond {
				t.Fatalf("after %v it doesn't show that read-only is %t", time.Since(began), on)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// TestADistantDatabase checks that a node with a slow link to the database works, and measures it.
func TestADistantDatabase(t *testing.T) {
	for _, rtt := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(rtt.String(), func(t *testing.T) {
			server := testenv.StartPostgres(t)
			c := start(t, settings{nodes: 2, database: server.URL,
				delays: []time.Duration{rtt / 2}})
			far, near := c.nodes[0], c.nodes[1]
			api := newAPI(t, near.Client)
			var keys []string
			for range 10 {
				keys = append(keys, newKey(t, near.Client, latchkey.CreateKeyRequest{APIID: api}).Key)
			}
			var trips float64
			for _, key := range keys {
				began := time.Now()
				if code := far.code(t, key); code != latchkey.Valid {
					t.Errorf("a key that isn't cached is %s", code)
				}
				trips += float64(time.Since(began)) / float64(rtt) / float64(len(keys))
			}
			t.Logf("a verification took %.1f round trips", trips)
			if trips > 3 { // 2.2, if the machine is not busy
				t.Errorf("a verification took %.1f round trips, want 2.5", trips)
			}
			var made atomic.Int64
			var load sync.WaitGroup
			const during = 3 * time.Second
			end := time.Now().Add(during)
			for range 16 {
				load.Go(func() {
					for time.Now().Before(end) {
						if _, err := far.Keys.Create(t.Context(),
							latchkey.CreateKeyRequest{APIID: api}); err == nil {
							made.Add(1)
						}
					}
				})
			}
			load.Wait()
			t.Logf("%.1f changes per second", float64(made.Load())/during.Seconds())
			if made.Load() == 0 {
				t.Error("no change was made")
			}
		})
	}
}
