package cluster

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// clients is how many clients each of three nodes has at once.
const clients = 16

// crowd has 3 × 16 clients call do as often as each has turns, on nodes by
// chance, and returns how often it reported true.
func crowd(t *testing.T, c *cluster, turns int, do func(*node) (bool, error)) int64 {
	t.Helper()
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 3 * clients {
		all.Go(func() {
			for range turns {
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

// TestLimitsAreExactAcrossNodes: of any number of calls on any nodes, exactly
// the limit pass, whether the counters are Redis's or the database's.
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
				identifier := keyOfRound(round)
				begun := time.Now()
				passed := crowd(t, c, 25, func(n *node) (bool, error) {
					r, err := n.Ratelimits.Limit(t.Context(), latchkey.LimitRequest{Namespace: "exact", Identifier: identifier, Limit: limit, Duration: month})
					return r.Success, err
				})
				if passed != limit {
					t.Errorf("round %d: %d calls passed a limit of %d", round, passed, limit)
				}
				if round == 0 {
					t.Logf("%d calls took %v", 25*3*clients, time.Since(begun))
				}
			}
			passed := crowd(t, c, 5, func(n *node) (bool, error) {
				v, err := n.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key, Ratelimits: []latchkey.VerifyKeyRatelimit{
					{Name: "wide", Limit: latchkey.Int(1000), Duration: latchkey.Set(month)},
					{Name: "narrow", Limit: latchkey.Int(100), Duration: latchkey.Set(month)},
				}})
				return v.Valid, err
			})
			if passed != 100 {
				t.Errorf("%d verifications passed limits of 1000 and 100", passed)
			}
			v, err := c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key, Ratelimits: []latchkey.VerifyKeyRatelimit{
				{Name: "wide", Limit: latchkey.Int(1000), Duration: latchkey.Set(month)},
			}})
			if err != nil || v.Ratelimits[0].Remaining != 1000-100-1 {
				t.Errorf("the refused took from the wide limit too: %+v, %v", v.Ratelimits, err)
			}
		})
	}
}

func keyOfRound(round int) string { return "round_" + string(rune('a'+round)) }

// TestCreditsAreExactAcrossNodes: a balance of 1000 pays for exactly 1000
// verifications, on whichever nodes.
func TestCreditsAreExactAcrossNodes(t *testing.T) {
	const balance = 1000
	c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
	key := newKey(t, c.Client, latchkey.CreateKeyRequest{Credits: credits(balance)})
	var seen sync.Map // what was left, each number once
	passed := crowd(t, c, 30, func(n *node) (bool, error) {
		v, err := n.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
		if v.Valid {
			if _, twice := seen.LoadOrStore(v.Credits.Or(-1), true); twice {
				t.Errorf("two verifications left %d", v.Credits.Or(-1))
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

// TestARepeatedRequestIsOneAcrossNodes: with an Idempotency-Key the same request,
// sent to all nodes at once, is done once and answered alike.
func TestARepeatedRequestIsOneAcrossNodes(t *testing.T) {
	c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
	api := newAPI(t, c.Client)
	for range 10 {
		once := latchkey.WithIdempotencyKey(name("once"))
		answers := make([]latchkey.CreatedKey, 9)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				var err error
				if answers[i], err = c.nodes[i%3].Keys.Create(t.Context(), latchkey.CreateKeyRequest{APIID: api}, once); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, a := range answers {
			if a != answers[0] {
				t.Errorf("%+v and %+v answer one request", a, answers[0])
			}
		}
	}
	keys, err := c.APIs.ListKeys(t.Context(), latchkey.ListKeysRequest{APIID: api})
	if err != nil || len(keys.Data) != 10 {
		t.Errorf("%d keys were made by 10 requests, %v", len(keys.Data), err)
	}
}
