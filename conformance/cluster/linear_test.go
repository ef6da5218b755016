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

// state is what a history speaks of: one key.
type state struct {
	name    string
	enabled bool
	balance int64
}

// step is one call of a history. What it answered is ignored where unknown is
// set: then it has happened, or not, or will.
type step struct {
	what    string // name, rename, balance, spend, set, increment, decrement, verify, enable
	text    string // of name and rename
	number  int64  // what was asked for, or what balance answered
	yes     bool   // of spend and verify: the answer; of enable: what to set
	left    int64  // of spend, set, increment and decrement: the balance answered
	unknown bool
}

// after returns the state after a step, and whether the step's answer is right.
func (s step) after(at state) (state, bool) {
	next, right := at, true
	switch s.what {
	case "name":
		right = s.text == at.name
	case "rename":
		next.name = s.text
	case "verify":
		right = s.yes == at.enabled
	case "enable":
		next.enabled = s.yes
	case "balance":
		right = s.number == at.balance
	case "spend":
		enough := at.balance >= s.number
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
		next.balance = max(0, at.balance-s.number)
		right = s.left == next.balance
	}
	return next, right || s.unknown
}

// model says which histories of a key are those of a single one, changed and
// asked by one caller at a time.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{name: "begin", enabled: true, balance: 50}} },
	Step: func(at, input, output any) []any {
		s := output.(step)
		next, right := s.after(at.(state))
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
	begun   time.Time
	steps   []porcupine.Operation
	unknown int // how many steps are of unknown outcome
}

// mostUnknown is how many steps of unknown outcome end a history: each of them
// doubles the orders that have to be looked at.
const mostUnknown = 8

// goesOn reports whether another step should be made.
func (h *history) goesOn() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unknown < mostUnknown
}

// do does a step and notes it. A step that ended in an error may be done at any
// time from its beginning on; one that only asks is left out.
func (h *history) do(client int, s step, call func(*step) error) {
	from := time.Since(h.begun).Nanoseconds()
	err := call(&s)
	to := time.Since(h.begun).Nanoseconds()
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
		client = 1000 + len(h.steps) // its caller goes on as another one
	}
	h.steps = append(h.steps, porcupine.Operation{ClientId: client, Call: from, Output: s, Return: to})
}

// check fails the test if no order explains the answers, and then draws them.
func (h *history) check(t *testing.T, what string) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, h.steps, time.Minute)
	t.Logf("%s: %d steps, %d of unknown outcome: %s", what, len(h.steps), h.unknown, result)
	switch result {
	case porcupine.Unknown:
		t.Errorf("%s: the history is too long to be checked", what)
	case porcupine.Illegal:
		drawing, err := os.CreateTemp("", "latchkey-history-*.html")
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: no order of the steps explains their answers; %s shows them, %v",
			what, drawing.Name(), errors.Join(porcupine.Visualize(model, info, drawing), drawing.Close()))
	}
}

// TestKeysAreLinearizable: names and balances that many callers change and read
// on many nodes behave as if one caller after the other did so on one node, also
// while connections to the database are cut. So does the state of a key to who
// changes and verifies it on the same node.
func TestKeysAreLinearizable(t *testing.T) {
	for name, cut := range map[string]bool{"undisturbed": false, "connections cut": true} {
		t.Run(name, func(t *testing.T) {
			c := start(t, settings{nodes: 3, database: testenv.Postgres(t)})
			var keys [3]latchkey.CreatedKey
			for i := range keys {
				keys[i] = newKey(t, c.Client, latchkey.CreateKeyRequest{Name: "begin", Credits: credits(50)})
			}
			if cut {
				s := &stage{cluster: c, t: t}
				ctx, stop := context.WithCancel(t.Context())
				var cutting sync.WaitGroup
				cutting.Go(func() { s.cutNowAndThen(ctx) })
				defer cutting.Wait()
				defer stop()
			}
			var all sync.WaitGroup
			for i, do := range []func(*testing.T, *cluster, latchkey.CreatedKey, *history, int){rename, spend, disable} {
				what, key := []string{"names", "balances", "state on one node"}[i], keys[i]
				h := &history{begun: time.Now()}
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

// turns is how many steps each caller makes.
const turns = 40

func (s *stage) cutNowAndThen(ctx context.Context) {
	for ctx.Err() == nil {
		s.any().database.Cut()
		time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
	}
}

// rename changes and reads the name of a key.
func rename(t *testing.T, c *cluster, key latchkey.CreatedKey, h *history, client int) {
	for i := 0; i < turns && h.goesOn(); i++ {
		n := c.any()
		if rand.IntN(2) == 0 {
			h.do(client, step{what: "rename", text: fmt.Sprintf("%d of %d", i, client)}, func(s *step) error {
				return n.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{KeyID: key.KeyID, Name: latchkey.Set(s.text)})
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
	for i := 0; i < turns && h.goesOn(); i++ {
		n := c.any()
		switch pick := rand.IntN(10); {
		case pick < 6:
			h.do(client, step{what: "spend", number: rand.Int64N(4)}, func(s *step) error {
				v, err := n.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: s.number}})
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
			operation := []latchkey.CreditsOperation{latchkey.SetCredits, latchkey.IncrementCredits, latchkey.DecrementCredits}[rand.IntN(3)]
			h.do(client, step{what: string(operation), number: rand.Int64N(30)}, func(s *step) error {
				got, err := n.Keys.UpdateCredits(t.Context(), latchkey.UpdateCreditsRequest{KeyID: key.KeyID, Operation: operation, Value: latchkey.Set(s.number)})
				s.left = got.Remaining.Or(-1)
				return err
			})
		}
	}
}

// disable switches a key off and on and verifies it, all on one node.
func disable(t *testing.T, c *cluster, key latchkey.CreatedKey, h *history, client int) {
	n := c.nodes[1]
	free := latchkey.VerifyKeyRequest{Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: 0}}
	for i := 0; i < turns && h.goesOn(); i++ {
		if rand.IntN(4) == 0 {
			h.do(client, step{what: "enable", yes: rand.IntN(2) == 0}, func(s *step) error {
				return n.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(s.yes)})
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
