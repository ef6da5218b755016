package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// budgetCost is what a call costs of a budget.
type budgetCost struct {
	id   string
	cost int64
}

// taking is what a call takes, all or nothing.
type taking struct {
	costs []budgetCost
	ttl   int64 // of the reservation, ms; 0 to spend

	key *keySnapshot // nil without a key
	// spends the credits of the key, if it has some, and reports whether they were enough
	spendCredits func(context.Context) (bool, error)
	credits      int64 // what that costs; 0 for none
}

// taken is what became of it, as an idempotency record has it too.
type taken struct {
	Success     bool                     `json:"success"`
	States      []latchkey.BudgetState   `json:"states"`
	Reservation *latchkey.NewReservation `json:"reservation,omitempty"`
}

// take takes from budgets and credits. A budget that was deleted meanwhile costs nothing.
func (l *ledger) take(ctx context.Context, t *taking) (result taken, err error) {
	var budgets []*budget
	var costs []int64
	var exceeded []bool
	result.Success = true
	for _, cost := range t.costs {
		b, err := l.byID(ctx, cost.id)
		if err != nil {
			return taken{}, err
		}
		if b == nil {
			continue
		}
		if err := l.expireDue(ctx, b); err != nil {
			return taken{}, err
		}
		refused := b.refuses(cost.cost, t.ttl > 0)
		for range 7 { // a bound on the length of a change: the next call goes on
			if !refused || !b.hasExpired(l.now) {
				break
			}
			if err := l.expireDue(ctx, b); err != nil {
				return taken{}, err
			}
			refused = b.refuses(cost.cost, t.ttl > 0)
		}
		budgets, costs = append(budgets, b), append(costs, cost.cost)
		exceeded = append(exceeded, refused)
		result.Success = result.Success && !refused
	}
	if result.Success && t.spendCredits != nil {
		if result.Success, err = t.spendCredits(ctx); err != nil {
			return taken{}, err
		}
	}
	if result.Success && (len(budgets) > 0 || t.ttl > 0 && t.credits > 0) {
		if result.Reservation, err = l.takeAll(ctx, t, budgets, costs); err != nil {
			return taken{}, err
		}
	}
	for i, b := range budgets {
		result.States = append(result.States, b.state(exceeded[i]))
	}
	return result, nil
}

// takeAll spends or reserves costs that no budget refuses.
func (l *ledger) takeAll(
	ctx context.Context, t *taking, budgets []*budget, costs []int64,
) (*latchkey.NewReservation, error) {
	row := write.InsertReservationParams{
		WorkspaceID: l.who.WorkspaceID(), CreatedAt: l.now, ExpiresAt: l.now + t.ttl,
	}
	if t.key != nil {
		row.KeyID, row.APIID, row.KeyspaceID = t.key.id, t.key.api, t.key.keyspace
	}
	if t.credits > 0 {
		row.BalanceID, row.Credits = t.key.family, t.credits
	}
	if t.ttl == 0 {
		for i, b := range budgets {
			b.spend(costs[i])
			l.enter(b, l.hour(b), latchkey.BudgetSpend, row.KeyID, costs[i])
		}
		return nil, nil
	}
	if err := l.count(ctx, quotaReservations, 1); err != nil {
		return nil, err
	}
	var err error
	if row.BalanceID != "" {
		if row.CreditsEpoch, err = l.tx.BalanceEpoch(ctx, row.BalanceID); err != nil {
			return nil, fmt.Errorf("balance: %w", err)
		}
	}
	row.ID = NewID("res")
	if err := l.tx.InsertReservation(ctx, row); err != nil {
		return nil, fmt.Errorf("reservation: %w", err)
	}
	for i, b := range budgets {
		p := b.reserve(costs[i], row.ExpiresAt)
		if err := l.tx.InsertReservationPart(ctx, write.InsertReservationPartParams{
			ReservationID: row.ID, BudgetID: b.ID, WorkspaceID: row.WorkspaceID, Amount: p.amount,
			Prepaid: p.prepaid, PeriodStart: p.periodStart, EntryAt: l.hour(b),
			ExpiresAt: row.ExpiresAt,
		}); err != nil {
			return nil, fmt.Errorf("reservation: %w", err)
		}
	}
	return &latchkey.NewReservation{ID: row.ID, Expires: latchkey.AtMilli(row.ExpiresAt)}, nil
}

