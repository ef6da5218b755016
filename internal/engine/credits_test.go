package engine

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"pgregory.net/rapid"
)

func limitedTo(n int64) *latchkey.Credits { return &latchkey.Credits{Remaining: latchkey.Set(n)} }

// TestSpendIsExact holds the promise that money-like numbers are exact: of many
// verifications at once, as many are valid as there are credits.
func TestSpendIsExact(t *testing.T) {
	w := newWorld(t)
	const credits, calls = 10, 50
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(credits)})
	var valid atomic.Int64
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if v := w.verify(key.Key); v.Valid {
				valid.Add(1)
			} else if v.Code != latchkey.UsageExceeded {
				t.Errorf("code %s, want %s", v.Code, latchkey.UsageExceeded)
			}
		})
	}
	wg.Wait()
	if valid.Load() != credits {
		t.Errorf("%d of %d calls were valid on %d credits", valid.Load(), calls, credits)
	}
	got := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: key.KeyID})
	if left := got.Credits.Remaining.Or(-1); left != 0 {
		t.Errorf("%d credits left, want 0", left)
	}
}

// TestCreditsFollowTheModel runs random histories of verifications, changes and
// time against the simplest account of what credits are.
func TestCreditsFollowTheModel(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	rapid.Check(t, func(rt *rapid.T) {
		m := &creditModel{balance: rapid.Int64Range(0, 20).Draw(rt, "balance"), limited: true}
		request := latchkey.CreateKeyRequest{APIID: api, Credits: limitedTo(m.balance)}
		if rapid.Bool().Draw(rt, "refilled") {
			m.schedule(w.now(), drawRefill(rt))
			request.Credits.Refill = m.refill
		}
		key := w.newKey(request)
		rt.Repeat(map[string]func(*rapid.T){
			"verify": func(rt *rapid.T) {
				cost := rapid.Int64Range(0, 8).Draw(rt, "cost")
				v := must[latchkey.Verification](w, w.who, "keys.verifyKey",
					latchkey.VerifyKeyRequest{
						Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(cost)},
					})
				if want := m.spend(w.now(), cost); v.Valid != want {
					rt.Fatalf("cost %d: valid %v, want %v", cost, v.Valid, want)
				}
				if got, limited := v.Credits.Get(); limited != m.limited ||
					limited && got != m.balance {
					rt.Fatalf("credits %v %v, want %v %v", got, limited, m.balance, m.limited)
				}
			},
			"set": func(rt *rapid.T) {
				r := latchkey.UpdateCreditsRequest{KeyID: key.KeyID, Operation: latchkey.SetCredits}
				if rapid.Bool().Draw(rt, "limited") {
					r.Value = latchkey.Set(rapid.Int64Range(0, 20).Draw(rt, "value"))
				}
				must[latchkey.Credits](w, w.who, "keys.updateCredits", r)
				m.set(r.Value.Get())
			},
			"difference": func(rt *rapid.T) {
				value, up := rapid.Int64Range(0, 30).Draw(rt, "value"), rapid.Bool().Draw(rt, "up")
				r := latchkey.UpdateCreditsRequest{
					KeyID: key.KeyID, Operation: latchkey.DecrementCredits,
					Value: latchkey.Set(value),
				}
				if up {
					r.Operation = latchkey.IncrementCredits
				}
				if !m.limited {
					w.refused(w.who, "keys.updateCredits", r, 400, "invalid_input")
					return
				}
				// A refill that is due counts when the key is used, not when it is changed.
				must[latchkey.Credits](w, w.who, "keys.updateCredits", r)
				m.add(value, up)
			},
			"time": func(rt *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(0, 40*24).Draw(rt, "hours")) * time.Hour)
			},
			"sweep": func(rt *rapid.T) {
				if err := w.refillDue(t.Context()); err != nil {
					rt.Fatal(err)
				}
				m.refillBefore(w.now())
			},
			"": func(*rapid.T) {},
		})
	})
}

