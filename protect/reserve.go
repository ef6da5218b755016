package protect

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// Budgets ends and extends reservations. It must be safe for concurrent use. The field Budgets
// of a [latchkey.Client] is one.
type Budgets interface {
	Settle(ctx context.Context, r latchkey.SettleReservationRequest,
		opts ...latchkey.CallOption) (latchkey.SettledReservation, error)
	Release(ctx context.Context, r latchkey.ReleaseReservationRequest,
		opts ...latchkey.CallOption) (latchkey.SettledReservation, error)
	Extend(ctx context.Context, r latchkey.ExtendReservationRequest,
		opts ...latchkey.CallOption) (latchkey.ExtendedReservation, error)
}

// patience bounds a call about a reservation. The context of a request doesn't: the
// reservation of a caller who has disconnected must end, too.
const patience = 10 * time.Second

// The ttl that a reservation can have.
const (
	minTTL = time.Second
	maxTTL = 24 * time.Hour
)

// Reserve returns a guard that reserves what a request can cost instead of spending it: these
// amounts of budgets that are attached to the key or its identity, those that apply to the key
// automatically, and credits. If one has too little, nothing is reserved and the request gets
// status 402. The handler finds the reservation with [ReservationFromContext] and settles it
// with what was used. If it returns or panics without that, all of it is released.
//
// While the handler runs, the reservation is extended in time. The ttl, from a second to a day,
// is how long it lasts if this process ends without a word.
//
// Costs replace those that g has. Reserve panics if Config.Budgets is nil, or if ttl is out of
// range.
func (g *Guard) Reserve(ttl time.Duration, costs ...latchkey.BudgetCost) *Guard {
	if g.budgets == nil {
		panic("protect: Reserve needs Config.Budgets")
	}
	mustTTL(ttl)
	d := *g
	d.ask.Budgets = slices.Clone(costs)
	d.ask.Reserve = &latchkey.VerifyKeyReserve{TTL: latchkey.Per(ttl)}
	return &d
}

func mustTTL(ttl time.Duration) {
	if ttl < minTTL || ttl > maxTTL {
		panic("protect: the ttl of a reservation is from a second to a day")
	}
}

// Begin returns the context for a request that has passed, with the verification for
// [FromContext] and, if the guard reserves, the reservation for [ReservationFromContext]. The
// function ends the reservation: call it when the request has ended, however it ends. It
// releases what nobody has settled. Begin is for adapters; [Guard.Handler] and [Protect] call
// it.
func (g *Guard) Begin(
	ctx context.Context, v latchkey.Verification,
) (context.Context, func()) {
	ctx = NewContext(ctx, v)
	if v.Reservation == nil || g.budgets == nil || g.ask.Reserve == nil {
		return ctx, func() {}
	}
	r := &Reservation{
		id: v.Reservation.ID, guard: g, ctx: context.WithoutCancel(ctx),
		ttl: g.ask.Reserve.TTL.Duration(),
	}
	r.mu.Lock()
	r.timer = time.AfterFunc(r.interval(), r.renew)
	r.mu.Unlock()
	return context.WithValue(ctx, reservationKey{}, r), r.end
}

type reservationKey struct{}

// ReservationFromContext returns what was reserved for a request, and whether something was.
// There is something behind a guard of [Guard.Reserve], unless [FailOpen] let the request pass,
// or the key has neither budgets nor credits.
func ReservationFromContext(ctx context.Context) (*Reservation, bool) {
	r, ok := ctx.Value(reservationKey{}).(*Reservation)
	return r, ok
}

// Reservation is what was reserved for a request that is being handled. It is safe for
// concurrent use. Each call to the service ends after 10 seconds, and not with its context,
// because what was used is charged also if the caller has disconnected.
type Reservation struct {
	id    string
	guard *Guard
	ctx   context.Context // of the request, but never ends

	mu    sync.Mutex // held during calls
	ttl   time.Duration
	timer *time.Timer                        // of the next extension
	asked *latchkey.SettleReservationRequest // the last settlement that failed
	ended bool
}