// Spend spends from budgets without a key: from all of them or, if one has too little or is
// disabled, from none. Then success is false and exceeded says which.
func (e *Engine) Spend(
	ctx context.Context, who Caller, r *latchkey.SpendBudgetsRequest,
) (latchkey.SpentBudgets, error) {
	result, err := e.takeNamed(ctx, who, r.Budgets, 0)
	return latchkey.SpentBudgets{Success: result.Success, Budgets: result.States}, err
}

// Reserve reserves amounts of budgets without a key, of all of them or of none, until
// budgets.settle says what was used. A reservation that nobody settles ends with its ttl, as
// each budget's onExpiry says.
func (e *Engine) Reserve(
	ctx context.Context, who Caller, r *latchkey.ReserveBudgetsRequest,
) (latchkey.ReservedBudgets, error) {
	result, err := e.takeNamed(ctx, who, r.Budgets, r.TTL.Milliseconds())
	return latchkey.ReservedBudgets{
		Success: result.Success, Budgets: result.States, Reservation: result.Reservation,
	}, err
}

// takeNamed takes from the budgets of a request without a key.
func (e *Engine) takeNamed(
	ctx context.Context, who Caller, asked []latchkey.BudgetCost, ttl int64,
) (result taken, err error) {
	who.lane = store.Spends
	return changeTaken(ctx, e, who, func(ctx context.Context, l *ledger) (taken, error) {
		t := &taking{ttl: ttl}
		seen := map[string]bool{}
		for _, a := range asked {
			b, err := l.named(ctx, a.Budget)
			if err != nil {
				return taken{}, err
			}
			if seen[b.ID] {
				return taken{}, namedTwice(a.Budget)
			}
			seen[b.ID] = true
			t.costs = append(t.costs, budgetCost{b.ID, a.Cost.Or(1)})
		}
		return l.take(ctx, t)
	})
}

// namedTwice is the error of a budget that a request names twice.
func namedTwice(name string) *latchkey.Error {
	return invalid(latchkey.Fault{
		Location: "/properties/budgets/items/properties/budget",
		Message:  fmt.Sprintf("the budget %q is named twice", name),
		Fix:      "Name each budget once, with the sum of its costs.",
	})
}

// changeTaken runs work on a ledger in a change.
func changeTaken(
	ctx context.Context, e *Engine, who Caller, work func(context.Context, *ledger) (taken, error),
) (taken, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (result taken, err error) {
		err = e.keep(ctx, c, func(ctx context.Context, l *ledger) (err error) {
			result, err = work(ctx, l)
			return err
		})
		return result, err
	})
}

// Settle ends a reservation: what was used is charged and the rest is free again. Without an
// amount, what was reserved is charged. What was used beyond that is charged as the overshoot of
// each budget says. It counts in the period in which the reservation was made; if that has
// ended, nothing becomes free in the next one but what was prepaid.
//
// A reservation ends once. The same settlement again has the same result, without an
// Idempotency-Key too; another one is 409. One that has expired can still be settled once: the
// use took place, so it is charged, and late is true. Ended reservations are kept for a week.
func (e *Engine) Settle(
	ctx context.Context, who Caller, r *latchkey.SettleReservationRequest,
) (latchkey.SettledReservation, error) {
	if _, both := r.Cost.Get(); both && len(r.Budgets) > 0 {
		return latchkey.SettledReservation{}, invalid(latchkey.Fault{
			Location: "/properties/cost", Message: "the request has both cost and budgets",
			Fix: "Send cost for the same amount of each budget, or budgets for one each.",
		})
	}
	return e.settleReservation(ctx, who, r)
}

