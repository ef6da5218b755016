package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

func (w *world) newBudget(r latchkey.CreateBudgetRequest) string {
	w.t.Helper()
	return must[latchkey.CreatedBudget](w, w.who, "budgets.createBudget", r).BudgetID
}

// prepaid makes a budget with a balance.
func (w *world) prepaid(name string, balance int64) string {
	w.t.Helper()
	id := w.newBudget(latchkey.CreateBudgetRequest{Name: name})
	if balance != 0 {
		must[latchkey.GrantedBudget](w, w.who, "budgets.grant",
			latchkey.GrantBudgetRequest{Budget: id, Amount: latchkey.Set(balance)})
	}
	return id
}

func (w *world) budget(name string) latchkey.Budget {
	w.t.Helper()
	return must[latchkey.Budget](w, w.who, "budgets.getBudget",
		latchkey.GetBudgetRequest{Budget: name})
}

func (w *world) attach(r latchkey.AttachBudgetRequest) {
	w.t.Helper()
	must[latchkey.Empty](w, w.who, "budgets.attach", r)
}

// costOf is a cost of one budget.
func costOf(budget string, cost int64) []latchkey.BudgetCost {
	return []latchkey.BudgetCost{{Budget: budget, Cost: latchkey.Set(cost)}}
}

func (w *world) reserve(ttl time.Duration, costs ...latchkey.BudgetCost) latchkey.ReservedBudgets {
	w.t.Helper()
	return must[latchkey.ReservedBudgets](w, w.who, "budgets.reserve",
		latchkey.ReserveBudgetsRequest{Budgets: costs, TTL: latchkey.Per(ttl)})
}

func (w *world) settle(id string, cost int64) latchkey.SettledReservation {
	w.t.Helper()
	return must[latchkey.SettledReservation](w, w.who, "budgets.settle",
		latchkey.SettleReservationRequest{ReservationID: id, Cost: latchkey.Set(cost)})
}

// atOnce calls from many goroutines and returns how many calls succeeded.
func atOnce(calls int, call func() bool) int64 {
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if call() {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	return passed.Load()
}

func TestFiftyConcurrentCallsOf100On1000PassTenTimes(t *testing.T) {
	for _, reserves := range []bool{false, true} {
		w := newWorld(t)
		id := w.prepaid("llm", 1000)
		key := w.newKey(latchkey.CreateKeyRequest{})
		w.attach(latchkey.AttachBudgetRequest{Budget: id, KeyID: key.KeyID})
		r := latchkey.VerifyKeyRequest{Key: key.Key, Budgets: costOf("llm", 100)}
		if reserves {
			r.Reserve = &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Minute)}
		}
		passed := atOnce(50, func() bool {
			return must[latchkey.Verification](w, w.who, "keys.verifyKey", r).Valid
		})
		if b := w.budget(id); passed != 10 || b.Remaining != 0 || b.Reserved+b.Spent != 1000 {
			t.Errorf("%d calls passed, %+v", passed, b)
		}
	}
}

func TestFiveAtOnceOnRoomForThreePassThreeTimes(t *testing.T) {
	w := newWorld(t)
	id := w.newBudget(latchkey.CreateBudgetRequest{
		Name: "jobs", Allowance: latchkey.Set[int64](1000), MaxOpen: latchkey.Set[int64](3),
	})
	if passed := atOnce(5, func() bool {
		return w.reserve(time.Minute, costOf(id, 1)...).Success
	}); passed != 3 {
		t.Errorf("%d passed", passed)
	}
}

func TestTheFirstRequestOfAnUnknownIdentityIsHeldToItsBudget(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("customer", 3)
	w.attach(latchkey.AttachBudgetRequest{Budget: id, ExternalID: "new"})
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), ExternalID: "new"})
	for i := range 5 {
		v := w.verify(key.Key)
		if want := i < 3; v.Valid != want || len(v.Budgets) != 1 || v.Budgets[0].Exceeded == want {
			t.Errorf("request %d: %s %+v", i, v.Code, v.Budgets)
		}
	}
}

