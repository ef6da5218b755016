package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// wantVerified checks what latchkey_verifications_total counts, by outcome.
func (w *world) wantVerified(want map[latchkey.Code]int) {
	w.t.Helper()
	got := map[latchkey.Code]int{}
	for i, code := range codes {
		if n := int(w.verifications[i].Total()); n > 0 {
			got[code] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("verifications by outcome (-want +got):\n%s", diff)
	}
}

// TestVerificationsAreObservedOnce verifies keys with every code, each once
// without an Idempotency-Key and three times with one. Replayed responses count
// nothing.
func TestVerificationsAreObservedOnce(t *testing.T) {
	for code, c := range map[latchkey.Code]struct {
		key      latchkey.CreateKeyRequest
		request  latchkey.VerifyKeyRequest
		observed int
	}{
		latchkey.Valid: {observed: 2},
		latchkey.NotFound: {
			request: latchkey.VerifyKeyRequest{Key: "unknown"}, observed: 4,
		},
		latchkey.Disabled: {
			key: latchkey.CreateKeyRequest{Enabled: latchkey.Set(false)}, observed: 4,
		},
		latchkey.InsufficientPermissions: {
			request: latchkey.VerifyKeyRequest{Permissions: "a"}, observed: 4,
		},
		latchkey.UsageExceeded: {
			key: latchkey.CreateKeyRequest{Credits: limitedTo(0)}, observed: 2,
		},
		latchkey.RateLimited: {request: latchkey.VerifyKeyRequest{
			Ratelimits: []latchkey.VerifyKeyRatelimit{
				{
					Name: "none", Limit: latchkey.Set[int64](0),
					Duration: latchkey.Set(latchkey.Per(time.Minute)),
				},
			},
		}, observed: 2},
	} {
		t.Run(string(code), func(t *testing.T) {
			w := newWorld(t)
			if c.request.Key == "" {
				c.request.Key = w.newKey(c.key).Key
			}
			who := w.who
			for _, idempotencyKey := range []string{"", "once", "once", "once"} {
				who.IdempotencyKey = idempotencyKey
				v := must[latchkey.Verification](w, who, "keys.verifyKey", c.request)
				if v.Code != code || v.Valid != (code == latchkey.Valid) {
					t.Errorf("%q: %s, valid %v", idempotencyKey, v.Code, v.Valid)
				}
			}
			w.wantVerified(map[latchkey.Code]int{code: c.observed})
			if used := w.keysUsed(); (used == 1) != (code == latchkey.Valid) {
				t.Errorf("%d keys used", used)
			}
		})
	}
}

// keysUsed returns how many keys were used since it was last called.
func (w *world) keysUsed() (n int) {
	uses, _ := w.used.take(0)
	for _, use := range uses {
		if !use.root {
			n++
		}
	}
	return n
}

// Each call counts once, whatever it is retried with.
func TestLimitsAreObservedOnce(t *testing.T) {
	w := newWorld(t)
	limit := latchkey.LimitRequest{
		Namespace: "n", Identifier: "i", Limit: 1, Duration: latchkey.Per(time.Hour),
	}
	who := w.who
	for _, idempotencyKey := range []string{"", "", "once", "once", "once"} {
		who.IdempotencyKey = idempotencyKey
		must[latchkey.LimitResult](w, who, "ratelimit.limit", limit)
	}
	both := latchkey.MultiLimitRequest{limit, limit}
	both[0].Identifier = "other"
	for _, idempotencyKey := range []string{"", "both", "both"} {
		who.IdempotencyKey = idempotencyKey
		must[latchkey.MultiLimitResult](w, who, "ratelimit.multiLimit", both)
	}
	w.refused(who, "ratelimit.limit", latchkey.LimitRequest{}, 400, "invalid_input")
	passed, denied := w.limitsPassed.Total(), w.limitsDenied.Total()
	if passed != 1 || denied != 4 {
		t.Errorf("%d passed and %d denied, want 1 and 4", passed, denied)
	}
}

// TestReplayedVerificationDoesNotUpdateLastUsed: a replayed response is not a
// use of the key.
func TestReplayedVerificationDoesNotUpdateLastUsed(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	who := w.who
	who.IdempotencyKey = "once"
	for i, used := range []int{1, 0} {
		must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key,
		})
		if got := w.keysUsed(); got != used {
			t.Errorf("verification %d: %d keys used, want %d", i, got, used)
		}
		w.advance(time.Hour)
	}
}

// TestFailedVerificationIsNotObserved: an error is not a verification.
func TestFailedVerificationIsNotObserved(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	w.refused(w.who, "keys.verifyKey",
		latchkey.VerifyKeyRequest{Key: key.Key, Permissions: "a AND"}, 400,
		"permissions_query_syntax_error")
	w.refused(w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: key.Key,
		Ratelimits: []latchkey.VerifyKeyRatelimit{{Name: "unknown"}}}, 412, "precondition_failed")
	w.wantVerified(map[latchkey.Code]int{})
}

// TestVerificationInARetriedGroupIsObservedOnce puts verifications into groups with a
// change that fails, so that the store runs the whole group again.
func TestVerificationInARetriedGroupIsObservedOnce(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{
		Credits: limitedTo(1000),
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 1000, Duration: latchkey.Per(time.Hour),
				AutoApply: latchkey.Set(true),
			},
		},
	})
	// makes the namespace
	must[latchkey.LimitResult](w, w.who, "ratelimit.limit", ask("api", "u", 1000))
	undone := errors.New("to be undone")
	const rounds, each = 20, 5
	verified, failed := 0, 0
	var runs atomic.Int64 // of the changes that fail
	for round := range rounds {
		var group sync.WaitGroup
		held := make(chan struct{})
		group.Go(func() { // the changes below wait for this one, and become one group
			_ = w.db.Update(t.Context(), func(context.Context, *store.Tx) error {
				<-held
				return nil
			})
		})
		for i := range each {
			verified++
			group.Go(func() {
				who := w.who
				who.IdempotencyKey = fmt.Sprintf("%d-%d", round, i)
				must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
					Key: key.Key,
				})
			})
			group.Go(func() {
				who := w.who
				who.IdempotencyKey = fmt.Sprintf("limit-%d-%d", round, i)
				must[latchkey.LimitResult](w, who, "ratelimit.limit", ask("api", "u", 1000))
			})
			failed++
			group.Go(func() {
				err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					runs.Add(1)
					if err := tx.InsertDataKey(
						ctx, fmt.Sprintf("%d-%d", round, i), []byte("key"), "",
					); err != nil {
						return err
					}
					return undone
				})
				if !errors.Is(err, undone) {
					t.Errorf("the change that fails: %v", err)
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		close(held)
		group.Wait()
	}
	if n := int(runs.Load()); n <= failed {
		t.Fatalf("%d changes failed and ran %d times: no group was run again", failed, n)
	}
	w.wantVerified(map[latchkey.Code]int{latchkey.Valid: verified})
	if limit := must[latchkey.LimitResult](
		w, w.who, "ratelimit.limit", ask("api", "u", 1000),
	); limit.Remaining != int64(1000-verified-2) {
		t.Errorf("%d are left of the limit, want %d", limit.Remaining, 1000-verified-2)
	}
	v := w.verify(key.Key)
	if left := int64(1000 - verified - 1); v.Credits.Or(-1) != left ||
		v.Ratelimits[0].Remaining != left {
		t.Errorf("%d credits, %d requests are left, want %d", v.Credits.Or(-1),
			v.Ratelimits[0].Remaining, left)
	}
}