// Release ends a reservation of which nothing was used. It is a settlement of 0.
func (e *Engine) Release(
	ctx context.Context, who Caller, r *latchkey.ReleaseReservationRequest,
) (latchkey.SettledReservation, error) {
	return e.settleReservation(ctx, who, &latchkey.SettleReservationRequest{
		ReservationID: r.ReservationID, Cost: latchkey.Set[int64](0),
	})
}

func (e *Engine) settleReservation(
	ctx context.Context, who Caller, r *latchkey.SettleReservationRequest,
) (latchkey.SettledReservation, error) {
	who.lane = store.Spends
	var charged *reservation // nil if the response is an earlier one
	done, err := change(ctx, e, who, func(
		ctx context.Context, c *Change,
	) (done latchkey.SettledReservation, err error) {
		err = e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
			res, err := l.reservation(ctx, r.ReservationID)
			if err != nil {
				return err
			}
			if err := res.ask(r); err != nil {
				return err
			}
			if err := l.settleAs(ctx, res); err != nil {
				return err
			}
			charged = res
			done, err = l.settled(ctx, res)
			return err
		})
		return done, err
	})
	if err == nil && charged != nil {
		e.hooks.noticeCharged(charged)
	}
	return done, err
}

// reservation is a reservation in a change, and what a settlement asks for.
type reservation struct {
	read.Reservation
	parts   []read.ReservationPartsRow
	used    []int64 // of each part
	credits int64   // used
}

// reservation returns a reservation of the caller's workspace, if the caller can call its
// operation on it. If it has expired, it has ended.
func (l *ledger) reservation(ctx context.Context, id string) (*reservation, error) {
	res, err := l.read(ctx, id, l.who.WorkspaceID())
	if err != nil {
		return nil, err
	}
	if err := l.requireFor(res); err != nil {
		return nil, err
	}
	if res.State == open && res.ExpiresAt <= l.now {
		return res, l.end(ctx, res, latchkey.ReservationExpired)
	}
	return res, nil
}

// requireFor returns an error unless the caller can call its operation on a reservation.
func (l *ledger) requireFor(res *reservation) error {
	require := l.require
	if res.KeyID == "" {
		require = func(on ids) error { return l.requireWhen(latchkey.WhenBudgetsReserved, on) }
	}
	on := ids{API: res.APIID, Keyspace: res.KeyspaceID, Key: res.KeyID}
	for _, p := range res.parts {
		on.Budget = p.ReservationPart.BudgetID
		if err := require(on); err != nil {
			return err
		}
	}
	if len(res.parts) == 0 { // credits alone
		return require(on)
	}
	return nil
}

const open = string(latchkey.ReservationOpen)

// read reads a reservation with its parts.
func (l *ledger) read(ctx context.Context, id, workspace string) (*reservation, error) {
	row, err := l.tx.Reservation(ctx, id, workspace)
	if err != nil {
		return nil, orNotFound(err, reservationNotFound())
	}
	parts, err := l.tx.ReservationParts(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reservation: %w", err)
	}
	return &reservation{Reservation: row, parts: parts}, nil
}

// reservationNotFound is the error for a reservation that does not exist.
func reservationNotFound() *latchkey.Error {
	return errReservationUnknown.with("There is no reservation with this id in this workspace. " +
		"Reservations that have ended are kept for a week.")
}

