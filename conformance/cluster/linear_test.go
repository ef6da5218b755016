package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// state is the state of a key.
type state struct {
	name    string
	enabled bool
	balance int64
}

// step is one call of a history. If unknown is set, its result is ignored: it took effect, or not,
// or
// still can.
type step struct {
	what    string // name, rename, balance, spend, set, increment, decrement, verify, enable
	text    string // of name and rename
	number  int64  // the argument, or the result of balance
	yes     bool   // of spend and verify: the result; of enable: the argument
	left    int64  // of spend, set, increment and decrement: the returned balance
	unknown bool
}

// apply returns the state after a step, and whether the step's result is right.
func (s step) apply(before state) (state, bool) {
	next, right := before, true
	switch s.what {
	case "name":
		right = s.text == before.name
	case "rename":
		next.name = s.text
	case "verify":
		right = s.yes == before.enabled
	case "enable":
		next.enabled = s.yes
	case "balance":
		right = s.number == before.balance
	case "spend":
		enough := before.balance >= s.number
		if enough {
			next.balance -= s.number
		}
		right = s.yes == enough && s.left == next.balance
	case "set":
		next.balance = s.number
		right = s.left == next.balance
	case "increment":
		next.balance += s.number
		right = s.left == next.balance
	case "decrement":
		next.balance = max(0, before.balance-s.number)
		right = s.left == next.balance
	}
	return next, right || s.unknown
}

// model defines the legal sequential histories of a key.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{name: "begin", enabled: true, balance: 50}} },
	Step: func(at, input, output any) []any {
		s := output.(step)
		next, right := s.apply(at.(state))
		switch {
		case s.unknown:
			return []any{at, next}
		case right:
			return []any{next}
		}
		return nil
	},
	DescribeOperation: func(_, output any) string { return fmt.Sprintf("%+v", output) },
}).ToModel()

// history collects the steps of concurrent callers.
type history struct {
	mu      sync.Mutex
	began   time.Time
	steps   []porcupine.Operation
	unknown int // number of steps with unknown outcome
}

// maxUnknown is the number of steps with unknown outcome that ends a history: each of them doubles
// the
// orders to check.
const maxUnknown = 8

// more reports whether the history needs more steps.
func (h *history) more() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unknown < maxUnknown
}

// do makes a step and records it. A step with an error can take effect at any time after its start.
// A
// failed read is left out.
func (h *history) do(client int, s step, call func(*step) error) {
	from := time.Since(h.began).Nanoseconds()
	err := call(&s)
	to := time.Since(h.began).Nanoseconds()
	if s.unknown = err != nil; s.unknown {
		if s.what == "name" || s.what == "verify" || s.what == "balance" {
			return
		}
		to = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.unknown {
		h.unknown++
		client = 1000 + len(h.steps) // its caller continues as another client
	}
	h.steps = append(h.steps, porcupine.Operation{ClientId: client, Call: from, Output: s,
		Return: to})
}

// check fails the test if no order explains the results, and writes a drawing of the history.
func (h *history) check(t *testing.T, what string) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, h.steps, time.Minute)
	t.Logf("%s: %d steps, %d with unknown outcome: %s", what, len(h.steps), h.unknown, result)
	switch result {
	case porcupine.Unknown:
		t.Errorf("%s: the history is too long to check", what)
	case porcupine.Illegal:
		drawing, err := os.CreateTemp("", "latchkey-history-*.html")
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: no order of the steps explains their results; %s shows them, %v",
			what, drawing.Name(), errors.Join(porcupine.Visualize(model, info, drawing),
				drawing.Close()))
	}
}

