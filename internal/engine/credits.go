package engine

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/period"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// creditSpender spends credits, in the store or in a change in progress.
type creditSpender interface {
	balanceReader
	Spend(ctx context.Context, workspace, id string, cost int64) (left int64, err error)
}

// balanceReader reads the balance of a key, in the store or in a change in progress.
type balanceReader interface {
	KeyBalance(ctx context.Context, keyID string) (sql.NullInt64, error)
}

// txCredits spends credits within a change. They are spent if the change is
// committed.
type txCredits struct{ *store.Tx }

// Spend subtracts the cost from a balance and returns what is left.
func (p txCredits) Spend(ctx context.Context, _, id string, cost int64) (int64, error) {
	return p.Tx.Spend(ctx, cost, id)
}

// storeCredits spends credits in the store. It fails at once while the circuit
// breaker of the database is open.
type storeCredits struct {
	*store.DB
	breaker *coherence.Breaker
}

// Spend subtracts the cost from a balance and returns what is left.
func (t *storeCredits) Spend(
	ctx context.Context, workspace, id string, cost int64,
) (left int64, err error) {
	err = t.breaker.Do(func() error {
		left, err = t.DB.Spend(ctx, workspace, id, cost)
		return err
	})
	return left, err
}

// spend subtracts the cost from the balance of a limited key. The balance
// exists only in the store and is changed by one conditional update, so it is
// exact and on disk when spend returns. An error never comes with a valid
// response, because the outcome is unknown then.
func (e *Engine) spend(
	ctx context.Context, from creditSpender, key *keySnapshot, cost int64, v *latchkey.Verification,
) error {
	for {
		left, err := from.Spend(ctx, key.workspace, key.family, cost)
		if err == nil {
			v.Credits = latchkey.Set(left)
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("spend: %w", err)
		}
		if done, err := e.notSpent(ctx, from, key, cost, v); done || err != nil {
			return err
		}
	}
}

// notSpent completes the response of a key whose balance did not change: the
// balance is too low, or the key or its limit was deleted meanwhile. It reports
// false, so that the caller tries again, if the balance has grown and now
// covers the cost: a response with that balance would contradict itself.
func (e *Engine) notSpent(
	ctx context.Context, from creditSpender, key *keySnapshot, cost int64, v *latchkey.Verification,
) (done bool, err error) {
	balance, err := from.KeyBalance(ctx, key.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		*v = latchkey.Verification{Code: latchkey.NotFound}
	case err != nil:
		return false, fmt.Errorf("balance: %w", err)
	case balance.Valid && balance.Int64 >= cost:
		return false, nil
	case balance.Valid:
		v.Code, v.Credits = latchkey.UsageExceeded, latchkey.Set(balance.Int64)
		v.RetryAfter = latchkey.PerMilli(key.untilRefill(e.now(), cost))
	}
	return true, nil
}

// untilRefill returns the milliseconds until a refill covers a cost that the balance
// doesn't, or 0 if none does.
func (k *keySnapshot) untilRefill(now, cost int64) int64 {
	if k.refillAt == 0 || k.refillAmount < cost {
		return 0
	}
	return max(k.refillAt-now, 1)
}

// balanceID is the id of the balance of a key, which it shares with its family.
// The counts of its limits have the same id.
func balanceID(k *read.Key) string { return cmp.Or(k.Family, k.ID) }

// storedCredits are the balance of a key, with its refill schedule.
type storedCredits struct {
	remaining sql.NullInt64 // not valid for unlimited
	schedule
	refillAt int64 // the next refill, unix ms; 0 for none
}

// creditsIn returns the credits in a row of a page of keys.
func creditsIn(row *read.KeysPageRow) storedCredits {
	return storedCredits{row.Remaining, scheduleOf(row.RefillInterval, row.RefillAmount,
		row.RefillDay), row.RefillAt}
}

// creditsOfKey returns the credits in the row of a key.
func creditsOfKey(row *read.LiveKeyRow) storedCredits {
	return storedCredits{row.Remaining, scheduleOf(row.RefillInterval, row.RefillAmount,
		row.RefillDay), row.RefillAt}
}

// schedule is a refill schedule.
type schedule struct {
	interval latchkey.RefillInterval
	amount   int64
	day      int // of the month; only monthly
}

// next returns the first refill time after now, in unix milliseconds: midnight
// UTC of the next day, or of the schedule's day in this month or the next. In a
// month without that day it is the last day.
func (s schedule) next(now int64) int64 {
	every := period.Period{Every: period.Day}
	if s.interval == latchkey.Monthly {
		every = period.Period{Every: period.Month, Anchor: s.day}
	}
	_, end := every.At(now)
	return end
}

// scheduleOf returns the schedule of stored columns.
func scheduleOf(interval string, amount, day int64) schedule {
	return schedule{latchkey.RefillInterval(interval), amount, int(day)}
}