// ask sets what a request says was used.
func (res *reservation) ask(r *latchkey.SettleReservationRequest) error {
	cost, alike := r.Cost.Get()
	byBudget := map[string]int64{}
	for _, b := range r.Budgets {
		used, set := b.Cost.Get()
		if !set {
			used = 1
		}
		id := b.Budget
		for _, p := range res.parts {
			if p.ReservationPart.BudgetID == b.Budget {
				id = b.Budget
				break
			}
			if p.Name == b.Budget {
				id = p.ReservationPart.BudgetID
			}
		}
		if _, twice := byBudget[id]; twice {
			return namedTwice(b.Budget)
		}
		byBudget[id] = used
	}
	res.used = make([]int64, len(res.parts))
	for i, p := range res.parts {
		res.used[i] = p.ReservationPart.Amount
		if alike {
			res.used[i] = cost
		}
		if used, named := byBudget[p.ReservationPart.BudgetID]; named {
			res.used[i] = used
			delete(byBudget, p.ReservationPart.BudgetID)
		}
	}
	for name := range byBudget {
		return errBudgetNotFound.with("The reservation has nothing of a budget %q.", name)
	}
	res.credits = res.Credits
	if alike && cost == 0 {
		res.credits = 0 // nothing was used
	}
	if credits, set := r.Credits.Get(); set {
		if res.BalanceID == "" && credits > 0 {
			return invalid(latchkey.Fault{
				Location: "/properties/credits", Message: "the reservation has no credits",
				Fix: "Leave credits out.",
			})
		}
		res.credits = credits
	}
	return nil
}

// isNothing reports whether nothing was used.
func (res *reservation) isNothing() bool {
	all := res.credits
	for _, used := range res.used {
		all |= used
	}
	return all == 0
}

// settleAs ends a reservation as asked. One that has ended so already stays as it is.
func (l *ledger) settleAs(ctx context.Context, res *reservation) error {
	state := latchkey.ReservationSettled
	if res.isNothing() {
		state = latchkey.ReservationReleased
	}
	switch {
	case res.State == open:
		return l.end(ctx, res, state)
	case res.State == string(latchkey.ReservationExpired):
		return l.settleLate(ctx, res)
	case !res.asksTheSame():
		return errReservationSettled.with("This reservation has ended already, with another " +
			"amount. budgets.getReservation shows what was charged.")
	}
	return nil
}

// asksTheSame reports whether the settlement that ended a reservation asked for the same.
func (res *reservation) asksTheSame() bool {
	for i, p := range res.parts {
		if p.ReservationPart.Asked != res.used[i] {
			return false
		}
	}
	return res.CreditsAsked == res.credits
}

// end ends an open reservation. One that expires is charged as its budgets say.
func (l *ledger) end(
	ctx context.Context, res *reservation, state latchkey.ReservationState,
) error {
	expires := state == latchkey.ReservationExpired
	kind := latchkey.BudgetSettle
	if expires {
		kind = latchkey.BudgetExpire
		res.used = make([]int64, len(res.parts))
		res.credits = 0
	}
	for i := range res.parts {
		p := &res.parts[i].ReservationPart
		b, err := l.byID(ctx, p.BudgetID)
		if err != nil {
			return err
		}
		if b != nil {
			if expires {
				res.used[i] = b.usedOnExpiry(p.Amount)
			}
			p.Charged = b.settle(partOf(p), res.used[i])
			l.enter(b, p.EntryAt, kind, res.KeyID, p.Charged)
		}
		if err := l.endPart(ctx, p, res.used[i]); err != nil {
			return err
		}
	}
	if err := l.settleCredits(ctx, res, res.Credits); err != nil {
		return err
	}
	if err := l.count(ctx, quotaReservations, -1); err != nil {
		return err
	}
	res.State, res.EndedAt = string(state), l.now
	return l.writeEnd(ctx, res)
}

// settleLate charges what was used of a reservation that had expired.
func (l *ledger) settleLate(ctx context.Context, res *reservation) error {
	for i := range res.parts {
		p := &res.parts[i].ReservationPart
		b, err := l.byID(ctx, p.BudgetID)
		if err != nil {
			return err
		}
		if b != nil {
			before := p.Charged
			part := partOf(p)
			part.prepaid = min(part.prepaid, before) // nothing else is taken any longer
			p.Charged = b.correct(part, before, before, res.used[i])
			l.enter(b, p.EntryAt, latchkey.BudgetSettle, res.KeyID, p.Charged-before)
		}
		if err := l.endPart(ctx, p, res.used[i]); err != nil {
			return err
		}
	}
	if err := l.settleCredits(ctx, res, res.CreditsCharged); err != nil {
		return err
	}
	res.State, res.Late, res.EndedAt = string(latchkey.ReservationSettled), true, l.now
	return l.writeEnd(ctx, res)
}