func TestARotatedKeyStaysAsExhaustedAsItWas(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("customer", 3)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI()})
	w.attach(latchkey.AttachBudgetRequest{Budget: id, KeyID: key.KeyID})
	for range 2 {
		w.verify(key.Key)
	}
	w.advance(time.Second)
	next := w.reroll(key.KeyID, time.Hour)
	for i, k := range []string{next.Key, key.Key, next.Key} {
		if v := w.verify(k); v.Valid != (i == 0) {
			t.Errorf("verification %d: %s", i, v.Code)
		}
	}
	page, err := w.do(w.who, "budgets.listAttachments",
		latchkey.ListBudgetAttachmentsRequest{Budget: id})
	if got := page.Data.([]latchkey.BudgetAttachment); err != nil || len(got) != 1 ||
		got[0].KeyID != next.KeyID {
		t.Errorf("attachments %+v (%v)", got, err)
	}
}

func TestCallsThatHangBlockMaxOpenOnlyUntilTheirTTL(t *testing.T) {
	for _, sweeps := range []bool{false, true} {
		w := newWorld(t)
		id := w.newBudget(latchkey.CreateBudgetRequest{
			Name: "slow", Allowance: latchkey.Set[int64](1000), MaxOpen: latchkey.Set[int64](10),
		})
		for range 10 {
			if !w.reserve(time.Minute, costOf(id, 5)...).Success {
				t.Fatal("refused")
			}
		}
		if w.reserve(time.Minute, costOf(id, 5)...).Success {
			t.Error("an eleventh is open")
		}
		w.advance(time.Minute)
		if sweeps {
			w.mustRun(w.expireReservations)
			if b := w.budget(id); b.Open != 0 || b.Remaining != 1000 {
				t.Errorf("after the sweep: %+v", b)
			}
		}
		if !w.reserve(time.Minute, costOf(id, 5)...).Success {
			t.Error("still blocked")
		}
		if b := w.budget(id); b.Open != 1 || b.Remaining != 995 || b.Reserved != 5 {
			t.Errorf("%+v", b)
		}
	}
}

func TestACallAdmittedBeforeTheMonthsEndIsChargedToOnePeriod(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Date(2026, 3, 31, 23, 58, 30, 0, time.UTC).Sub(w.now()))
	id := w.newBudget(latchkey.CreateBudgetRequest{
		Name: "month", Allowance: latchkey.Set[int64](100),
		Period: latchkey.Set(latchkey.BudgetPeriod{Every: latchkey.EveryMonth}),
	})
	first := w.reserve(time.Hour, costOf(id, 60)...).Reservation
	w.advance(2 * time.Minute) // April
	if b := w.budget(id); b.Remaining != 100 || b.Reserved != 0 || b.Spent != 0 || b.Open != 1 {
		t.Errorf("in April: %+v", b)
	}
	if !must[latchkey.SpentBudgets](w, w.who, "budgets.spend",
		latchkey.SpendBudgetsRequest{Budgets: costOf(id, 30)}).Success {
		t.Error("April pays nothing")
	}
	w.advance(-3 * time.Minute) // a node whose clock is behind
	if done := w.settle(first.ID, 80); done.Charged[0].Cost.Or(0) != 80 {
		t.Errorf("charged %+v", done)
	}
	if b := w.budget(id); b.Remaining != 70 || b.Spent != 30 || b.Open != 0 || b.Balance != 0 {
		t.Errorf("after the settlement: %+v", b)
	}
	entries := must[[]latchkey.BudgetEntry](w, w.who, "budgets.listEntries",
		latchkey.ListBudgetEntriesRequest{Budget: id, Per: latchkey.PerMonth})
	march, april := latchkey.At(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)),
		latchkey.At(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
	want := []latchkey.BudgetEntry{
		{Time: march, Kind: latchkey.BudgetSettle, Count: 1, Amount: 80},
		{Time: april, Kind: latchkey.BudgetSpend, Count: 1, Amount: 30},
	}
	if !slices.EqualFunc(entries, want, func(a, b latchkey.BudgetEntry) bool {
		return a.Time.Equal(b.Time.Time) && a.Kind == b.Kind && a.Count == b.Count &&
			a.Amount == b.Amount
	}) {
		t.Errorf("statement %+v", entries)
	}
}