func drawRefill(rt *rapid.T) *latchkey.Refill {
	r := &latchkey.Refill{
		Interval: latchkey.Daily, Amount: rapid.Int64Range(1, 15).Draw(rt, "amount"),
	}
	if rapid.Bool().Draw(rt, "monthly") {
		r.Interval, r.RefillDay = latchkey.Monthly, rapid.IntRange(1, 31).Draw(rt, "day")
	}
	return r
}

// creditModel is the naive account: it walks from midnight to midnight.
type creditModel struct {
	balance int64
	limited bool
	refill  *latchkey.Refill
	seen    time.Time // refills up to here are done
}

func (m *creditModel) schedule(now time.Time, r *latchkey.Refill) { m.refill, m.seen = r, now }

func (m *creditModel) refillBefore(now time.Time) {
	if m.refill == nil {
		return
	}
	for at := m.seen.Truncate(
		24 * time.Hour,
	).Add(24 * time.Hour); !at.After(now); at = at.Add(24 * time.Hour) {
		last := at.AddDate(0, 1, -at.Day()).Day()
		if m.refill.Interval == latchkey.Daily || at.Day() == min(m.refill.RefillDay, last) {
			m.balance = max(m.balance, m.refill.Amount)
		}
	}
	m.seen = now
}

func (m *creditModel) spend(now time.Time, cost int64) bool {
	if !m.limited {
		return true
	}
	m.refillBefore(now)
	if m.balance < cost {
		return false
	}
	m.balance -= cost
	return true
}

func (m *creditModel) set(value int64, limited bool) {
	if m.balance, m.limited = value, limited; !limited {
		m.refill = nil
	}
}

func (m *creditModel) add(value int64, up bool) {
	if up {
		m.balance += value
	} else {
		m.balance = max(0, m.balance-value)
	}
}

func TestRefillFallsOnTheLastDayOfShortMonths(t *testing.T) {
	day := func(text string) int64 {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMilli()
	}
	for _, c := range []struct {
		day       int
		now, want string
	}{
		{31, "2026-01-15", "2026-01-31"},
		{31, "2026-01-31", "2026-02-28"},
		{31, "2028-02-01", "2028-02-29"},
		{30, "2026-02-28", "2026-03-30"},
		{1, "2026-12-31", "2027-01-01"},
		{15, "2026-12-15", "2027-01-15"},
	} {
		s := schedule{latchkey.Monthly, 1, c.day}
		if got := s.next(day(c.now)); got != day(c.want) {
			t.Errorf("day %d after %s: %s, want %s", c.day, c.now,
				time.UnixMilli(got).UTC().Format(time.DateOnly), c.want)
		}
	}
	if got := (schedule{interval: latchkey.Daily}).next(day("2026-02-28") + 1); got != day(
		"2026-03-01",
	) {
		t.Errorf("daily: %s", time.UnixMilli(got).UTC())
	}
}

func TestConcurrentRefillsApplyOnce(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](0),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 5},
	}})
	if v := w.verify(key.Key); v.Code != latchkey.UsageExceeded {
		t.Fatalf("before the refill: %s", v.Code)
	}
	w.advance(25 * time.Hour)
	var valid atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := w.refillDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if w.verify(key.Key).Valid {
				valid.Add(1)
			}
		})
	}
	wg.Wait()
	if valid.Load() != 5 {
		t.Errorf("%d valid verifications after one refill of 5", valid.Load())
	}
}

// TestRefillAppliesInTheMillisecondItIsDue: a verification in that very
// millisecond already has the new balance.
func TestRefillAppliesInTheMillisecondItIsDue(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](0),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 5},
	}})
	w.advance(24*time.Hour - time.Millisecond)
	if v := w.verify(key.Key); v.Code != latchkey.UsageExceeded {
		t.Errorf("a millisecond before: %s, want %s", v.Code, latchkey.UsageExceeded)
	}
	w.advance(time.Millisecond)
	if v := w.verify(key.Key); !v.Valid || v.Credits.Or(-1) != 4 {
		t.Errorf("at the moment: %s with %d left, want 4", v.Code, v.Credits.Or(-1))
	}
}