func partOf(p *read.ReservationPart) budgetPart {
	return budgetPart{amount: p.Amount, prepaid: p.Prepaid, periodStart: p.PeriodStart}
}

func (l *ledger) endPart(ctx context.Context, p *read.ReservationPart, asked int64) error {
	p.Asked = asked
	return l.tx.EndReservationPart(ctx, write.EndReservationPartParams{
		ReservationID: p.ReservationID, BudgetID: p.BudgetID, Asked: asked, Charged: p.Charged,
	})
}

func (l *ledger) writeEnd(ctx context.Context, res *reservation) error {
	res.CreditsAsked = res.credits
	return l.tx.EndReservation(ctx, write.EndReservationParams{
		ID: res.ID, State: res.State, CreditsAsked: res.CreditsAsked,
		CreditsCharged: res.CreditsCharged, Late: res.Late, EndedAt: res.EndedAt,
	})
}

// settleCredits gives back credits that were taken and not used, or takes what was used beyond
// them, as far as the balance has it. If the balance was refilled or set since the reservation,
// or is gone, what was reserved belongs to the one before: none of it is given back, nor taken.
func (l *ledger) settleCredits(ctx context.Context, res *reservation, taken int64) error {
	res.CreditsCharged = res.credits
	if res.BalanceID == "" || res.credits == taken {
		return nil
	}
	epoch, err := l.tx.BalanceEpoch(ctx, res.BalanceID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("balance: %w", err)
	}
	if err != nil || epoch != res.CreditsEpoch {
		if taken = res.Credits; res.credits <= taken {
			return nil
		}
	}
	if res.credits < taken {
		_, err := l.tx.AddBalance(ctx, taken-res.credits, res.BalanceID)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the balance is at the maximum
		}
		return err
	}
	more, err := l.spendUpTo(ctx, res.BalanceID, res.credits-taken)
	res.CreditsCharged = taken + more
	return err
}

// spendUpTo spends an amount of credits, or all that there is. Others can spend meanwhile.
func (l *ledger) spendUpTo(ctx context.Context, balance string, amount int64) (int64, error) {
	for amount > 0 {
		_, err := l.tx.Spend(ctx, amount, balance)
		if !errors.Is(err, store.ErrNotFound) {
			return amount, err
		}
		left, err := l.tx.Balance(ctx, balance)
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		amount = min(amount, left)
	}
	return 0, nil
}

// settled returns what became of a reservation that has ended.
func (l *ledger) settled(
	ctx context.Context, res *reservation,
) (latchkey.SettledReservation, error) {
	done := latchkey.SettledReservation{
		Budgets: []latchkey.BudgetState{}, Charged: []latchkey.BudgetCost{}, Late: res.Late,
	}
	if res.BalanceID != "" {
		done.Credits = latchkey.Set(res.CreditsCharged)
	}
	for _, p := range res.parts {
		b, err := l.byID(ctx, p.ReservationPart.BudgetID)
		if err != nil {
			return done, err
		}
		if b == nil {
			continue
		}
		done.Budgets = append(done.Budgets, b.state(false))
		done.Charged = append(done.Charged, latchkey.BudgetCost{
			Budget: b.ID, Cost: latchkey.Set(p.ReservationPart.Charged),
		})
	}
	return done, nil
}

// expire ends a reservation that has expired, unless it has ended.
func (l *ledger) expire(ctx context.Context, id string) error {
	return l.endOpen(ctx, id, latchkey.ReservationExpired)
}

// release ends a reservation of which nothing was used, unless it has ended.
func (l *ledger) release(ctx context.Context, id string) error {
	return l.endOpen(ctx, id, latchkey.ReservationReleased)
}

func (l *ledger) endOpen(
	ctx context.Context, id string, state latchkey.ReservationState,
) error {
	res, err := l.read(ctx, id, l.who.WorkspaceID())
	if err != nil || res.State != open {
		return err
	}
	res.used = make([]int64, len(res.parts))
	return l.end(ctx, res, state)
}

