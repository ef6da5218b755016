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

// outcome is what may be answered to a request.
type outcome string

const (
	goesOn  outcome = "works"    // as if nothing had happened
	shares  outcome = "shares"   // answered, each node with its share of the limit
	refuses outcome = "denies"   // answered with a no
	fails   outcome = "fails"    // an error, never a yes
	retries outcome = "may fail" // a yes or an error
)

// work is a kind of request that the faults are tried on.
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

// fault is a row of the matrix in docs/operate.md: what goes wrong, and what is
// answered to each kind of work while it does, on the nodes that it hits.
type fault struct {
	name       string
	begin, end func(*stage)
	hits       func(node int) bool // nil: all nodes
	flags      []string
	answers    map[work]outcome
}

// without are the answers of a row in which these kinds of work suffer.
func without(suffers map[work]outcome) map[work]outcome {
	row := make(map[work]outcome)
	for _, w := range columns {
		row[w] = goesOn
		if o, ok := suffers[w]; ok {
			row[w] = o
		}
	}
	return row
}

var (
	redisGone    = without(map[work]outcome{limited: shares, limits: shares, refusing: refuses})
	databaseGone = map[work]outcome{plain: fails, limited: fails, paid: fails, limits: fails, refusing: fails, changes: fails}
	databaseCut  = map[work]outcome{plain: retries, limited: retries, paid: retries, limits: retries, refusing: retries, changes: retries}
	stale        = without(map[work]outcome{paid: fails, changes: fails})
)

// faults are the rows of the matrix that need several nodes.
var faults = []fault{
	{name: "redis-killed", answers: redisGone,
		begin: func(s *stage) { s.redis.Kill() }, end: func(s *stage) { s.redis.Start() }},
	{name: "redis-frozen", answers: redisGone,
		begin: func(s *stage) { s.redis.Freeze() }, end: func(s *stage) { s.redis.Thaw() }},
	{name: "redis-slow", answers: redisGone,
		begin: func(s *stage) { s.delayRedis(500 * time.Millisecond) }, end: func(s *stage) { s.delayRedis(0) }},
	{name: "postgres-killed", answers: databaseGone,
		begin: func(s *stage) { s.postgres.Kill() }, end: func(s *stage) { s.postgres.Start() }},
	{name: "postgres-killed, `--fail-mode stale`", answers: stale, flags: []string{"--fail-mode", "stale", "--stale-for", "1m"},
		begin: func(s *stage) { s.postgres.Kill() }, end: func(s *stage) { s.postgres.Start() }},
	{name: "postgres-frozen", answers: databaseGone,
		begin: func(s *stage) { s.postgres.Freeze() }, end: func(s *stage) { s.postgres.Thaw() }},
	{name: "postgres-cut", answers: databaseCut,
		begin: func(s *stage) { s.cutting(true) }, end: func(s *stage) { s.cutting(false) }},
	{name: "node-partitioned", answers: databaseGone, hits: first,
		begin: func(s *stage) { s.nodes[0].database.Partition() }, end: func(s *stage) { s.nodes[0].database.Heal() }},
	{name: "node-killed", answers: databaseGone, hits: first,
		begin: func(s *stage) { s.nodes[0].kill() }, end: func(s *stage) { s.nodes[0].start(s.t) }},
}

func first(node int) bool { return node == 0 }

// stage is what faults happen to.
type stage struct {
	*cluster
	t               *testing.T
	postgres, redis *testenv.Server
	stopCutting     func()
}

func (s *stage) delayRedis(d time.Duration) {
	for _, n := range s.nodes {
		n.redis.Delay(d)
	}
}

// cutting cuts all connections to the database ten times a second, and so many
// of them in the middle of a transaction.
func (s *stage) cutting(on bool) {
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
	grace    = 1500 * time.Millisecond // until a fault must show: the second of trust, and a request's own time
	lasts    = 4 * time.Second         // how long a fault lasts
	recovers = 5 * time.Second         // until it must be forgotten
	patience = 8 * time.Second         // the longest that any request may take: changes try for five seconds
)

// TestFaultsAreAnsweredAsTheMatrixSays brings about each fault of the matrix
// while requests of every kind go on, and looks at every answer.
func TestFaultsAreAnsweredAsTheMatrixSays(t *testing.T) {
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, "`", ""), func(t *testing.T) { play(t, f) })
	}
}

