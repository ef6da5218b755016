package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// clockJump is the row of the matrix for a node whose clock jumps.
var clockJump = fault{name: "clock-jump", outcomes: worksExcept(nil)}

// jumpingClock is a clock that can jump.
type jumpingClock struct{ off atomic.Int64 }

// now returns a clock that starts half an hour before midnight UTC, in the middle of a month.
func (j *jumpingClock) now(began time.Time) func() time.Time {
	base := time.Date(2026, 3, 14, 23, 30, 0, 0, time.UTC)
	return func() time.Time { return base.Add(time.Since(began) + time.Duration(j.off.Load())) }
}

// TestClockJumpsResetNothing moves the clock of one of two nodes by an hour, back and forth, across
// midnight. Limits stay exact, a due refill happens once, and every node applies changes within one
// second, because that second is measured with the monotonic clock.
func TestClockJumpsResetNothing(t *testing.T) {
	cfg := embedded.Config{
		Database: testenv.Postgres(t), Redis: testenv.Redis(t), MasterKey: vault.NewMaster(),
		Log: slog.New(slog.DiscardHandler),
	}
	began := time.Now()
	var clocks [2]jumpingClock
	var nodes [2]*node
	var rootKey string
	for i := range nodes {
		cfg.Data, cfg.Now = t.TempDir(), clocks[i].now(began)
		service, err := embedded.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := service.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if service.RootKey != "" {
			rootKey = service.RootKey
		}
		service.Client.SetRootKey(rootKey)
		nodes[i] = &node{Client: service.Client}
	}
	a, b := nodes[0], nodes[1]
	var passed int64
	for _, jump := range []time.Duration{0, time.Hour, 0, -time.Hour, time.Hour} {
		clocks[0].off.Store(int64(jump))
		for _, n := range nodes {
			for range 15 {
				r, err := n.Ratelimits.Limit(t.Context(),
					latchkey.LimitRequest{Namespace: "jump", Identifier: "all", Limit: 100,
						Duration: month})
				if err != nil {
					t.Fatal(err)
				}
				if r.Success {
					passed++
				}
			}
		}
		for _, kind := range []string{"key disabled", "role deleted"} {
			for _, way := range [][2]*node{{a, b}, {b, a}} {
				change := changeKinds[kind](t, a.Client)
				lag, err := measureLag(t.Context(), change, way[0], way[1])
				if err != nil || lag > maxLag {
					t.Errorf("after a jump of %v, %s: applied after %v, %v", jump, kind, lag, err)
				}
			}
		}
	}
	if passed != 100 {
		t.Errorf("%d calls passed a limit of 100", passed)
	}
	clocks[0].off.Store(0)
	key := newKey(t, a.Client, latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Int(3), Refill: &latchkey.Refill{Interval: latchkey.Daily, Amount: 10},
	}})
	var valid int
	for _, jump := range []time.Duration{0, time.Hour, 0, time.Hour, -time.Hour, time.Hour} {
		clocks[0].off.Store(int64(jump))
		for range 5 {
			v, err := a.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
			if err != nil {
				t.Fatal(err)
			}
			if v.Valid {
				valid++
			}
		}
	}
	if valid != 3+10 {
		t.Errorf("%d verifications were paid from 3 credits and one refill to 10", valid)
	}
}
