package cluster

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// clients is the number of concurrent clients per node.
const clients = 16

// callConcurrently calls do from 3 × 16 clients, several times each, on random nodes. It returns
// how
// often do returned true.
func callConcurrently(t *testing.T, c *cluster, callsPerClient int,
	do func(*node) (bool, error)) int64 {
	t.Helper()
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 3 * clients {
		all.Go(func() {
			for range callsPerClient {
				ok, err := do(c.any())
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					passed.Add(1)
				}
			}
		})
	}
	all.Wait()
	return passed.Load()
}

// TestLimitsAreExactAcrossNodes checks that exactly the limit passes of any number of calls on any
// nodes, with counters in Redis and in the database.
func TestLimitsAreExactAcrossNodes(t *testing.T) {
	const limit, rounds = 1000, 20
	for name, redis := range map[string]bool{"redis": true, "database": false} {
		t.Run(name, func(t *testing.T) {
			s := settings{nodes: 3, database: testenv.Postgres(t)}
			if redis {
				s.redis = testenv.Redis(t)
			}
			c := start(t, s)
			key := newKey(t, c.Client, latchkey.CreateKeyRequest{})
			for round := range rounds {
				identifier := identifierOf(round)
				began := time.Now()
				passed := callConcurrently(t, c, 25, func(n *node) (bool, error) {
					r, err := n.Ratelimits.Limit(t.Context(),
						latchkey.LimitRequest{Namespace: "exact", Identifier: identifier,
							Limit: limit, Duration: month})
					return r.Success, err
				})
				if passed != limit {
					t.Errorf("round %d: %d calls passed a limit of %d", round, passed, limit)
				}
				if round == 0 {
					t.Logf("%d calls took %v", 25*3*clients, time.Since(began))
				}
			}
			passed := callConcurrently(t, c, 5, func(n *node) (bool, error) {
				v, err := n.Keys.Verify(t.Context(),
					latchkey.VerifyKeyRequest{Key: key.Key,
						Ratelimits: []latchkey.VerifyKeyRatelimit{
							{Name: "wide", Limit: latchkey.Int(1000),
								Duration: latchkey.Set(month)},
							{Name: "narrow", Limit: latchkey.Int(100),
								Duration: latchkey.Set(month)},
						}})
				return v.Valid, err
			})
			if passed != 100 {
				t.Errorf("%d verifications passed limits of 1000 and 100", passed)
			}
			v, err := c.Keys.Verify(t.Context(),
				latchkey.VerifyKeyRequest{Key: key.Key, Ratelimits: []latchkey.VerifyKeyRatelimit{
					{Name: "wide", Limit: latchkey.Int(1000), Duration: latchkey.Set(month)},
				}})
			if err != nil || v.Ratelimits[0].Remaining != 1000-100-1 {
				t.Errorf("denied calls consumed the wide limit too: %+v, %v", v.Ratelimits, err)
			}
		})
	}
}

func identifierOf(round int) string { return "round_" + string(rune('a'+round)) }

// TestCreditsAreExactAcrossNodes checks that a balance of 1000 pays for exactly 1000 verifications
// on
// any nodes.
func TestCreditsAreExactAcrossNodes(t *testing.T) {
	const balance = 1000
	c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
	key := newKey(t, c.Client, latchkey.CreateKeyRequest{Credits: credits(balance)})
	var seen sync.Map // each remaining balance, which must be unique
	passed := callConcurrently(t, c, 30, func(n *node) (bool, error) {
		v, err := n.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
		if v.Valid {
			if _, twice := seen.LoadOrStore(v.Credits.Or(-1), true); twice {
				t.Errorf("two verifications returned the balance %d", v.Credits.Or(-1))
			}
		}
		return v.Valid, err
	})
	if passed != balance {
		t.Errorf("%d verifications were paid from %d credits", passed, balance)
	}
	got, err := c.any().Keys.Get(t.Context(), latchkey.GetKeyRequest{KeyID: key.KeyID})
	if err != nil || got.Credits.Remaining.Or(-1) != 0 {
		t.Errorf("the balance is %+v, %v", got.Credits, err)
	}
}

// TestRepeatedRequestsExecuteOnceAcrossNodes sends the same request with an Idempotency-Key to all
// nodes
// at once. It must execute once, and all responses must be equal.
func TestRepeatedRequestsExecuteOnceAcrossNodes(t *testing.T) {
	c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
	api := newAPI(t, c.Client)
	for range 10 {
		once := latchkey.WithIdempotencyKey(name("once"))
		responses := make([]latchkey.CreatedKey, 9)
		var all sync.WaitGroup
		for i := range responses {
			all.Go(func() {
				var err error
				if responses[i], err = c.nodes[i%3].Keys.Create(t.Context(),
					latchkey.CreateKeyRequest{APIID: api}, once); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, a := range responses {
			if a != responses[0] {
				t.Errorf("%+v and %+v are responses to one request", a, responses[0])
			}
		}
	}
	keys, err := c.APIs.ListKeys(t.Context(), latchkey.ListKeysRequest{APIID: api})
	if err != nil || len(keys.Data) != 10 {
		t.Errorf("10 requests created %d keys, %v", len(keys.Data), err)
	}
}