func TestARetriedSettlementChargesOnce(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("llm", 100)
	res := w.reserve(time.Minute, costOf(id, 50)...).Reservation.ID
	first := w.settle(res, 30)
	for range 3 {
		if again := w.settle(res, 30); again.Charged[0].Cost != first.Charged[0].Cost ||
			again.Budgets[0].Remaining != 70 || again.Late {
			t.Errorf("again: %+v", again)
		}
	}
	w.refused(w.who, "budgets.settle", latchkey.SettleReservationRequest{
		ReservationID: res, Cost: latchkey.Set[int64](31),
	}, 409, "reservation_settled")
	w.refused(w.who, "budgets.release",
		latchkey.ReleaseReservationRequest{ReservationID: res}, 409, "reservation_settled")
	w.refused(w.who, "budgets.extend", latchkey.ExtendReservationRequest{
		ReservationID: res, TTL: latchkey.Per(time.Minute),
	}, 409, "reservation_settled")
	if b := w.budget(id); b.Remaining != 70 || b.Spent != 30 || b.Balance != 70 {
		t.Errorf("%+v", b)
	}
}

func TestAReleasedCallConsumesNothing(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("llm", 100)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(5)})
	w.attach(latchkey.AttachBudgetRequest{Budget: id, KeyID: key.KeyID})
	v := must[latchkey.Verification](w, w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key.Key, Budgets: costOf(id, 100),
		Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(3)},
		Reserve: &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Minute)},
	})
	if !v.Valid || v.Credits.Or(-1) != 2 || v.Reservation == nil || v.Budgets[0].Remaining != 0 {
		t.Fatalf("%+v", v)
	}
	for range 2 {
		done := must[latchkey.SettledReservation](w, w.who, "budgets.release",
			latchkey.ReleaseReservationRequest{ReservationID: v.Reservation.ID})
		if done.Charged[0].Cost.Or(-1) != 0 || done.Credits.Or(-1) != 0 {
			t.Errorf("%+v", done)
		}
	}
	if b := w.budget(id); b.Remaining != 100 || w.remaining(key.KeyID) != 5 {
		t.Errorf("%+v and %d credits", b, w.remaining(key.KeyID))
	}
}

func TestARefusedVerificationReservesNothing(t *testing.T) {
	w := newWorld(t)
	rich, poor := w.prepaid("rich", 100), w.prepaid("poor", 1)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(1)})
	for _, id := range []string{rich, poor} {
		w.attach(latchkey.AttachBudgetRequest{Budget: id, KeyID: key.KeyID})
	}
	for _, cost := range []struct{ rich, poor, credits int64 }{{10, 2, 1}, {101, 1, 1}, {10, 1, 2}} {
		v := must[latchkey.Verification](w, w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key, Budgets: slices.Concat(costOf(rich, cost.rich), costOf(poor, cost.poor)),
			Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(cost.credits)},
			Reserve: &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Minute)},
		})
		if v.Valid || v.Code != latchkey.UsageExceeded || v.Reservation != nil ||
			v.Credits.Or(-1) != 1 || len(v.Budgets) != 2 {
			t.Errorf("%+v: %+v", cost, v)
		}
	}
	if r, p := w.budget(rich), w.budget(poor); r.Remaining != 100 || p.Remaining != 1 ||
		r.Open+p.Open != 0 || w.remaining(key.KeyID) != 1 {
		t.Errorf("%+v %+v", r, p)
	}
}