// Extend gives an open reservation another end, from now on. One that has ended, expired or not,
// returns 409.
func (e *Engine) Extend(
	ctx context.Context, who Caller, r *latchkey.ExtendReservationRequest,
) (latchkey.ExtendedReservation, error) {
	who.lane = store.Spends
	return change(ctx, e, who, func(
		ctx context.Context, c *Change,
	) (done latchkey.ExtendedReservation, err error) {
		var ended bool
		err = e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
			res, err := l.reservation(ctx, r.ReservationID)
			if err != nil {
				return err
			}
			if ended = res.State != open; ended {
				return nil
			}
			expires := l.now + r.TTL.Milliseconds()
			done.Expires = latchkey.AtMilli(expires)
			return l.extend(ctx, res, expires)
		})
		if err == nil && ended {
			err = errReservationSettled.with("This reservation has ended and can't be extended.")
		}
		return done, err
	})
}

func (l *ledger) extend(ctx context.Context, res *reservation, expires int64) error {
	for _, p := range res.parts {
		b, err := l.byID(ctx, p.ReservationPart.BudgetID)
		if err != nil {
			return err
		}
		if b != nil {
			b.expireBy(expires)
		}
	}
	if err := l.tx.ExtendReservationParts(ctx, res.ID, expires); err != nil {
		return err
	}
	return l.tx.ExtendReservation(ctx, res.ID, expires)
}

// GetReservation returns a reservation. Ended ones are kept for a week.
func (e *Engine) GetReservation(
	ctx context.Context, who Caller, r *latchkey.GetReservationRequest,
) (latchkey.Reservation, error) {
	row, err := e.db.Reservation(ctx, r.ReservationID, who.WorkspaceID())
	if err != nil {
		return latchkey.Reservation{}, orNotFound(err, reservationNotFound())
	}
	described, err := e.describeReservation(ctx, row)
	if err != nil {
		return latchkey.Reservation{}, err
	}
	if len(described.Budgets) == 0 {
		return described, who.require(everything)
	}
	for _, part := range described.Budgets {
		if err := who.require(ids{Budget: part.ID}); err != nil {
			return latchkey.Reservation{}, err
		}
	}
	return described, nil
}

// ListReservations returns the reservations of the workspace, the oldest first, page by page:
// those of a budget, of a key or in a state, if the request names them.
func (e *Engine) ListReservations(
	ctx context.Context, who Caller, r *latchkey.ListReservationsRequest,
) (latchkey.Page[latchkey.Reservation], error) {
	var none latchkey.Page[latchkey.Reservation]
	which := read.ReservationsPageParams{
		WorkspaceID: who.WorkspaceID(), KeyID: r.KeyID, State: string(r.State),
	}
	if r.Budget != "" {
		b, err := e.readBudget(ctx, who, r.Budget)
		if err != nil {
			return none, err
		}
		which.BudgetID = b.Budget.ID
	} else if err := who.require(everything); err != nil {
		return none, err
	}
	if _, _, err := parseReservationPlace(r.Cursor); err != nil {
		return none, err
	}
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.Reservation) string { return fmt.Sprintf("%d,%s", row.CreatedAt, row.ID) },
		func(cursor string, most int64) (rows []read.Reservation, err error) {
			which := which
			which.Most = most
			if which.FromTime, which.FromID, err = parseReservationPlace(cursor); err != nil {
				return nil, err
			}
			return e.db.ReservationsPage(ctx, which)
		},
		eachOr(func(row read.Reservation) (latchkey.Reservation, error) {
			described, err := e.describeReservation(ctx, row)
			if who.require(everything) != nil {
				described.Credits = latchkey.Opt[int64]{}
				described.Budgets = slices.DeleteFunc(described.Budgets,
					func(part latchkey.ReservedAmount) bool {
						return who.require(ids{Budget: part.ID}) != nil
					})
			}
			return described, err
		}))
}