// TestKeysAreLinearizable checks that names and balances, changed and read by many callers on
// many nodes, behave as if one caller did so on one node, also while connections to the
// database are cut, or another tenant sends the heaviest requests. The same holds for
// verifications and changes of a key on one node.
func TestKeysAreLinearizable(t *testing.T) {
	for _, name := range []string{"undisturbed", "connections cut", "hostile tenant"} {
		t.Run(name, func(t *testing.T) {
			c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
			var keys [3]latchkey.CreatedKey
			for i := range keys {
				keys[i] = newKey(t, c.Client,
					latchkey.CreateKeyRequest{Name: "begin", Credits: credits(50)})
			}
			if name == "hostile tenant" {
				defer attack(t, c.tenant(t))()
			}
			if name == "connections cut" {
				s := &faultEnv{cluster: c, t: t}
				ctx, stop := context.WithCancel(t.Context())
				var cutting sync.WaitGroup
				cutting.Go(func() { s.cutAtRandom(ctx) })
				defer cutting.Wait()
				defer stop()
			}
			var all sync.WaitGroup
			for i, do := range []func(*testing.T, *cluster, latchkey.CreatedKey, *history,
				int){rename, spend, disable} {
				what, key := []string{"names", "balances", "state on one node"}[i], keys[i]
				h := &history{began: time.Now()}
				all.Go(func() {
					var callers sync.WaitGroup
					for client := range 6 {
						callers.Go(func() { do(t, c, key, h, client) })
					}
					callers.Wait()
					h.check(t, what)
				})
			}
			all.Wait()
		})
	}
}

// stepsPerClient is the number of steps of each client.
const stepsPerClient = 40

func (s *faultEnv) cutAtRandom(ctx context.Context) {
	for ctx.Err() == nil {
		s.any().database.Cut()
		time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
	}
}

// rename changes and reads the name of a key.
func rename(t *testing.T, c *cluster, key latchkey.CreatedKey, h *history, client int) {
	for i := 0; i < stepsPerClient && h.more(); i++ {
		n := c.any()
		if rand.IntN(2) == 0 {
			h.do(client, step{what: "rename", text: fmt.Sprintf("%d of %d", i, client)},
				func(s *step) error {
					return n.Keys.Update(t.Context(),
						latchkey.UpdateKeyRequest{KeyID: key.KeyID, Name: latchkey.Set(s.text)})
				})
			continue
		}
		h.do(client, step{what: "name"}, func(s *step) error {
			got, err := n.Keys.Get(t.Context(), latchkey.GetKeyRequest{KeyID: key.KeyID})
			s.text = got.Name
			return err
		})
	}
}

// spend changes, spends and reads a balance.
func spend(t *testing.T, c *cluster, key latchkey.CreatedKey, h *history, client int) {
	for i := 0; i < stepsPerClient && h.more(); i++ {
		n := c.any()
		switch pick := rand.IntN(10); {
		case pick < 6:
			h.do(client, step{what: "spend", number: rand.Int64N(4)}, func(s *step) error {
				v, err := n.Keys.Verify(t.Context(),
					latchkey.VerifyKeyRequest{Key: key.Key,
						Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(s.number)}})
				s.yes, s.left = v.Valid, v.Credits.Or(-1)
				return err
			})
		case pick < 8:
			h.do(client, step{what: "balance"}, func(s *step) error {
				got, err := n.Keys.Get(t.Context(), latchkey.GetKeyRequest{KeyID: key.KeyID})
				if err == nil {
					s.number = got.Credits.Remaining.Or(-1)
				}
				return err
			})
		default:
			operation := []latchkey.CreditsOperation{latchkey.SetCredits, latchkey.IncrementCredits,
				latchkey.DecrementCredits}[rand.IntN(3)]
			h.do(client, step{what: string(operation), number: rand.Int64N(30)},
				func(s *step) error {
					got, err := n.Keys.UpdateCredits(t.Context(),
						latchkey.UpdateCreditsRequest{KeyID: key.KeyID, Operation: operation,
							Value: latchkey.Set(s.number)})
					s.left = got.Remaining.Or(-1)
					return err
				})
		}
	}
}

// disable disables, enables and verifies a key on one node.
func disable(t *testing.T, c *cluster, key latchkey.CreatedKey, h *history, client int) {
	n := c.nodes[1]
	free := latchkey.VerifyKeyRequest{
		Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(0)},
	}
	for i := 0; i < stepsPerClient && h.more(); i++ {
		if rand.IntN(4) == 0 {
			h.do(client, step{what: "enable", yes: rand.IntN(2) == 0}, func(s *step) error {
				return n.Keys.Update(t.Context(),
					latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(s.yes)})
			})
			continue
		}
		h.do(client, step{what: "verify"}, func(s *step) error {
			v, err := n.Keys.Verify(t.Context(), free)
			s.yes = v.Valid
			return err
		})
	}
}
