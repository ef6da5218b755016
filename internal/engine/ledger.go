package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/period"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// ledger has the budgets that a change concerns and what it adds to their statements. Changes
// are serial, on one node and on several, so what it has read stays true until the commit.
type ledger struct {
	*Change
	e       *Engine
	budgets map[string]*budget // nil for one that doesn't exist
	stored  map[string]read.Balance
	entries map[entryKey]entrySum
}

// entryKey is the place of a sum in a statement.
type entryKey struct {
	budget string
	hour   int64
	kind   latchkey.BudgetEntryKind
	key    string
}

type entrySum struct{ count, amount int64 }

func (e *Engine) newLedger(c *Change) *ledger {
	return &ledger{
		Change: c, e: e, budgets: map[string]*budget{}, stored: map[string]read.Balance{},
		entries: map[entryKey]entrySum{},
	}
}

// keep runs work on a ledger in a change and writes what it altered.
func (e *Engine) keep(
	ctx context.Context, c *Change, work func(context.Context, *ledger) error,
) error {
	l := e.newLedger(c)
	if err := work(ctx, l); err != nil {
		return err
	}
	return l.save(ctx)
}

// budgetOf returns a budget of its row, in the period of a moment.
func (e *Engine) budgetOf(row read.BudgetRow, now int64) (*budget, error) {
	zone, err := e.zone(row.Budget.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("budget %s: %w", row.Budget.ID, err)
	}
	b := &budget{Budget: row.Budget, at: row.Balance, period: period.Period{
		Every: period.Every(row.Budget.Every), Zone: zone, Anchor: int(row.Budget.Anchor),
	}}
	b.roll(now)
	return b, nil
}

// zone returns a time zone. Each is read once.
func (e *Engine) zone(name string) (*time.Location, error) {
	if known, ok := e.zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	zone, err := period.Zone(name)
	if err == nil {
		e.zones.Store(name, zone)
	}
	return zone, err
}

// add takes a row into the ledger.
func (l *ledger) add(row read.BudgetRow) (*budget, error) {
	if b := l.budgets[row.Budget.ID]; b != nil {
		return b, nil
	}
	b, err := l.e.budgetOf(row, l.now)
	if err != nil {
		return nil, err
	}
	l.budgets[b.ID], l.stored[b.ID] = b, row.Balance
	return b, nil
}

// byID returns a budget, or nil if there is none.
func (l *ledger) byID(ctx context.Context, id string) (*budget, error) {
	if b, known := l.budgets[id]; known {
		return b, nil
	}
	row, err := l.tx.BudgetByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		l.budgets[id] = nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	return l.add(read.BudgetRow(row))
}

// named returns a budget of the caller's workspace by its id or name, if the caller can call
// its operation on it.
func (l *ledger) named(ctx context.Context, name string) (*budget, error) {
	row, err := l.tx.Budget(ctx, l.who.WorkspaceID(), name)
	if err != nil {
		return nil, orNotFound(err, budgetNotFound(name))
	}
	if err := l.require(ids{Budget: row.Budget.ID}); err != nil {
		return nil, err
	}
	return l.add(row)
}

// mostExpired is how many expired reservations of a budget are ended together.
const mostExpired = 32

// expireDue ends the first reservations of a budget that have expired.
func (l *ledger) expireDue(ctx context.Context, b *budget) error {
	if !b.hasExpired(l.now) {
		return nil
	}
	due, err := l.tx.ExpiredOfBudget(ctx, b.ID, l.now, mostExpired)
	if err != nil {
		return fmt.Errorf("expired reservations: %w", err)
	}
	for _, id := range due {
		if err := l.expire(ctx, id); err != nil {
			return err
		}
	}
	b.at.NextExpiry, err = l.tx.FirstExpiry(ctx, b.ID)
	return err
}

// enter adds to the statement of a budget.
func (l *ledger) enter(
	b *budget, hour int64, kind latchkey.BudgetEntryKind, key string, amount int64,
) {
	at := entryKey{b.ID, hour, kind, key}
	sum := l.entries[at]
	l.entries[at] = entrySum{sum.count + 1, addSaturating(sum.amount, amount)}
}

// hour returns the beginning of the hour of the budget's zone that is under way.
func (l *ledger) hour(b *budget) int64 {
	start, _ := period.Period{Every: period.Hour, Zone: b.period.Zone}.At(l.now)
	return start
}

// save writes what was altered: balances, statements and crossed thresholds.
func (l *ledger) save(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(l.stored)) {
		if err := l.saveBudget(ctx, l.budgets[id], l.stored[id]); err != nil {
			return fmt.Errorf("budget %s: %w", id, err)
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(l.entries), func(a, b entryKey) int {
		return cmp.Or(cmp.Compare(a.budget, b.budget), cmp.Compare(a.hour, b.hour),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key))
	}) {
		b, sum := l.budgets[at.budget], l.entries[at]
		day, _ := period.Period{Every: period.Day, Zone: b.period.Zone}.At(at.hour)
		month, _ := period.Period{Every: period.Month, Zone: b.period.Zone}.At(at.hour)
		if err := l.tx.AddBudgetEntry(ctx, write.AddBudgetEntryParams{
			BudgetID: at.budget, Hour: at.hour, Kind: string(at.kind), KeyID: at.key, Day: day,
			Month: month, Count: sum.count, Amount: sum.amount,
		}); err != nil {
			return fmt.Errorf("statement: %w", err)
		}
	}
	return nil
}

// saveBudget writes the balance of a budget, if it was altered, and the thresholds that it
// crossed.
func (l *ledger) saveBudget(ctx context.Context, b *budget, stored read.Balance) error {
	if b == nil || b.at == stored {
		return nil
	}
	percents, since := b.crossing()
	for _, percent := range percents {
		if err := l.tx.InsertBudgetCrossing(ctx, write.InsertBudgetCrossingParams{
			BudgetID: b.ID, Since: since, Percent: percent, WorkspaceID: b.WorkspaceID, Time: l.now,
		}); err != nil {
			return fmt.Errorf("threshold: %w", err)
		}
	}
	return l.tx.SetBudgetBalance(ctx, write.SetBudgetBalanceParams{
		ID: b.ID, Remaining: b.at.Remaining, Used: b.at.Used, Spent: b.at.Spent,
		Reserved: b.at.Reserved, Held: b.at.Held, Open: b.at.Open, PeriodStart: b.at.PeriodStart,
		PeriodEnd: b.at.PeriodEnd, NextExpiry: b.at.NextExpiry, Granted: b.at.Granted,
		GrantedAt: b.at.GrantedAt, Crossed: b.at.Crossed,
	})
}
