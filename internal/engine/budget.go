package engine

import (
	"math"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/period"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// budget is a budget with its balance, as a change sees and alters it. What a reservation takes
// is taken at once: the allowance's part from what the period has left, the rest from the
// prepaid part. A settlement gives back or takes the difference.
type budget struct {
	read.Budget
	at     read.Balance
	period period.Period
}

// part is what a reservation has of one budget.
type budgetPart struct {
	amount      int64
	prepaid     int64 // as much of it was taken from the prepaid part
	periodStart int64 // of its admission
}

// roll begins the period of a moment, once: a period ends when a node first finds its end
// passed, and never comes back, whatever its clock says later.
func (b *budget) roll(now int64) {
	if now < b.at.PeriodEnd {
		return
	}
	start, end := b.period.At(now)
	b.at.PeriodStart, b.at.PeriodEnd = max(start, b.at.PeriodEnd), end
	b.at.Used, b.at.Spent = 0, 0
	b.at.Reserved = b.at.Held // what open reservations have of the old allowance is gone with it
	if b.Allowance.Valid {
		b.at.Crossed = 0
	}
}

// allowanceLeft returns what is left of the period's allowance.
func (b *budget) allowanceLeft() int64 {
	if !b.Allowance.Valid {
		return 0
	}
	return max(0, b.Allowance.Int64-b.at.Used)
}

// remaining returns what can be spent or reserved.
func (b *budget) remaining() int64 { return addSaturating(b.allowanceLeft(), b.at.Remaining) }

// refuses reports whether a cost can't be spent or, if it is to be reserved, reserved.
func (b *budget) refuses(cost int64, reserve bool) bool {
	return !b.Enabled || cost > b.remaining() ||
		reserve && b.MaxOpen.Valid && b.at.Open >= b.MaxOpen.Int64
}

// take takes an amount, and returns how much of it was prepaid.
func (b *budget) take(amount int64) (prepaid int64) {
	prepaid = amount - min(amount, b.allowanceLeft())
	b.at.Used += amount - prepaid
	b.at.Remaining = addSaturating(b.at.Remaining, -prepaid)
	return prepaid
}

// spend takes a cost that the budget doesn't refuse.
func (b *budget) spend(cost int64) {
	b.take(cost)
	b.at.Spent = addSaturating(b.at.Spent, cost)
}

// reserve takes a cost that the budget doesn't refuse, for a while.
func (b *budget) reserve(cost, expires int64) budgetPart {
	p := budgetPart{amount: cost, prepaid: b.take(cost), periodStart: b.at.PeriodStart}
	b.at.Reserved = addSaturating(b.at.Reserved, cost)
	b.at.Held = addSaturating(b.at.Held, p.prepaid)
	b.at.Open++
	b.expireBy(expires)
	return p
}

// expireBy notes that a reservation expires at a time.
func (b *budget) expireBy(expires int64) {
	if b.at.NextExpiry == 0 || expires < b.at.NextExpiry {
		b.at.NextExpiry = expires
	}
}

// settle ends a part with what was used of it, and returns what is charged.
func (b *budget) settle(p budgetPart, used int64) (charged int64) {
	b.at.Open--
	b.at.Held -= p.prepaid
	if b.isCurrent(p) {
		b.at.Reserved -= p.amount
	} else {
		b.at.Reserved -= p.prepaid
	}
	return b.correct(p, p.amount, 0, used)
}

// hasExpired reports whether reservations of the budget have expired that are still open.
func (b *budget) hasExpired(now int64) bool {
	return b.at.NextExpiry != 0 && b.at.NextExpiry <= now
}

// usedOnExpiry returns what counts as used of an amount whose reservation expires.
func (b *budget) usedOnExpiry(amount int64) int64 {
	if b.OnExpiry == string(latchkey.ChargeOnExpiry) {
		return amount
	}
	return 0
}

// isCurrent reports whether a part was admitted in the period that is under way.
func (b *budget) isCurrent(p budgetPart) bool { return p.periodStart == b.at.PeriodStart }

// correct changes a part, of which an amount is taken and another one counted as spent, to
// what was used, and returns what is charged. Where its period has ended, nothing becomes
// free in the new one but what was prepaid, and the new allowance pays nothing.
func (b *budget) correct(p budgetPart, taken, spent, used int64) (charged int64) {
	charged = used
	if used <= taken {
		prepaid := min(taken-used, p.prepaid)
		b.at.Remaining = addSaturating(b.at.Remaining, prepaid)
		if b.isCurrent(p) {
			b.at.Used -= taken - used - prepaid
		}
	} else {
		charged = taken + b.takeMore(p, used-taken)
	}
	if b.isCurrent(p) {
		b.at.Spent = addSaturating(b.at.Spent, charged-spent)
	}
	return charged
}

// takeMore takes what was used beyond a part, and returns how much of it is charged.
func (b *budget) takeMore(p budgetPart, more int64) (charged int64) {
	clamps := b.Overshoot == string(latchkey.ClampOvershoot)
	if b.isCurrent(p) {
		if clamps {
			more = min(more, max(0, b.remaining()))
		}
		b.take(more)
		return more
	}
	left := more
	if clamps || b.Allowance.Valid { // the allowance of a period isn't used after its end
		left = min(more, max(0, b.at.Remaining))
	}
	b.at.Remaining = addSaturating(b.at.Remaining, -left)
	if clamps {
		return left
	}
	return more
}

// grant changes the prepaid part.
func (b *budget) grant(amount, now int64) {
	b.at.Remaining = addSaturating(b.at.Remaining, amount)
	if amount > 0 {
		b.at.Granted, b.at.GrantedAt = b.balance(), now
		if !b.Allowance.Valid {
			b.at.Crossed = 0
		}
	}
}

// balance returns the prepaid part, with what open reservations have of it.
func (b *budget) balance() int64 { return addSaturating(b.at.Remaining, b.at.Held) }

// crossing returns the thresholds that are crossed and were not before, and since when they
// count: since the beginning of the period or, without an allowance, the last grant.
func (b *budget) crossing() (percents []int64, since int64) {
	used, all, since := b.at.Spent, b.Allowance.Int64, b.at.PeriodStart
	if !b.Allowance.Valid {
		used, all, since = addSaturating(b.at.Granted, -b.balance()), b.at.Granted, b.at.GrantedAt
	}
	if all <= 0 {
		return nil, since
	}
	for _, percent := range parseThresholds(b.Thresholds) {
		least := all/100*percent + (all%100*percent+99)/100
		if percent > b.at.Crossed && used >= least {
			percents = append(percents, percent)
			b.at.Crossed = percent
		}
	}
	return percents, since
}

// state returns the budget as a call shows it.
func (b *budget) state(exceeded bool) latchkey.BudgetState {
	return latchkey.BudgetState{
		ID: b.ID, Name: b.Name, Unit: b.Unit, Remaining: b.remaining(), Reserved: b.at.Reserved,
		Allowance: optional(b.Allowance), Reset: b.reset(), Exceeded: exceeded,
	}
}

// reset returns the end of the period, if it has one.
func (b *budget) reset() latchkey.Time {
	if b.at.PeriodEnd == math.MaxInt64 {
		return latchkey.Time{}
	}
	return latchkey.AtMilli(b.at.PeriodEnd)
}

// addSaturating returns the sum of two numbers, or the nearest one that fits 64 bits.
func addSaturating(a, b int64) int64 {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	}
	return sum
}
