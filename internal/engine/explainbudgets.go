package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// checkBudgets checks the budgets that the call costs something of, without spending.
func (x *explanation) checkBudgets(ctx context.Context, costs []budgetCost) error {
	v := verdict{check: latchkey.CheckBudgets, detail: "The call spends from no budget."}
	for _, cost := range costs {
		b, err := x.e.peekBudget(ctx, cost.id, x.now)
		if err != nil {
			return err
		}
		if b == nil { // deleted at this very moment
			continue
		}
		refused := b.refuses(cost.cost, x.r.Reserve != nil)
		if refused && v.code == "" {
			v = b.describeRefusal(cost.cost)
		}
		x.Budgets = append(x.Budgets, explainedBudget(b, cost.cost, refused))
	}
	if v.code == "" && len(x.Budgets) > 0 {
		least := slices.MinFunc(x.Budgets, func(a, b latchkey.ExplainedBudget) int {
			return int(min(max(a.Remaining-b.Remaining, -1), 1))
		})
		v.detail = fmt.Sprintf("The call fits in all budgets; least is left of %s: %d.",
			least.Name, least.Remaining)
	}
	x.add(v)
	return nil
}

// peekBudget returns a budget as a call at a moment would find it: in its period, and without
// the reservations that have expired, as many as the call would end. It is nil if there is none.
func (e *Engine) peekBudget(ctx context.Context, id string, now int64) (*budget, error) {
	row, err := e.db.BudgetByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	b, err := e.budgetOf(read.BudgetRow(row), now)
	if err != nil || !b.hasExpired(now) {
		return b, err
	}
	due, err := e.db.ExpiredOfBudget(ctx, id, now, mostExpired)
	if err != nil {
		return nil, fmt.Errorf("expired reservations: %w", err)
	}
	for _, reservation := range due {
		parts, err := e.db.ReservationParts(ctx, reservation)
		if err != nil {
			return nil, fmt.Errorf("expired reservation: %w", err)
		}
		for _, p := range parts {
			if part := &p.ReservationPart; part.BudgetID == id {
				b.settle(partOf(part), b.usedOnExpiry(part.Amount))
			}
		}
	}
	return b, nil
}

func explainedBudget(b *budget, cost int64, refused bool) latchkey.ExplainedBudget {
	return latchkey.ExplainedBudget{
		ID: b.ID, Name: b.Name, Unit: b.Unit, Exceeded: refused, Cost: cost,
		Remaining: b.remaining(), Reserved: b.at.Reserved, Allowance: optional(b.Allowance),
		Reset: b.reset(),
	}
}

// describeRefusal says why a budget refuses a cost, and what to do.
func (b *budget) describeRefusal(cost int64) verdict {
	v := verdict{check: latchkey.CheckBudgets, code: latchkey.UsageExceeded}
	switch left := b.remaining(); {
	case !b.Enabled:
		v.detail = fmt.Sprintf("The budget %s is disabled.", b.Name)
		v.next = "Enable it with budgets.updateBudget."
	case cost <= left:
		v.detail = fmt.Sprintf("The budget %s has %d of %d open reservations.",
			b.Name, b.at.Open, b.MaxOpen.Int64)
		v.next = "Settle or release one, or raise maxOpen with budgets.updateBudget."
	default:
		v.detail = fmt.Sprintf("The budget %s has %d left, the call costs %d.", b.Name, left, cost)
		v.next = "Add to the budget with budgets.grant."
		reset := b.reset()
		if !reset.IsZero() && b.Allowance.Valid &&
			cost <= addSaturating(b.Allowance.Int64, b.at.Remaining) {
			v.next = fmt.Sprintf("Wait for the next period on %s, or add to the budget with "+
				"budgets.grant.", moment(b.at.PeriodEnd))
		}
	}
	return v
}
