package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// outcome is the expected result of a request.
type outcome string

const (
	works   outcome = "works"    // no visible effect
	shares  outcome = "shares"   // each node decides with its share of the limit
	denies  outcome = "denies"   // the limit denies the call
	fails   outcome = "fails"    // an error, never a success
	mayFail outcome = "may fail" // a success or an error
)

// work is a kind of request, a column of the matrix.
type work string

// The columns of the matrix.
const (
	plain    work = "verify"
	limited  work = "verify with limits"
	paid     work = "verify with credits"
	limits   work = "limit"
	refusing work = "limit, `refuse`"
	changes  work = "change"
)

var columns = []work{plain, limited, paid, limits, refusing, changes}

// fault is a row of the matrix in docs/operate.md: a fault, and the outcome of each kind of work on
// the
// affected nodes while it lasts.
type fault struct {
	name        string
	inject, end func(*faultEnv)
	affects     func(node int) bool // nil: all nodes
	flags       []string
	outcomes    map[work]outcome
}

// worksExcept returns a row in which all work succeeds, with these exceptions.
func worksExcept(exceptions map[work]outcome) map[work]outcome {
	row := make(map[work]outcome)
	for _, w := range columns {
		row[w] = works
		if o, ok := exceptions[w]; ok {
			row[w] = o
		}
	}
	return row
}

var (
	redisGone    = worksExcept(map[work]outcome{limited: shares, limits: shares, refusing: denies})
	databaseGone = map[work]outcome{plain: fails, limited: fails, paid: fails, limits: fails,
		refusing: fails, changes: fails}
	databaseCut = map[work]outcome{plain: mayFail, limited: mayFail, paid: mayFail,
		limits: mayFail, refusing: mayFail, changes: mayFail}
	stale = worksExcept(map[work]outcome{paid: fails, changes: fails})
)

// faults are the rows of the matrix with several nodes.
var faults = []fault{
	{name: "redis-killed", outcomes: redisGone,
		inject: func(s *faultEnv) { s.redis.Kill() }, end: func(s *faultEnv) { s.redis.Start() }},
	{name: "redis-frozen", outcomes: redisGone,
		inject: func(s *faultEnv) { s.redis.Freeze() }, end: func(s *faultEnv) { s.redis.Thaw() }},
	{name: "redis-slow", outcomes: redisGone,
		inject: func(s *faultEnv) { s.delayRedis(500 * time.Millisecond) },
		end:    func(s *faultEnv) { s.delayRedis(0) }},
	{name: "postgres-killed", outcomes: databaseGone,
		inject: func(s *faultEnv) { s.postgres.Kill() },
		end:    func(s *faultEnv) { s.postgres.Start() }},
	{name: "postgres-killed, `--fail-mode stale`", outcomes: stale,
		flags:  []string{"--fail-mode", "stale", "--stale-for", "1m"},
		inject: func(s *faultEnv) { s.postgres.Kill() },
		end:    func(s *faultEnv) { s.postgres.Start() }},
	{name: "postgres-frozen", outcomes: databaseGone,
		inject: func(s *faultEnv) { s.postgres.Freeze() },
		end:    func(s *faultEnv) { s.postgres.Thaw() }},
	{name: "postgres-cut", outcomes: databaseCut,
		inject: func(s *faultEnv) { s.cutting(true) }, end: func(s *faultEnv) { s.cutting(false) }},
	{name: "node-partitioned", outcomes: databaseGone, affects: first,
		inject: func(s *faultEnv) { s.nodes[0].database.Partition() },
		end:    func(s *faultEnv) { s.nodes[0].database.Heal() }},
	{name: "node-killed", outcomes: databaseGone, affects: first,
		inject: func(s *faultEnv) { s.nodes[0].kill() },
		end:    func(s *faultEnv) { s.nodes[0].start(s.t) }},
}

func first(node int) bool { return node == 0 }

// faultEnv is the environment that faults affect.
type faultEnv struct {
	*cluster
	t               *testing.T
	postgres, redis *testenv.Server
	stopCutting     func()
}

func (s *faultEnv) delayRedis(d time.Duration) {
	for _, n := range s.nodes {
		n.redis.Delay(d)
	}
}

// cutting starts or stops cutting all connections to the database ten times per second, so often in
// the
// middle of a transaction.
func (s *faultEnv) cutting(on bool) {
	if !on {
		s.stopCutting()
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			for _, n := range s.nodes {
				n.database.Cut()
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	s.stopCutting = func() { stop(); running.Wait() }
}

const (
	// until a fault must take effect: maximum staleness plus a request
	detectionTime  = 1500 * time.Millisecond
	faultDuration  = 4 * time.Second // how long a fault lasts
	recoveryTime   = 5 * time.Second // until everything must work again
	maxRequestTime = 8 * time.Second // of any request: changes retry for five seconds
)

// TestFaultsHaveTheDocumentedEffects injects each fault of the matrix under load of every kind, and
// checks every result.
func TestFaultsHaveTheDocumentedEffects(t *testing.T) {
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, "`", ""), func(t *testing.T) { runFault(t, f) })
	}
}

