package engine

import (
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// TestRetryAfterIsTheFirstMomentAtWhichAVerificationFits: of windows, of buckets, of
// several limits and of refills; a millisecond before it doesn't.
func TestRetryAfterIsTheFirstMomentAtWhichAVerificationFits(t *testing.T) {
	limit := func(
		name string, n int64, per time.Duration, a latchkey.Algorithm,
	) latchkey.RatelimitRequest {
		return latchkey.RatelimitRequest{
			Name: name, Limit: n, Duration: latchkey.Per(per), AutoApply: latchkey.Set(true),
			Algorithm: a,
		}
	}
	refilled := func(r latchkey.Refill) *latchkey.Credits {
		return &latchkey.Credits{Remaining: latchkey.Set[int64](3), Refill: &r}
	}
	for name, key := range map[string]latchkey.CreateKeyRequest{
		"a window": {Ratelimits: []latchkey.RatelimitRequest{
			limit("requests", 3, time.Minute, latchkey.SlidingWindow),
		}},
		"a bucket": {Ratelimits: []latchkey.RatelimitRequest{
			limit("requests", 3, time.Minute, latchkey.TokenBucket),
		}},
		"the longest of several": {Ratelimits: []latchkey.RatelimitRequest{
			limit("soon", 3, time.Second, latchkey.TokenBucket),
			limit("late", 3, time.Hour, latchkey.SlidingWindow),
		}},
		"a daily refill": {Credits: refilled(latchkey.Refill{Interval: latchkey.Daily, Amount: 1})},
		"a monthly refill": {Credits: refilled(latchkey.Refill{
			Interval: latchkey.Monthly, Amount: 1, RefillDay: 31,
		})},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			text := w.newKey(key).Key
			for range 3 {
				if v := w.verify(text); !v.Valid || v.RetryAfter.Milliseconds() != 0 {
					t.Fatalf("%s, retry after %s", v.Code, v.RetryAfter)
				}
			}
			refused := w.verify(text)
			wait := refused.RetryAfter.Duration()
			if refused.Valid || wait <= 0 {
				t.Fatalf("%s, retry after %s", refused.Code, wait)
			}
			w.advance(wait - time.Millisecond)
			if v := w.verify(text); v.Code != refused.Code || v.RetryAfter.Milliseconds() != 1 {
				t.Errorf("a millisecond before: %s, retry after %s", v.Code, v.RetryAfter)
			}
			w.advance(time.Millisecond)
			if v := w.verify(text); !v.Valid {
				t.Errorf("after %s: %s", wait, v.Code)
			}
		})
	}
}

// TestWhatNeverFitsHasNoRetryAfter: a cost above the limit or the refill, and a balance
// without refill.
func TestWhatNeverFitsHasNoRetryAfter(t *testing.T) {
	for name, key := range map[string]latchkey.CreateKeyRequest{
		"no refill": {Credits: limitedTo(2)},
		"a refill below the cost": {Credits: &latchkey.Credits{
			Remaining: latchkey.Set[int64](2),
			Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 2},
		}},
		"one limit below the cost": {Ratelimits: []latchkey.RatelimitRequest{{
			Name: "requests", Limit: 2, Duration: latchkey.Per(time.Minute), AutoApply: latchkey.Set(false),
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ask := latchkey.VerifyKeyRequest{
				Key:     w.newKey(key).Key,
				Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(3)},
			}
			for _, l := range key.Ratelimits {
				ask.Ratelimits = append(ask.Ratelimits,
					latchkey.VerifyKeyRatelimit{Name: l.Name, Cost: latchkey.Int(3)})
			}
			v := must[latchkey.Verification](w, w.who, "keys.verifyKey", ask)
			if v.Valid || v.RetryAfter.Milliseconds() != 0 {
				t.Errorf("%s, retry after %s", v.Code, v.RetryAfter)
			}
		})
	}
}
