package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
)

// counted is a guard over v that counts its questions and has a clock to turn.
type counted struct {
	*Guard
	asked int
	clock time.Time
}

func newCounted(cfg Cache, v Verifier) *counted {
	c := &counted{clock: time.Unix(1_800_000_000, 0)}
	c.Guard = New(Config{OnError: quiet, Verifier: scripted(func(
		ctx context.Context, r latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		c.asked++
		return v.Verify(ctx, r)
	})})
	c.Guard.cache = newCache(cfg, func() time.Time { return c.clock })
	return c
}

// askedFor returns how often the verifier is asked for two checks of one key.
func askedFor(
	t *testing.T, cfg Cache, v latchkey.Verification, err error, derive func(*Guard) *Guard,
) int {
	t.Helper()
	c := newCounted(cfg, always(v, err))
	g := derive(c.Guard)
	first, errFirst := g.Check(t.Context(), "sk_1")
	second, errSecond := g.Check(t.Context(), "sk_1")
	same(t, second.KeyID, first.KeyID)
	same(t, fmt.Sprint(errSecond), fmt.Sprint(errFirst))
	return c.asked
}

func TestCacheAnswersOnlyWhatNothingIsCountedFor(t *testing.T) {
	minute := Cache{TTL: time.Minute}
	plain := func(g *Guard) *Guard { return g }
	with := func(change func(*latchkey.Verification)) latchkey.Verification {
		v := valid
		change(&v)
		return v
	}
	for _, c := range []struct {
		name   string
		cfg    Cache
		v      latchkey.Verification
		err    error
		derive func(*Guard) *Guard
		want   int
	}{
		{"plain", minute, valid, nil, plain, 1},
		{"permissions", minute, valid, nil, func(g *Guard) *Guard { return g.Require("read") }, 1},
		{"off by default", Cache{}, valid, nil, plain, 2},
		{"off without a time", Cache{Max: 10}, valid, nil, plain, 2},
		{"key with credits", minute,
			with(func(v *latchkey.Verification) { v.Credits = latchkey.Set(int64(5)) }), nil, plain, 2},
		{
			"key with limits", minute,
			with(func(v *latchkey.Verification) { v.Ratelimits = make([]latchkey.RatelimitState, 1) }), nil,
			plain, 2,
		},
		{"expired by now", minute,
			with(func(v *latchkey.Verification) { v.Expires = latchkey.AtMilli(1_000) }), nil, plain, 2},
		{"cost", minute, valid, nil, func(g *Guard) *Guard { return g.Cost(1) }, 2},
		{"no cost", minute, valid, nil, func(g *Guard) *Guard { return g.Cost(0) }, 2},
		{"limits", minute, valid, nil,
			func(g *Guard) *Guard { return g.Limits(latchkey.VerifyKeyRatelimit{Name: "calls"}) }, 2},
		{"tags", minute, valid, nil, func(g *Guard) *Guard { return g.Tags("a=b") }, 2},
		{"missing", minute, latchkey.Verification{Code: latchkey.NotFound}, nil, plain, 1},
		{"missing, with tags", minute, latchkey.Verification{Code: latchkey.NotFound}, nil,
			func(g *Guard) *Guard { return g.Tags("a=b") }, 2},
		{"disabled", minute, latchkey.Verification{Code: latchkey.Disabled}, nil, plain, 2},
		{"trouble", minute, valid, errors.New("down"), plain, 2},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, askedFor(t, c.cfg, c.v, c.err, c.derive), c.want) })
	}
}

func TestCacheTellsKeysAndRequirementsApart(t *testing.T) {
	c := newCounted(Cache{TTL: time.Minute}, scripted(func(
		_ context.Context, r latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		return latchkey.Verification{Valid: true, KeyID: r.Key + "/" + string(r.Permissions)}, nil
	}))
	for range 2 {
		for _, g := range []*Guard{c.Guard, c.Require("read"), c.Require("write")} {
			for _, key := range []string{"a", "b"} {
				v, err := g.Check(t.Context(), key)
				same(t, err, nil)
				same(t, v.KeyID, key+"/"+string(g.ask.Permissions))
			}
		}
	}
	same(t, c.asked, 6)
}

// TestImportedKeyIsRefusedForFiveSecondsAtMost: a key can be asked about before it exists.
func TestImportedKeyIsRefusedForFiveSecondsAtMost(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, time.Hour} {
		known := false
		c := newCounted(Cache{TTL: ttl}, scripted(func(
			context.Context, latchkey.VerifyKeyRequest,
		) (latchkey.Verification, error) {
			return latchkey.Verification{Valid: known, Code: latchkey.NotFound}, nil
		}))
		passes := func() bool {
			_, err := c.Check(t.Context(), "sk_1")
			return err == nil
		}
		same(t, passes(), false)
		known = true
		c.clock = c.clock.Add(min(ttl, 5*time.Second) - time.Nanosecond)
		same(t, passes(), false)
		same(t, c.asked, 1)
		c.clock = c.clock.Add(time.Nanosecond)
		same(t, passes(), true)
	}
}

func TestMadeUpKeysReplaceNoValidOne(t *testing.T) {
	c := newCounted(Cache{TTL: time.Hour, Max: 3}, scripted(func(
		_ context.Context, r latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		return latchkey.Verification{Valid: len(r.Key) == 1, Code: latchkey.NotFound}, nil
	}))
	check := func(key string) { _, _ = c.Check(t.Context(), key) }
	for _, key := range []string{"a", "b", "c"} {
		check(key)
	}
	for i := range 100 {
		check(fmt.Sprint("made up ", i))
	}
	same(t, len(c.cache.missing), 3)
	c.asked = 0
	for _, key := range []string{"a", "b", "c"} {
		check(key)
	}
	same(t, c.asked, 0)
}

