package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// budgetModel is a budget as a list of all that was ever charged or reserved: what is left is
// what was granted without the sum of that. The engine has sums alone, and moves them.
type budgetModel struct {
	allowance int64 // of each day
	granted   int64
	clamps    bool
	charges   map[string]*modelCharge // by reservation, or by a number of their own
	day       int64                   // the period that is under way
}

// modelCharge is what one call has of the allowance of its day and of the prepaid part.
type modelCharge struct {
	day, allowance, prepaid int64
	amount                  int64 // charged in its day's statement
	open                    bool
	asked                   int64
	expires                 time.Time
	late, expired           bool
}

func (m *budgetModel) allowanceLeft() int64 {
	left := m.allowance
	for _, c := range m.charges {
		if c.day == m.day {
			left -= c.allowance
		}
	}
	return max(0, left)
}

func (m *budgetModel) prepaidLeft() int64 {
	left := m.granted
	for _, c := range m.charges {
		left -= c.prepaid
	}
	return left
}

func (m *budgetModel) remaining() int64 { return m.allowanceLeft() + m.prepaidLeft() }

// at moves the model to a moment: a new day, and what expires.
func (m *budgetModel) at(now time.Time) {
	m.day = max(m.day, now.UnixMilli()/86_400_000)
	for _, c := range m.charges {
		if c.open && !c.expires.After(now) {
			c.open, c.expired = false, true
			c.allowance, c.prepaid, c.amount = 0, 0, 0
		}
	}
}

// take adds a charge if there is enough.
func (m *budgetModel) take(id string, cost int64) bool {
	if cost > m.remaining() {
		return false
	}
	allowance := min(cost, m.allowanceLeft())
	m.charges[id] = &modelCharge{
		day: m.day, allowance: allowance, prepaid: cost - allowance, amount: cost,
	}
	return true
}

// settle ends a charge with what was used, and reports whether that is allowed.
func (m *budgetModel) settle(id string, used int64) bool {
	c := m.charges[id]
	if !c.open && !c.expired {
		return c.asked == used
	}
	c.late, c.open, c.expired, c.asked = c.expired, false, false, used
	taken := c.allowance + c.prepaid
	c.amount = used
	if less := taken - used; less >= 0 {
		prepaid := min(less, c.prepaid)
		c.prepaid -= prepaid
		if c.day == m.day {
			c.allowance -= less - prepaid
		}
		return true
	}
	more := used - taken
	if c.day != m.day {
		left := min(more, max(0, m.prepaidLeft()))
		c.prepaid += left
		if m.clamps {
			c.amount = taken + left
		}
		return true
	}
	if m.clamps {
		more = min(more, max(0, m.remaining()))
		c.amount = taken + more
	}
	allowance := min(more, m.allowanceLeft())
	c.allowance += allowance
	c.prepaid += more - allowance
	return true
}

// open returns the number of open reservations and the sum of what is settled today.
func (m *budgetModel) sums() (open, spent int64) {
	for _, c := range m.charges {
		if c.open {
			open++
		} else if c.day == m.day {
			spent += c.amount
		}
	}
	return open, spent
}