func play(t *testing.T, f fault) {
	s := &stage{t: t, postgres: testenv.StartPostgres(t), redis: testenv.StartRedis(t)}
	s.cluster = start(t, settings{nodes: 3, database: s.postgres.URL, redis: s.redis.URL, flags: f.flags})
	b := begin(t, s.cluster)
	time.Sleep(500 * time.Millisecond)
	b.underWay(t, len(s.nodes))
	goroutines := s.goroutines()
	begun := time.Now()
	f.begin(s)
	time.Sleep(lasts)
	ended := time.Now()
	f.end(s)
	took := time.Since(ended)
	time.Sleep(recovers + time.Second)
	b.stop()
	for i := range s.nodes {
		row := f.answers
		if f.hits != nil && !f.hits(i) {
			row = without(nil)
		}
		b.hold(t, i, "during", begun.Add(grace), ended, row)
		b.hold(t, i, "before", time.Time{}, begun, without(nil))
		b.hold(t, i, "after", ended.Add(took+recovers), time.Now(), without(nil))
	}
	b.nothingLost(t, s.any().Client)
	if f.name != "node-killed" {
		s.noneLeft(t, goroutines)
	}
	if t.Failed() {
		for i, n := range s.nodes {
			t.Logf("node %d: %s", i, last(n.log.String(), 3000))
		}
	}
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// goroutines returns how many each node has.
func (s *stage) goroutines() []float64 {
	counts := make([]float64, len(s.nodes))
	for i, n := range s.nodes {
		counts[i] = n.metric(s.t, "go_goroutines")
	}
	return counts
}

// noneLeft: what a fault made wait is gone after it. A few more connections than
// before are no leak.
func (s *stage) noneLeft(t *testing.T, before []float64) {
	const slack = 40
	for i, now := range s.goroutines() {
		if now > before[i]+slack {
			t.Errorf("node %d has %.0f goroutines, %.0f before", i, now, before[i])
		}
	}
}

// answer is one answer.
type answer struct {
	node       int
	work       work
	begun, end time.Time
	yes        bool
	err        error
}

// burden is work that goes on through a fault.
type burden struct {
	keys    map[work]latchkey.CreatedKey
	revoked string // a key that nobody may pass with
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	answers []answer
	made    []string // ids of keys whose making was acknowledged
}

const funds = int64(1) << 40

// begin begins work of every kind on every node.
func begin(t *testing.T, c *cluster) *burden {
	t.Helper()
	b := &burden{keys: make(map[work]latchkey.CreatedKey)}
	api := newAPI(t, c.Client)
	b.keys[plain] = newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api})
	b.keys[limited] = newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api, Ratelimits: []latchkey.RatelimitRequest{
		{Name: "calls", Limit: funds, Duration: month, AutoApply: latchkey.Set(true)},
	}})
	b.keys[paid] = newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api, Credits: credits(funds)})
	b.keys[changes] = latchkey.CreatedKey{KeyID: api} // where keys are made
	revoked := newKey(t, c.Client, latchkey.CreateKeyRequest{APIID: api})
	b.revoked = revoked.Key
	if err := c.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{KeyID: revoked.KeyID, Enabled: latchkey.Set(false)}); err != nil {
		t.Fatal(err)
	}
	for _, space := range []string{"sharing", "refusing"} {
		if _, err := c.Ratelimits.Limit(t.Context(), latchkey.LimitRequest{Namespace: space, Identifier: "all", Limit: funds, Duration: month}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Ratelimits.UpdateNamespace(t.Context(), latchkey.UpdateNamespaceRequest{Namespace: "refusing", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse)}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(bound)
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(t.Context())
	for i, n := range c.nodes {
		for _, w := range columns {
			b.running.Go(func() { b.toil(ctx, i, n.Client, w) })
		}
		b.running.Go(func() { b.tryRevoked(ctx, t, n.Client) })
	}
	t.Cleanup(b.stop)
	return b
}

func (b *burden) stop() { b.cancel(); b.running.Wait() }

// toil does work of one kind on one node again and again.
func (b *burden) toil(ctx context.Context, i int, c *latchkey.Client, w work) {
	for ctx.Err() == nil {
		a := answer{node: i, work: w, begun: time.Now()}
		a.yes, a.err = b.once(ctx, c, w)
		a.end = time.Now()
		if ctx.Err() != nil {
			return
		}
		b.mu.Lock()
		b.answers = append(b.answers, a)
		b.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
}

// underWay waits until every node has answered each kind of work, which the first
// time takes longer where the machine is busy.
func (b *burden) underWay(t *testing.T, nodes int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		done := make(map[answer]bool)
		b.mu.Lock()
		for _, a := range b.answers {
			done[answer{node: a.node, work: a.work}] = true
		}
		b.mu.Unlock()
		if len(done) == nodes*len(columns) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d kinds of work on %d nodes %d were answered", len(columns), nodes, len(done))
		}
	}
}