func runFault(t *testing.T, f fault) {
	s := &faultEnv{t: t, postgres: testenv.StartPostgres(t), redis: testenv.StartRedis(t)}
	s.cluster = start(t, settings{nodes: 3, database: s.postgres.URL, redis: s.redis.URL,
		flags: f.flags})
	b := startLoad(t, s.cluster)
	time.Sleep(500 * time.Millisecond)
	b.waitForAll(t, len(s.nodes))
	goroutines := s.goroutines()
	began := time.Now()
	f.inject(s)
	time.Sleep(faultDuration)
	ended := time.Now()
	f.end(s)
	took := time.Since(ended)
	time.Sleep(recoveryTime + time.Second)
	b.stop()
	for i := range s.nodes {
		row := f.outcomes
		if f.affects != nil && !f.affects(i) {
			row = worksExcept(nil)
		}
		b.check(t, i, "during", began.Add(detectionTime), ended, row)
		b.check(t, i, "before", time.Time{}, began, worksExcept(nil))
		b.check(t, i, "after", ended.Add(took+recoveryTime), time.Now(), worksExcept(nil))
	}
	b.checkNothingLost(t, s.any().Client)
	if f.name != "node-killed" {
		s.checkGoroutines(t, goroutines)
	}
	if t.Failed() {
		for i, n := range s.nodes {
			t.Logf("node %d: %s", i, last(n.log.String(), 3000))
		}
	}
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// goroutines returns the number of goroutines of each node.
func (s *faultEnv) goroutines() []float64 {
	counts := make([]float64, len(s.nodes))
	for i, n := range s.nodes {
		counts[i] = n.metric(s.t, "go_goroutines")
	}
	return counts
}

// checkGoroutines checks that a fault left no blocked goroutines. A few more connections than
// before are
// not a leak.
func (s *faultEnv) checkGoroutines(t *testing.T, before []float64) {
	const slack = 40
	for i, now := range s.goroutines() {
		if now > before[i]+slack {
			t.Errorf("node %d has %.0f goroutines, %.0f before", i, now, before[i])
		}
	}
}

// result is the result of one request.
type result struct {
	node       int
	work       work
	began, end time.Time
	yes        bool
	err        error
}

// load is continuous work during a fault.
type load struct {
	keys    map[work]latchkey.CreatedKey
	revoked string // a revoked key
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	results []result
	created []string // ids of acknowledged keys
}

const plenty = int64(1) << 40

// startLoad starts work of every kind on every node.
func startLoad(t *testing.T, c *cluster) *load {
	t.Helper()
	b := &load{keys: make(map[work]latchkey.CreatedKey)}
	api := newAPI(t, c.Client)
	b.keys[plain] = newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api})
	b.keys[limited] = newKey(t, c.Client,
		latchkey.CreateKeyRequest{APIID: api, Ratelimits: []latchkey.RatelimitRequest{
			{Name: "calls", Limit: plenty, Duration: month, AutoApply: latchkey.Set(true)},
		}})
	b.keys[paid] = newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api,
		Credits: credits(plenty)})
	b.keys[changes] = latchkey.CreatedKey{KeyID: api} // the API of new keys
	revoked := newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api})
	b.revoked = revoked.Key
	if err := c.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{KeyID: revoked.KeyID,
		Enabled: latchkey.Set(false)}); err != nil {
		t.Fatal(err)
	}
	for _, space := range []string{"sharing", "refusing"} {
		if _, err := c.Ratelimits.Limit(t.Context(),
			latchkey.LimitRequest{Namespace: space, Identifier: "all", Limit: plenty,
				Duration: month}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Ratelimits.UpdateNamespace(t.Context(),
		latchkey.UpdateNamespaceRequest{Namespace: "refusing",
			WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse)}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(maxLag)
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(t.Context())
	for i, n := range c.nodes {
		for _, w := range columns {
			b.running.Go(func() { b.loop(ctx, i, n.Client, w) })
		}
		b.running.Go(func() { b.tryRevoked(ctx, t, n.Client) })
	}
	t.Cleanup(b.stop)
	return b
}

func (b *load) stop() { b.cancel(); b.running.Wait() }

// loop repeats one kind of work on one node.
func (b *load) loop(ctx context.Context, i int, c *latchkey.Client, w work) {
	for ctx.Err() == nil {
		a := result{node: i, work: w, began: time.Now()}
		a.yes, a.err = b.once(ctx, c, w)
		a.end = time.Now()
		if ctx.Err() != nil {
			return
		}
		b.mu.Lock()
		b.results = append(b.results, a)
		b.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
}

// waitForAll waits until every node has responded to each kind of work. The first requests take
// longer on
// a busy machine.
func (b *load) waitForAll(t *testing.T, nodes int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		done := make(map[result]bool)
		b.mu.Lock()
		for _, a := range b.results {
			done[result{node: a.node, work: a.work}] = true
		}
		b.mu.Unlock()
		if len(done) == nodes*len(columns) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d kinds of work on %d nodes, %d got a response", len(columns), nodes,
				len(done))
		}
	}
}