// ID identifies the reservation in requests.
func (r *Reservation) ID() string { return r.id }

// Settle charges cost to each budget that [Guard.Reserve] names, and frees the rest. Budgets
// that apply automatically and credits are charged what was reserved. If Reserve names no
// budget, cost is what the credits are charged.
//
// A reservation ends once: to settle it again does nothing with the same cost, and is a
// [latchkey.ErrConflict] with another. The last settlement that fails otherwise is tried once
// more when the handler returns.
func (r *Reservation) Settle(ctx context.Context, cost int64) error {
	request := latchkey.SettleReservationRequest{ReservationID: r.id}
	for _, b := range r.guard.ask.Budgets {
		request.Budgets = append(request.Budgets,
			latchkey.BudgetCost{Budget: b.Budget, Cost: latchkey.Int(cost)})
	}
	if len(request.Budgets) == 0 {
		request.Credits = latchkey.Int(cost)
	}
	return r.settle(ctx, request)
}

// SettleEach is [Reservation.Settle] with a cost for each budget. Those that it doesn't name are
// charged what was reserved.
func (r *Reservation) SettleEach(ctx context.Context, costs ...latchkey.BudgetCost) error {
	return r.settle(ctx, latchkey.SettleReservationRequest{
		ReservationID: r.id, Budgets: slices.Clone(costs),
	})
}

func (r *Reservation) settle(
	ctx context.Context, request latchkey.SettleReservationRequest,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := patient(ctx)
	defer cancel()
	_, err := r.guard.budgets.Settle(ctx, request)
	if err == nil || errors.Is(err, latchkey.ErrConflict) {
		r.stop()
	} else {
		r.asked = &request
	}
	return err
}

// Extend makes the reservation last for ttl from now, and for as long with each extension that
// follows. It panics if ttl is not from a second to a day.
func (r *Reservation) Extend(ctx context.Context, ttl time.Duration) error {
	mustTTL(ttl)
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.extend(ctx, ttl)
	if err == nil && !r.ended {
		r.ttl = ttl
		r.timer.Reset(r.interval())
	}
	return err
}

func (r *Reservation) extend(ctx context.Context, ttl time.Duration) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	_, err := r.guard.budgets.Extend(ctx, latchkey.ExtendReservationRequest{
		ReservationID: r.id, TTL: latchkey.Per(ttl),
	})
	return err
}

// interval is how long to wait for the next extension: one that fails can be repeated before
// the reservation expires.
func (r *Reservation) interval() time.Duration { return r.ttl / 3 }

// renew extends the reservation of a handler that still runs.
func (r *Reservation) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	err := r.extend(r.ctx, r.ttl)
	if err != nil {
		r.guard.onError.logger().WarnContext(r.ctx,
			"protect: a reservation could not be extended", "reservation", r.id, "error", err)
	}
	if !errors.Is(err, latchkey.ErrConflict) { // it has expired, or was ended by somebody else
		r.timer.Reset(r.interval())
	}
}

// end ends the reservation when the handler has ended.
func (r *Reservation) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.stop()
	ctx, cancel := patient(r.ctx)
	defer cancel()
	var err error
	if r.asked != nil {
		_, err = r.guard.budgets.Settle(ctx, *r.asked)
	} else {
		_, err = r.guard.budgets.Release(ctx, latchkey.ReleaseReservationRequest{ReservationID: r.id})
	}
	if err == nil || r.asked == nil && errors.Is(err, latchkey.ErrConflict) {
		return // settled, perhaps by its id
	}
	r.guard.onError.logger().ErrorContext(r.ctx, "protect: a reservation could not be ended",
		"reservation", r.id, "used", r.asked != nil, "error", err)
}

// stop ends the extensions.
func (r *Reservation) stop() {
	r.ended = true
	r.timer.Stop()
}

// patient returns a context that ends after patience, whatever ends before it.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}