// What nobody settled in time is released or charged as the budget says, and what is settled
// late is charged once, whoever found the expiry.
func TestALateSettlementIsChargedOnce(t *testing.T) {
	for _, on := range []latchkey.BudgetExpiry{latchkey.ReleaseOnExpiry, latchkey.ChargeOnExpiry} {
		w := newWorld(t)
		id := w.newBudget(latchkey.CreateBudgetRequest{
			Name: "llm", Allowance: latchkey.Set[int64](100), OnExpiry: on,
		})
		res := w.reserve(time.Second, costOf(id, 40)...).Reservation.ID
		w.advance(time.Second)
		w.mustRun(w.expireReservations)
		want := int64(100)
		if on == latchkey.ChargeOnExpiry {
			want = 60
		}
		if b := w.budget(id); b.Remaining != want || b.Open != 0 {
			t.Errorf("%s: after the expiry %+v", on, b)
		}
		for range 2 {
			if done := w.settle(res, 25); !done.Late || done.Charged[0].Cost.Or(0) != 25 {
				t.Errorf("%s: %+v", on, done)
			}
		}
		if b := w.budget(id); b.Remaining != 75 || b.Spent != 25 || b.Reserved != 0 {
			t.Errorf("%s: after the settlement %+v", on, b)
		}
	}
}

// A settlement above what was reserved is charged whole, below zero if need be, or as far as the
// budget has it.
func TestOvershoot(t *testing.T) {
	for overshoot, want := range map[latchkey.BudgetOvershoot]struct{ charged, left int64 }{
		latchkey.ChargeOvershoot: {150, -50}, latchkey.ClampOvershoot: {100, 0},
	} {
		w := newWorld(t)
		id := w.newBudget(latchkey.CreateBudgetRequest{
			Name: "llm", Allowance: latchkey.Set[int64](100), Overshoot: overshoot,
		})
		res := w.reserve(time.Minute, costOf(id, 40)...).Reservation.ID
		if done := w.settle(res, 150); done.Charged[0].Cost.Or(0) != want.charged ||
			done.Budgets[0].Remaining != want.left {
			t.Errorf("%s: %+v", overshoot, done)
		}
		if w.reserve(time.Minute, costOf(id, 1)...).Success {
			t.Errorf("%s: a new reservation of what isn't there", overshoot)
		}
	}
}

// A prepaid balance owes what was used beyond it also if the settlement comes after the end of the
// period that it was admitted in.
func TestAPrepaidBalanceOwesAnOvershootAfterItsPeriod(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Date(2026, 3, 31, 23, 58, 30, 0, time.UTC).Sub(w.now()))
	id := w.newBudget(latchkey.CreateBudgetRequest{
		Name: "prepaid", Period: latchkey.Set(latchkey.BudgetPeriod{Every: latchkey.EveryMonth}),
	})
	must[latchkey.GrantedBudget](w, w.who, "budgets.grant", latchkey.GrantBudgetRequest{
		Budget: id, Amount: latchkey.Set[int64](100),
	})
	res := w.reserve(time.Hour, costOf(id, 100)...).Reservation
	w.advance(2 * time.Minute) // April
	done := w.settle(res.ID, 10_000)
	if done.Charged[0].Cost.Or(0) != 10_000 || done.Budgets[0].Remaining != -9_900 {
		t.Errorf("%+v", done)
	}
}