// Random histories of spends, reservations, settlements early, late and repeated, extensions,
// grants, expiry and days agree with the list of all that was charged. At every step what is
// spent and reserved of the allowance is between nothing and all of it.
func TestBudgetsFollowTheModel(t *testing.T) {
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &budgetModel{
			allowance: rapid.Int64Range(0, 20).Draw(rt, "allowance"),
			clamps:    rapid.Bool().Draw(rt, "clamps"), charges: map[string]*modelCharge{},
		}
		overshoot := latchkey.ChargeOvershoot
		if m.clamps {
			overshoot = latchkey.ClampOvershoot
		}
		m.at(w.now())
		id := w.newBudget(latchkey.CreateBudgetRequest{
			Name: fmt.Sprint("budget ", n), Allowance: latchkey.Set(m.allowance), Overshoot: overshoot,
			Period: latchkey.Set(latchkey.BudgetPeriod{Every: latchkey.EveryDay}),
		})
		exceeds := rapid.Bool().Draw(rt, "exceeds") // whether more is used than reserved
		var all []string
		pick := func(rt *rapid.T) string {
			if len(all) == 0 {
				rt.Skip()
			}
			return rapid.SampledFrom(all).Draw(rt, "reservation")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"spend": func(rt *rapid.T) {
				cost := rapid.Int64Range(0, 9).Draw(rt, "cost")
				m.at(w.now())
				got := must[latchkey.SpentBudgets](w, w.who, "budgets.spend",
					latchkey.SpendBudgetsRequest{Budgets: costOf(id, cost)})
				if want := m.take(fmt.Sprint("spend ", len(m.charges)), cost); got.Success != want {
					rt.Fatalf("a spend of %d: %v, want %v", cost, got.Success, want)
				}
			},
			"reserve": func(rt *rapid.T) {
				cost := rapid.Int64Range(0, 9).Draw(rt, "cost")
				ttl := time.Duration(rapid.IntRange(1, 24).Draw(rt, "hours")) * time.Hour
				m.at(w.now())
				got := w.reserve(ttl, costOf(id, cost)...)
				if got.Success != (cost <= m.remaining()) {
					rt.Fatalf("a reservation of %d with %d left: %+v", cost, m.remaining(), got)
				}
				if got.Success {
					m.take(got.Reservation.ID, cost)
					c := m.charges[got.Reservation.ID]
					c.open, c.expires = true, w.now().Add(ttl)
					all = append(all, got.Reservation.ID)
				}
			},
			"settle": func(rt *rapid.T) {
				res := pick(rt)
				m.at(w.now())
				c := m.charges[res]
				most := c.allowance + c.prepaid
				if exceeds {
					most += 9
				}
				used := rapid.Int64Range(0, most).Draw(rt, "used")
				if !c.open && !c.expired && rapid.Bool().Draw(rt, "again") {
					used = c.asked
				}
				r := latchkey.SettleReservationRequest{
					ReservationID: res, Cost: latchkey.Set(used),
				}
				if !m.settle(res, used) {
					w.refused(w.who, "budgets.settle", r, 409, "reservation_settled")
					return
				}
				got := must[latchkey.SettledReservation](w, w.who, "budgets.settle", r)
				if got.Late != c.late || got.Charged[0].Cost.Or(-1) != c.amount {
					rt.Fatalf("a settlement at %d: %+v, want %+v", used, got, c)
				}
			},
			"extend": func(rt *rapid.T) {
				res := pick(rt)
				m.at(w.now())
				ttl := time.Duration(rapid.IntRange(1, 24).Draw(rt, "hours")) * time.Hour
				r := latchkey.ExtendReservationRequest{
					ReservationID: res, TTL: latchkey.Per(ttl),
				}
				if !m.charges[res].open {
					w.refused(w.who, "budgets.extend", r, 409, "reservation_settled")
					return
				}
				must[latchkey.ExtendedReservation](w, w.who, "budgets.extend", r)
				m.charges[res].expires = w.now().Add(ttl)
			},
			"grant": func(rt *rapid.T) {
				amount := rapid.SampledFrom([]int64{-5, 1, 7, 30}).Draw(rt, "amount")
				m.at(w.now())
				must[latchkey.GrantedBudget](w, w.who, "budgets.grant", latchkey.GrantBudgetRequest{
					Budget: id, Amount: latchkey.Set(amount),
				})
				m.granted += amount
			},
			"time": func(rt *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
			},
			"": func(rt *rapid.T) {
				w.mustRun(w.expireReservations)
				m.at(w.now())
				b := w.budget(id)
				open, spent := m.sums()
				if b.Remaining != m.remaining() || b.Open != open || b.Spent != spent {
					rt.Fatalf("%+v, want %d remaining, %d open, %d spent", b, m.remaining(), open,
						spent)
				}
				if left := b.Remaining - b.Balance + b.Reserved; left < 0 || left > m.allowance {
					rt.Fatalf("%d is left of an allowance of %d: %+v", left, m.allowance, b)
				}
			},
		})
	})
}