// once does the work once and reports whether the answer was yes.
func (b *burden) once(ctx context.Context, c *latchkey.Client, w work) (bool, error) {
	switch w {
	case limits, refusing:
		space := map[work]string{limits: "sharing", refusing: "refusing"}[w]
		r, err := c.Ratelimits.Limit(ctx, latchkey.LimitRequest{Namespace: space, Identifier: "all", Limit: funds, Duration: month})
		return r.Success, err
	case changes:
		made, err := c.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: b.keys[changes].KeyID})
		if err != nil {
			return false, err
		}
		b.mu.Lock()
		b.made = append(b.made, made.KeyID)
		b.mu.Unlock()
		return true, nil
	}
	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: b.keys[w].Key})
	return v.Valid, err
}

// tryRevoked presents a revoked key: whatever happens, it never passes.
func (b *burden) tryRevoked(ctx context.Context, t *testing.T, c *latchkey.Client) {
	for ctx.Err() == nil {
		if v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: b.revoked}); err == nil && v.Valid {
			t.Error("a revoked key passed")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// hold holds the answers to requests of one node that lay between two times
// against a row of the matrix.
func (b *burden) hold(t *testing.T, node int, when string, from, to time.Time, row map[work]outcome) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := make(map[work]int)
	for _, a := range b.answers {
		if a.node != node {
			continue
		}
		if took := a.end.Sub(a.begun); took > patience {
			t.Errorf("node %d: %s took %v, %v", node, a.work, took, a.err)
		}
		if a.begun.Before(from) || a.end.After(to) {
			continue
		}
		if seen[a.work]++; !permits(row[a.work], a) {
			t.Errorf("node %d, %s, %v: %s answered %t, %v; want that it %s", node, when, a.begun.Sub(from), a.work, a.yes, a.err, row[a.work])
			return
		}
	}
	for _, w := range columns {
		if seen[w] == 0 && row[w] != fails && row[w] != retries { // a request that fails may take its time
			t.Errorf("node %d, %s: no answer to %s", node, when, w)
		}
	}
}

// permits reports whether an answer is what the matrix says.
func permits(o outcome, a answer) bool {
	switch o {
	case goesOn, shares:
		return a.err == nil && a.yes
	case refuses:
		return a.err == nil && !a.yes
	case fails:
		return a.err != nil && !unauthorized(a.err)
	default:
		return a.yes || a.err != nil && !unauthorized(a.err)
	}
}

// unauthorized reports whether an error blames the caller, which no fault may.
func unauthorized(err error) bool {
	return errors.Is(err, latchkey.ErrUnauthorized) || errors.Is(err, latchkey.ErrForbidden) || errors.Is(err, latchkey.ErrNotFound)
}

// nothingLost: every key whose making was acknowledged is there, and no credit
// was given away: what was answered VALID was spent, and no more than was asked for.
func (b *burden) nothingLost(t *testing.T, c *latchkey.Client) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	there := make(map[string]bool)
	for key, err := range c.APIs.AllKeys(ctx, latchkey.ListKeysRequest{APIID: b.keys[changes].KeyID}) {
		if err != nil {
			t.Fatal(err)
		}
		there[key.KeyID] = true
	}
	for _, id := range b.made {
		if !there[id] {
			t.Errorf("the key %s was acknowledged and is lost", id)
		}
	}
	got, err := c.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: b.keys[paid].KeyID})
	if err != nil {
		t.Fatal(err)
	}
	var valid, unknown int64
	for _, a := range b.answers {
		if a.work == paid && a.yes {
			valid++
		} else if a.work == paid {
			unknown++
		}
	}
	const underWay = 3 // when the work was stopped
	if spent := funds - got.Credits.Remaining.Or(-1); spent < valid || spent > valid+unknown+underWay {
		t.Errorf("%d credits were spent by %d VALID answers and %d errors", spent, valid, unknown)
	}
	t.Logf("%d keys made, %d answers", len(b.made), len(b.answers))
}

// row writes a fault as a line of the table in docs/operate.md.
func (f fault) row() string {
	cells := []string{"`" + strings.Replace(f.name, ", `", "`, `", 1)}
	if !strings.Contains(f.name, "`") {
		cells[0] += "`"
	}
	for _, w := range columns {
		cells = append(cells, string(f.answers[w]))
	}
	return fmt.Sprintf("| %s |", strings.Join(cells, " | "))
}