func TestAThresholdIsRecordedOncePerPeriod(t *testing.T) {
	w := newWorld(t)
	id := w.newBudget(latchkey.CreateBudgetRequest{
		Name: "llm", Allowance: latchkey.Set[int64](10), Thresholds: []int64{80, 50, 100},
		Period: latchkey.Set(latchkey.BudgetPeriod{Every: latchkey.EveryDay}),
	})
	spend := func(n int64) {
		t.Helper()
		must[latchkey.SpentBudgets](w, w.who, "budgets.spend",
			latchkey.SpendBudgetsRequest{Budgets: costOf(id, n)})
	}
	crossed := func(want ...int64) {
		t.Helper()
		today := w.now().Truncate(24 * time.Hour).UnixMilli()
		rows, err := w.db.BudgetCrossings(context.Background(), id, today)
		var got []int64
		for _, row := range rows {
			got = append(got, row.Percent)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("crossed %v, want %v (%v)", got, want, err)
		}
	}
	spend(4)
	crossed()
	spend(1)
	crossed(50)
	spend(5)
	crossed(50, 80, 100)
	spend(1) // refused
	crossed(50, 80, 100)
	w.advance(24 * time.Hour)
	spend(9)
	crossed(50, 80)
}

// Deleting a budget releases what is open, in other budgets too, and frees its name.
func TestADeletedBudgetReleasesItsReservations(t *testing.T) {
	w := newWorld(t)
	one, two := w.prepaid("one", 1000), w.prepaid("two", 1000)
	key := w.newKey(latchkey.CreateKeyRequest{})
	w.attach(latchkey.AttachBudgetRequest{Budget: one, KeyID: key.KeyID})
	const reservations = 40
	for range reservations {
		w.reserve(time.Minute, slices.Concat(costOf(one, 1), costOf(two, 2))...)
	}
	if n := w.amount(w.who, quotaReservations); n != reservations {
		t.Errorf("%d open reservations are counted", n)
	}
	must[latchkey.Empty](w, w.who, "budgets.deleteBudget", latchkey.DeleteBudgetRequest{Budget: "one"})
	if b := w.budget("two"); b.Remaining != 1000 || b.Open != 0 {
		t.Errorf("%+v", b)
	}
	if v := w.verify(key.Key); !v.Valid || len(v.Budgets) != 0 {
		t.Errorf("%+v", v)
	}
	if n := w.amount(w.who, quotaReservations); n != 0 {
		t.Errorf("%d open reservations are counted", n)
	}
	w.refused(w.who, "budgets.getBudget", latchkey.GetBudgetRequest{Budget: one}, 404,
		"budget_not_found")
	w.prepaid("one", 1)
}

// A verification needs no permission for budgets; settling what it reserved needs no more than
// it; settling what budgets.reserve reserved needs spend_budget.
func TestWhoCanSettle(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("llm", 100)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	w.attach(latchkey.AttachBudgetRequest{Budget: id, KeyID: key.KeyID})
	verifier := w.grant("api." + api + ".verify_key")
	spender := w.grant("budget." + id + ".spend_budget")
	nobody := w.grant("api.*.read_key", "budget.*.update_budget", "budget.bud_1.spend_budget")
	reserved := func() string {
		return must[latchkey.Verification](w, verifier, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key, Reserve: &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Minute)},
		}).Reservation.ID
	}
	release := func(id string) latchkey.ReleaseReservationRequest {
		return latchkey.ReleaseReservationRequest{ReservationID: id}
	}
	one, two := reserved(), reserved()
	direct := w.reserve(time.Minute, costOf(id, 1)...).Reservation.ID
	w.refused(nobody, "budgets.release", release(one), 403, "insufficient_permissions")
	must[latchkey.SettledReservation](w, verifier, "budgets.release", release(one))
	must[latchkey.SettledReservation](w, spender, "budgets.release", release(two))
	everyAPI := w.grant("api.*.verify_key")
	w.refused(everyAPI, "budgets.release", release(direct), 403, "insufficient_permissions")
	w.refused(w.otherWorkspace(), "budgets.release", release(direct), 404, "reservation_not_found")
	must[latchkey.SettledReservation](w, spender, "budgets.release", release(direct))
	if b := w.budget(id); b.Remaining != 100 {
		t.Errorf("%+v", b)
	}
}