// TestRevocationIsDelayedByTTLAtMost compares the guard with the history of a
// few keys: what passes now must have been valid some time in the last TTL, and
// not be expired.
func TestRevocationIsDelayedByTTLAtMost(t *testing.T) {
	const ttl = 10
	rapid.Check(t, func(t *rapid.T) {
		keys := []string{"a", "b", "c"}
		lastValid, state := map[string]int{}, map[string]latchkey.Verification{}
		now := 0
		var c *counted
		c = newCounted(Cache{TTL: ttl * time.Second, Max: 2}, scripted(func(
			_ context.Context, r latchkey.VerifyKeyRequest,
		) (latchkey.Verification, error) {
			v := state[r.Key]
			v.Valid = v.Valid && (v.Expires.IsZero() || c.clock.Before(v.Expires.Time))
			return v, nil
		}))
		start := c.clock
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				if state[key].Valid {
					lastValid[key] = now
				}
				v := latchkey.Verification{Valid: rapid.Bool().Draw(t, "valid"), Code: latchkey.Disabled}
				if life := rapid.IntRange(0, 15).Draw(t, "life"); life > 0 {
					v.Expires = latchkey.At(c.clock.Add(time.Duration(life) * time.Second))
				}
				state[key] = v
			case 1:
				now += rapid.IntRange(0, 12).Draw(t, "seconds")
				c.clock = start.Add(time.Duration(now) * time.Second)
			default:
				if state[key].Valid {
					lastValid[key] = now
				}
				v, err := c.Check(t.Context(), key)
				if err != nil {
					continue
				}
				if since, ever := lastValid[key]; !ever || now-since >= ttl {
					t.Fatalf("%s passes at %d; it was last valid at %d (ever: %v)", key, now, since, ever)
				}
				if !v.Expires.IsZero() && !c.clock.Before(v.Expires.Time) {
					t.Fatalf("%s passes at %v, after its end at %v", key, c.clock, v.Expires)
				}
			}
			if n := len(c.cache.answers); n > 2 {
				t.Fatalf("%d answers are kept, want at most 2", n)
			}
		}
	})
}

func TestTimeToLiveBeginsWithTheQuestion(t *testing.T) {
	var c *counted
	c = newCounted(Cache{TTL: 10 * time.Second}, scripted(func(
		context.Context, latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		c.clock = c.clock.Add(8 * time.Second) // a slow answer is as old as its question
		return valid, nil
	}))
	for range 2 {
		if _, err := c.Check(t.Context(), "sk_1"); err != nil {
			t.Fatal(err)
		}
		c.clock = c.clock.Add(2 * time.Second)
	}
	same(t, c.asked, 2)
}

func TestCacheIsBoundedByDefault(t *testing.T) {
	c := newCounted(Cache{TTL: time.Hour}, always(valid, nil))
	for i := range 10_050 {
		if _, err := c.Check(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	same(t, len(c.cache.answers), 10_000)
}

func TestRenewedAnswerTakesNobodysPlace(t *testing.T) {
	for range 20 { // which answer would go is left to chance
		c := newCounted(Cache{TTL: 10 * time.Second, Max: 2}, always(valid, nil))
		for _, key := range []string{"a", "b", "a", "b"} { // at 0, 6, 12 and 12 seconds
			if _, err := c.Check(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if c.asked < 3 {
				c.clock = c.clock.Add(6 * time.Second)
			}
		}
		same(t, c.asked, 3)
	}
}

func TestHandlersCannotChangeWhatOthersGet(t *testing.T) {
	original := func() latchkey.Verification {
		return latchkey.Verification{
			Valid: true, Permissions: []string{"read"}, Roles: []string{"reader"},
			Identity: &latchkey.Identity{
				ExternalID: "user_1", Ratelimits: []latchkey.Ratelimit{{Name: "calls"}},
			},
		}
	}
	c := newCounted(Cache{TTL: time.Minute}, scripted(func(
		context.Context, latchkey.VerifyKeyRequest,
	) (latchkey.Verification, error) {
		return original(), nil
	}))
	for range 3 { // the first answer is the verifier's, the others are kept ones
		v, err := c.Check(t.Context(), "sk_1")
		if err != nil {
			t.Fatal(err)
		}
		same(t, v.Permissions, original().Permissions)
		same(t, v.Roles, original().Roles)
		same(t, v.Identity, original().Identity)
		v.Permissions[0], v.Roles[0] = "x", "x"
		v.Identity.ExternalID, v.Identity.Ratelimits[0].Name = "x", "x"
	}
	same(t, c.asked, 1)
}

// TestGuardIsSafeForConcurrentUse is for the race detector.
func TestGuardIsSafeForConcurrentUse(t *testing.T) {
	fresh := scripted(func(context.Context, latchkey.VerifyKeyRequest) (latchkey.Verification, error) {
		return latchkey.Verification{Valid: true, Permissions: []string{"read", "write"}}, nil
	})
	g := New(Config{Verifier: fresh, Cache: Cache{TTL: time.Minute, Max: 3}})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 100 {
				v, err := g.Require("read").Check(t.Context(), fmt.Sprint((i+j)%5))
				if err != nil {
					t.Error(err)
					return
				}
				slices.Reverse(v.Permissions) // it is the handler's own
				if _, err := g.Tags("a").Check(t.Context(), "sk_1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(g.cache.answers); n > 3 {
		t.Errorf("%d answers are kept, want at most 3", n)
	}
}