// scheduled returns the schedule of a request and its next refill time; nil is no schedule.
func scheduled(r *latchkey.Refill, now int64) (s schedule, next int64) {
	if r == nil {
		return schedule{}, 0
	}
	s = schedule{interval: r.Interval, amount: r.Amount}
	if r.Interval == latchkey.Monthly {
		s.day = r.RefillDay
	}
	return s, s.next(now)
}

// newCredits returns the credits of a new key; nil is unlimited.
func newCredits(r *latchkey.Credits, now int64) (storedCredits, error) {
	if r == nil {
		return storedCredits{}, nil
	}
	k := storedCredits{remaining: nullable(r.Remaining)}
	if r.Refill == nil {
		return k, nil
	}
	if !k.remaining.Valid {
		return k, invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill",
			Message:  "credits.refill needs credits.remaining to be a number",
			Fix:      "Send the initial balance as remaining, or leave refill out.",
		})
	}
	if err := checkRefillDay(r.Refill); err != nil {
		return k, err
	}
	k.schedule, k.refillAt = scheduled(r.Refill, now)
	return k, nil
}

// insertCredits stores the credits of a new key, unless it is unlimited.
func (c *Change) insertCredits(ctx context.Context, k *read.Key, credits storedCredits) error {
	if !credits.remaining.Valid {
		return nil
	}
	return c.tx.InsertBalance(ctx, write.InsertBalanceParams{
		ID: k.ID, WorkspaceID: k.WorkspaceID, Remaining: credits.remaining.Int64,
		RefillInterval: string(credits.interval), RefillAmount: credits.amount,
		RefillDay: int64(credits.day), RefillAt: credits.refillAt,
	})
}

func checkRefillDay(r *latchkey.Refill) error {
	if r.Interval == latchkey.Monthly && r.RefillDay == 0 {
		return invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill/properties/refillDay",
			Message:  "a monthly refill needs refillDay",
			Fix:      "Send refillDay, 1 to 31; a month without that day refills on its last day.",
		})
	}
	return nil
}

// api returns the credits as the API has them; nil is unlimited.
func (k storedCredits) api() *latchkey.Credits {
	if !k.remaining.Valid {
		return nil
	}
	c := &latchkey.Credits{Remaining: latchkey.Set(k.remaining.Int64)}
	if k.interval != "" {
		c.Refill = &latchkey.Refill{Interval: k.interval, Amount: k.amount, RefillDay: k.day}
	}
	return c
}

// refillDue refills the balances that are due, in batches.
func (e *Engine) refillDue(ctx context.Context) error {
	const batch = 200
	for {
		due, err := e.db.RefillsDue(ctx, e.now(), batch)
		if err != nil || len(due) == 0 {
			return err
		}
		byWorkspace := make(map[string][]refill)
		for _, row := range due {
			b := row.Balance
			byWorkspace[b.WorkspaceID] = append(byWorkspace[b.WorkspaceID], refill{
				b.ID, target("key", b.ID, row.KeyName),
				scheduleOf(b.RefillInterval, b.RefillAmount, b.RefillDay), b.RefillAt,
			})
		}
		for workspace, some := range byWorkspace {
			if err := e.refill(ctx, workspace, some); err != nil {
				return err
			}
		}
	}
}

// refillIfDue refills the balance of a key if a refill is due at this
// verification.
func (e *Engine) refillIfDue(ctx context.Context, key *keySnapshot) error {
	if key.refillAt == 0 || key.refillAt > e.now() {
		return nil
	}
	row, err := e.db.LiveKey(ctx, key.id, key.workspace)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("refill: %w", err)
	}
	credits := creditsOfKey(&row)
	return e.refill(ctx, row.Key.WorkspaceID, []refill{{
		balanceID(&row.Key), keyTarget(&row.Key), credits.schedule, credits.refillAt,
	}})
}

// refill is a refill that may be due.
type refill struct {
	balance string
	key     latchkey.AuditTarget
	schedule
	at int64 // when it is due, unix ms
}

// refill refills the balances that are due, each once: the update requires the
// due time that was read and replaces it by the next one, so only one of
// several attempts succeeds.
func (e *Engine) refill(ctx context.Context, workspace string, all []refill) error {
	return e.change(ctx, e.system(workspace), func(ctx context.Context, c *Change) error {
		for _, r := range all {
			if r.interval == "" || r.at > c.now {
				continue
			}
			n, err := c.tx.Refill(ctx, write.RefillParams{
				ID: r.balance, DueAt: r.at, NextAt: r.next(c.now), Epoch: rand.Int64(),
			})
			if err != nil {
				return fmt.Errorf("refill: %w", err)
			}
			if n == 1 {
				refilled := c.audit(keyRefilled, r.key)
				refilled.Description += fmt.Sprintf(" to at least %d", r.amount)
			}
			c.invalidate(r.balance)
		}
		return nil
	})
}