// once does the work once and reports whether it succeeded.
func (b *load) once(ctx context.Context, c *latchkey.Client, w work) (bool, error) {
	switch w {
	case limits, refusing:
		space := map[work]string{limits: "sharing", refusing: "refusing"}[w]
		r, err := c.Ratelimits.Limit(ctx,
			latchkey.LimitRequest{Namespace: space, Identifier: "all", Limit: plenty,
				Duration: month})
		return r.Success, err
	case changes:
		created, err := c.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: b.keys[changes].KeyID})
		if err != nil {
			return false, err
		}
		b.mu.Lock()
		b.created = append(b.created, created.KeyID)
		b.mu.Unlock()
		return true, nil
	}
	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: b.keys[w].Key})
	return v.Valid, err
}

// tryRevoked verifies a revoked key, which must never be valid.
func (b *load) tryRevoked(ctx context.Context, t *testing.T, c *latchkey.Client) {
	for ctx.Err() == nil {
		if v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: b.revoked}); err == nil &&
			v.Valid {
			t.Error("a revoked key passed")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// check compares the results of one node between two times with a row of the matrix.
func (b *load) check(t *testing.T, node int, when string, from, to time.Time,
	row map[work]outcome) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := make(map[work]int)
	for _, a := range b.results {
		if a.node != node {
			continue
		}
		if took := a.end.Sub(a.began); took > maxRequestTime {
			t.Errorf("node %d: %s took %v, %v", node, a.work, took, a.err)
		}
		if a.began.Before(from) || a.end.After(to) {
			continue
		}
		if seen[a.work]++; !allows(row[a.work], a) {
			t.Errorf("node %d, %s, %v: %s returned %t, %v; want: it %s", node, when,
				a.began.Sub(from), a.work, a.yes, a.err, row[a.work])
			return
		}
	}
	for _, w := range columns {
		if seen[w] == 0 && row[w] != fails && row[w] != mayFail { // a failing request can take long
			t.Errorf("node %d, %s: no result of %s", node, when, w)
		}
	}
}

// allows reports whether a result matches the matrix.
func allows(o outcome, a result) bool {
	switch o {
	case works, shares:
		return a.err == nil && a.yes
	case denies:
		return a.err == nil && !a.yes
	case fails:
		return a.err != nil && !unauthorized(a.err)
	default:
		return a.yes || a.err != nil && !unauthorized(a.err)
	}
}

// unauthorized reports whether an error blames the caller, which no fault must cause.
func unauthorized(err error) bool {
	return errors.Is(err, latchkey.ErrUnauthorized) || errors.Is(err, latchkey.ErrForbidden) ||
		errors.Is(err, latchkey.ErrNotFound)
}

// checkNothingLost checks that every acknowledged key exists, that every VALID verification was
// charged,
// and that nothing else was.
func (b *load) checkNothingLost(t *testing.T, c *latchkey.Client) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	there := make(map[string]bool)
	for key, err := range c.APIs.AllKeys(ctx,
		latchkey.ListKeysRequest{APIID: b.keys[changes].KeyID}) {
		if err != nil {
			t.Fatal(err)
		}
		there[key.KeyID] = true
	}
	for _, id := range b.created {
		if !there[id] {
			t.Errorf("the acknowledged key %s is lost", id)
		}
	}
	got, err := c.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: b.keys[paid].KeyID})
	if err != nil {
		t.Fatal(err)
	}
	var valid, unknown int64
	for _, a := range b.results {
		if a.work == paid && a.yes {
			valid++
		} else if a.work == paid {
			unknown++
		}
	}
	const inProgress = 3 // requests when the load stopped
	if spent := plenty - got.Credits.Remaining.Or(-1); spent < valid ||
		spent > valid+unknown+inProgress {
		t.Errorf("%d credits were spent by %d VALID results and %d errors", spent, valid, unknown)
	}
	t.Logf("%d keys, %d results", len(b.created), len(b.results))
}

// row returns the line of the fault in the table of docs/operate.md.
func (f fault) row() string {
	cells := []string{"`" + strings.Replace(f.name, ", `", "`, `", 1)}
	if !strings.Contains(f.name, "`") {
		cells[0] += "`"
	}
	for _, w := range columns {
		cells = append(cells, string(f.outcomes[w]))
	}
	return fmt.Sprintf("| %s |", strings.Join(cells, " | "))
}