// Credits that a reservation took belong to the balance of their time. One that was refilled, set
// or removed meanwhile gets nothing of them back, and pays nothing of them.
func TestReservedCreditsBelongToTheBalanceOfTheirTime(t *testing.T) {
	set := func(w *world, key string, value latchkey.Opt[int64]) {
		must[latchkey.Credits](w, w.who, "keys.updateCredits", latchkey.UpdateCreditsRequest{
			KeyID: key, Operation: latchkey.SetCredits, Value: value,
		})
	}
	changes := map[string]struct {
		change func(w *world, key string)
		want   int64
	}{
		"refilled": {func(w *world, _ string) {
			w.advance(23 * time.Hour)
			w.mustRun(w.refillDue)
		}, 100},
		"set to 0": {func(w *world, key string) { set(w, key, latchkey.Set[int64](0)) }, 0},
		"removed and set": {func(w *world, key string) {
			set(w, key, latchkey.Null[int64]())
			set(w, key, latchkey.Set[int64](20))
		}, 20},
	}
	for name, c := range changes {
		for _, end := range []string{"release", "expire", "late"} {
			w := newWorld(t)
			w.advance(time.Hour) // the next refill is before the end of a reservation
			key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
				Remaining: latchkey.Set[int64](100),
				Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 100},
			}})
			res := w.reserveCredits(key.Key, 90).Reservation.ID
			c.change(w, key.KeyID)
			switch end {
			case "release":
				must[latchkey.SettledReservation](w, w.who, "budgets.release",
					latchkey.ReleaseReservationRequest{ReservationID: res})
			default:
				w.advance(24 * time.Hour)
				w.mustRun(w.expireReservations)
			}
			if end == "late" {
				must[latchkey.SettledReservation](w, w.who, "budgets.settle",
					latchkey.SettleReservationRequest{ReservationID: res})
			}
			if got := w.remaining(key.KeyID); got != c.want {
				t.Errorf("%s, then %s: %d credits, want %d", name, end, got, c.want)
			}
		}
	}
}

// A refill that doesn't raise the balance takes nothing from the reservations of before.
func TestARefillOfAFullBalanceLeavesReservedCredits(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Hour)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](1000),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 100},
	}})
	res := w.reserveCredits(key.Key, 900).Reservation.ID
	w.advance(23 * time.Hour)
	w.mustRun(w.refillDue)
	must[latchkey.SettledReservation](w, w.who, "budgets.release",
		latchkey.ReleaseReservationRequest{ReservationID: res})
	if got := w.remaining(key.KeyID); got != 1000 {
		t.Errorf("%d credits, want 1000", got)
	}
}

// A key that becomes unlimited while a node still has it as limited reserves no credits, so that
// nothing is given back later.
func TestAnUnlimitedKeyReservesNoCredits(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(100)})
	must[latchkey.Verification](w, w.who, "keys.verifyKey",
		latchkey.VerifyKeyRequest{Key: key.Key})
	if err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteBalance(ctx, key.KeyID)
	}); err != nil {
		t.Fatal(err)
	}
	if v := w.reserveCredits(key.Key, 50); !v.Valid || v.Reservation != nil {
		t.Errorf("%+v", v)
	}
}

// reserveCredits verifies a key and reserves credits for the longest time.
func (w *world) reserveCredits(key string, cost int64) latchkey.Verification {
	w.t.Helper()
	return must[latchkey.Verification](w, w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(cost)},
		Reserve: &latchkey.VerifyKeyReserve{TTL: latchkey.Per(24 * time.Hour)},
	})
}

// A call isn't refused for reservations that have expired, if more have than one read ends.
func TestManyExpiredReservationsRefuseNothing(t *testing.T) {
	w := newWorld(t)
	id := w.prepaid("llm", 1000)
	for range 40 {
		w.reserve(time.Second, costOf(id, 25)...)
	}
	w.advance(time.Second)
	if got := must[latchkey.SpentBudgets](w, w.who, "budgets.spend",
		latchkey.SpendBudgetsRequest{Budgets: costOf(id, 1000)}); !got.Success {
		t.Errorf("%+v", got)
	}
}