// UpdateCredits changes the balance of a key and returns the new one. The
// operation set stores the value, or makes the key unlimited if the value is
// null or absent; increment and decrement change the balance by the value,
// never below 0. The refill schedule stays, except that an unlimited key has
// none.
func (e *Engine) UpdateCredits(
	ctx context.Context, who Caller, r *latchkey.UpdateCreditsRequest,
) (latchkey.Credits, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Credits, error) {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return latchkey.Credits{}, err
		}
		before := auditedKeyOf(&row)
		if err := c.applyCredits(ctx, &row, r); err != nil {
			return latchkey.Credits{}, err
		}
		c.invalidate(balanceID(&row.Key))
		if row, err = c.managedKey(ctx, r.KeyID); err != nil {
			return latchkey.Credits{}, err
		}
		c.auditUpdate(keyCreditsUpdated, before, auditedKeyOf(&row),
			keyTarget(&row.Key), target("api", row.Key.APIID, ""))
		if now := creditsOfKey(&row).api(); now != nil {
			return *now, nil
		}
		return latchkey.Credits{Remaining: latchkey.Null[int64]()}, nil
	})
}

// applyCredits applies the operation of the request. The store adds and
// subtracts, because verifications may be spending from the balance.
func (c *Change) applyCredits(
	ctx context.Context, row *read.LiveKeyRow, r *latchkey.UpdateCreditsRequest,
) error {
	k := &row.Key
	value, given := r.Value.Get()
	if r.Operation == latchkey.SetCredits {
		if given {
			return c.setBalance(ctx, k, value)
		}
		return c.tx.DeleteBalance(ctx, balanceID(k))
	}
	if !given {
		return invalid(latchkey.Fault{
			Location: "/properties/value",
			Message:  "value must be a number for " + string(r.Operation),
			Fix:      "Send the amount to add or subtract.",
		})
	}
	if !row.Remaining.Valid {
		return invalid(latchkey.Fault{
			Location: "/properties/operation",
			Message:  "the key has unlimited credits, which can't be incremented or decremented",
			Fix:      "Use the operation set to give the key a balance first.",
		})
	}
	if r.Operation == latchkey.DecrementCredits {
		_, err := c.tx.SubtractBalance(ctx, value, balanceID(k))
		return err
	}
	_, err := c.tx.AddBalance(ctx, value, balanceID(k))
	if errors.Is(err, store.ErrNotFound) {
		return invalid(latchkey.Fault{
			Location: "/properties/value/maximum",
			Message:  "the balance would no longer fit 64 bits",
			Fix:      "Increment by less, or set the balance.",
		})
	}
	return err
}

// setBalance sets the balance of a key. What open reservations have of the one before is not
// given back into it.
func (c *Change) setBalance(ctx context.Context, k *read.Key, to int64) error {
	return c.tx.SetBalance(ctx, write.SetBalanceParams{
		ID: balanceID(k), WorkspaceID: k.WorkspaceID, Remaining: to, Epoch: rand.Int64(),
	})
}

// updateCredits changes the balance and the schedule, each only if the request
// has it, in the store and in the row. An unlimited key has no schedule.
func (c *Change) updateCredits(
	ctx context.Context, row *read.LiveKeyRow, r latchkey.UpdateKeyCredits, none bool,
) error {
	id := balanceID(&row.Key)
	refill, refills := r.Refill.Get()
	if refills {
		if err := checkRefill(&refill); err != nil {
			return err
		}
	}
	if none || r.Remaining.IsNull() {
		row.Remaining = sql.NullInt64{}
		return c.tx.DeleteBalance(ctx, id)
	}
	balance, limited := r.Remaining.Get()
	if refills && !limited && !row.Remaining.Valid {
		return invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill",
			Message:  "the key has unlimited credits, which can't be refilled",
			Fix:      "Send the initial balance as remaining too.",
		})
	}
	if limited {
		row.Remaining = sql.NullInt64{Int64: balance, Valid: true}
		if err := c.setBalance(ctx, &row.Key, balance); err != nil {
			return err
		}
	}
	if !refills && !r.Refill.IsNull() {
		return nil
	}
	var set write.SetScheduleParams
	if refills {
		s, next := scheduled(&refill, c.now)
		set = write.SetScheduleParams{RefillInterval: string(s.interval), RefillAmount: s.amount,
			RefillDay: int64(s.day), RefillAt: next}
	}
	row.RefillInterval, row.RefillAmount = set.RefillInterval, set.RefillAmount
	row.RefillDay, row.RefillAt = set.RefillDay, set.RefillAt
	set.ID = id
	return c.tx.SetSchedule(ctx, set)
}

// checkRefill rejects a daily schedule with a day and a monthly one without.
func checkRefill(r *latchkey.Refill) error {
	if r.Interval == latchkey.Daily && r.RefillDay != 0 {
		return invalid(latchkey.Fault{
			Location: "/properties/credits/properties/refill/properties/refillDay",
			Message:  "a daily refill has no refillDay",
			Fix:      "Leave refillDay out, or make the refill monthly.",
		})
	}
	return checkRefillDay(r)
}