// TestDeletedKeysAreNotRefilled: a deleted key is never refilled, so it must not
// be due either, or the sweep would not come to an end.
func TestDeletedKeysAreNotRefilled(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](0),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 5},
	}})
	must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key.KeyID})
	w.advance(31 * 24 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := w.refillDue(ctx); err != nil {
		t.Error(err)
	}
}

// toppedUp is a balance that is too small at first and then grows to exactly
// what is asked for.
type toppedUp struct{ spends int }

func (b *toppedUp) Spend(context.Context, string, string, int64) (int64, error) {
	if b.spends++; b.spends == 1 {
		return 0, store.ErrNotFound
	}
	return 0, nil
}

func (b *toppedUp) KeyBalance(context.Context, string) (sql.NullInt64, error) {
	return sql.NullInt64{Int64: 3, Valid: true}, nil
}

// TestCreditsAddedDuringASpendAreSpent: USAGE_EXCEEDED never comes with a
// balance that covers the cost.
func TestCreditsAddedDuringASpendAreSpent(t *testing.T) {
	v := latchkey.Verification{Code: latchkey.Valid}
	var from toppedUp
	key := &keySnapshot{keyLocation: new(keyLocation), id: "key"}
	if err := new(Engine).spend(t.Context(), &from, key, 3, &v); err != nil {
		t.Fatal(err)
	}
	if v.Code != latchkey.Valid || v.Credits.Or(-1) != 0 || from.spends != 2 {
		t.Errorf("%s with %d left after %d tries, want VALID with 0 after 2", v.Code,
			v.Credits.Or(-1), from.spends)
	}
}

func TestBalancesNeverOverflow(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(math.MaxInt64 - 1)})
	add := latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.IncrementCredits, Value: latchkey.Set[int64](2),
	}
	w.refused(w.who, "keys.updateCredits", add, 400, "invalid_input")
	add.Value = latchkey.Set[int64](1)
	if got := must[latchkey.Credits](
		w, w.who, "keys.updateCredits", add,
	); got.Remaining.Or(0) != math.MaxInt64 {
		t.Errorf("remaining %d", got.Remaining.Or(0))
	}
}

// TestARepeatedVerificationChargesOnce: with an Idempotency-Key, the first
// answer stands, however often and however concurrently the request is sent.
func TestARepeatedVerificationChargesOnce(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(10)})
	who := w.who
	who.IdempotencyKey = "attempt-1"
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			v := must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
				Key: key.Key,
			})
			if !v.Valid || v.Credits.Or(-1) != 9 {
				t.Errorf("valid %v with %d left, want the first answer: 9 left", v.Valid,
					v.Credits.Or(-1))
			}
		})
	}
	wg.Wait()
	w.refused(who, "keys.verifyKey",
		latchkey.VerifyKeyRequest{Key: key.Key, Tags: []string{"other"}}, 409,
		"idempotency_key_reused")
	if v := w.verify(key.Key); v.Credits.Or(-1) != 8 {
		t.Errorf("%d left, want 8", v.Credits.Or(-1))
	}
}

// TestARepeatedCreateKeyCreatesOneKey: the second request gets the very secret of
// the first, and the store does not hold it in clear.
func TestARepeatedCreateKeyCreatesOneKey(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "attempt-1"
	request := latchkey.CreateKeyRequest{APIID: w.newAPI()}
	first := must[latchkey.CreatedKey](w, who, "keys.createKey", request)
	if again := must[latchkey.CreatedKey](w, who, "keys.createKey", request); again != first {
		t.Errorf("second answer %v, first %v", again.KeyID, first.KeyID)
	}
	page, err := w.do(w.who, "apis.listKeys", latchkey.ListKeysRequest{APIID: request.APIID})
	if err != nil || len(page.Data.([]latchkey.Key)) != 1 {
		t.Errorf("%d keys, %v; want 1", len(page.Data.([]latchkey.Key)), err)
	}
	other := w.grant(latchkey.AllPermissions()...)
	other.IdempotencyKey = "attempt-1"
	if mine := must[latchkey.CreatedKey](
		w, other, "keys.createKey", request,
	); mine.KeyID == first.KeyID {
		t.Error("another root key got the answer")
	}
}