// parseReservationPlace parses a cursor; "" is the beginning.
func parseReservationPlace(cursor string) (time int64, id string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	at, id, _ := strings.Cut(cursor, ",")
	if time, err = strconv.ParseInt(at, 10, 64); err != nil {
		return 0, "", wrongCursor()
	}
	return time, id, nil
}

// describeReservation returns a stored reservation as the API has it.
func (e *Engine) describeReservation(
	ctx context.Context, row read.Reservation,
) (latchkey.Reservation, error) {
	parts, err := e.db.ReservationParts(ctx, row.ID)
	if err != nil {
		return latchkey.Reservation{}, fmt.Errorf("reservation: %w", err)
	}
	r := latchkey.Reservation{
		ID: row.ID, State: latchkey.ReservationState(row.State), KeyID: row.KeyID,
		Budgets: []latchkey.ReservedAmount{}, CreatedAt: latchkey.AtMilli(row.CreatedAt),
		Expires: latchkey.AtMilli(row.ExpiresAt), EndedAt: timeOf(row.EndedAt),
	}
	if row.BalanceID != "" {
		r.Credits = latchkey.Set(row.Credits)
	}
	for _, p := range parts {
		amount := latchkey.ReservedAmount{
			ID: p.ReservationPart.BudgetID, Name: p.Name, Reserved: p.ReservationPart.Amount,
		}
		if row.State != open {
			amount.Charged = latchkey.Set(p.ReservationPart.Charged)
		}
		r.Budgets = append(r.Budgets, amount)
	}
	return r, nil
}

// expireReservations ends the reservations that have expired and that nobody has come across.
// What fails in one workspace doesn't keep those of the others from ending.
func (e *Engine) expireReservations(ctx context.Context) error {
	const atOnce, inOneChange = 1024, 32
	for {
		due, err := e.db.ExpiredReservations(ctx, e.now(), atOnce)
		if err != nil || len(due) == 0 {
			return err
		}
		byWorkspace := map[string][]string{}
		for _, row := range due {
			byWorkspace[row.WorkspaceID] = append(byWorkspace[row.WorkspaceID], row.ID)
		}
		var failed []error
		for workspace, all := range byWorkspace {
			for some := range slices.Chunk(all, inOneChange) {
				if err := e.expireIn(ctx, workspace, some); err != nil {
					failed = append(failed, fmt.Errorf("workspace %s: %w", workspace, err))
					break
				}
			}
		}
		if len(failed) > 0 {
			return errors.Join(failed...) // the next run tries again
		}
	}
}

func (e *Engine) expireIn(ctx context.Context, workspace string, all []string) error {
	sweeper := e.system(workspace)
	sweeper.lane = store.Spends
	return e.change(ctx, sweeper, func(ctx context.Context, c *Change) error {
		return e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
			for _, id := range all {
				res, err := l.read(ctx, id, workspace)
				if err != nil {
					return err
				}
				if res.State != open || res.ExpiresAt > l.now { // settled or extended meanwhile
					continue
				}
				if err := l.end(ctx, res, latchkey.ReservationExpired); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

const (
	// endedRetention is how long reservations that have ended are kept.
	endedRetention = 7 * 24 * time.Hour
	// statementRetention is how long statements and crossed thresholds are kept.
	statementRetention = 400 * 24 * time.Hour
)

// dropReservations deletes reservations that ended long ago.
func (e *Engine) dropReservations(ctx context.Context) error {
	before := e.now() - endedRetention.Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		if err := tx.DropReservationParts(ctx, before, chunk); err != nil {
			return 0, err
		}
		return tx.DropReservations(ctx, before, chunk)
	})
}

// dropStatements deletes old entries of statements, and thresholds that were crossed long ago.
func (e *Engine) dropStatements(ctx context.Context) error {
	before := e.now() - statementRetention.Milliseconds()
	return errors.Join(
		deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return tx.DropBudgetEntries(ctx, before, chunk)
		}),
		deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return tx.DropBudgetCrossings(ctx, before, chunk)
		}))
}
