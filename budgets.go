package latchkey

import (
	"context"
	"iter"
)

// Budget is an amount that keys, identities and calls without a key share. A period can bring an
// allowance, which doesn't carry over; a balance, raised by grants, does. A call spends from the
// allowance first.
type Budget struct {
	// ID identifies the budget in requests.
	ID string `json:"id" check:"required"`
	// Name is its name, unique in the workspace, which identifies the budget too.
	Name string `json:"name" check:"required"`
	// Unit is a label for its amounts, such as tokens; "" for none.
	Unit string `json:"unit" check:"required"`
	// Allowance is what each period brings; null for nothing.
	Allowance Opt[int64] `json:"allowance,omitzero" check:"required,null"`
	// Period is how time is divided; null for one period without end.
	Period Opt[BudgetPeriod] `json:"period,omitzero" check:"required,null"`
	// Balance is the prepaid part, without what calls of this moment have reserved of it. It is below
	// zero if more was used than there was.
	Balance int64 `json:"balance" check:"required"`
	// Remaining is what can be spent or reserved now: the rest of the allowance and the balance,
	// without open reservations.
	Remaining int64 `json:"remaining" check:"required"`
	// Reserved is what open reservations have taken from Remaining.
	Reserved int64 `json:"reserved" check:"required"`
	// Open is the number of open reservations.
	Open int64 `json:"open" check:"required"`
	// Spent is what was spent and settled in this period.
	Spent int64 `json:"spent" check:"required"`
	// Reset is the end of this period, in unix milliseconds; absent without a period.
	Reset Time `json:"reset,omitzero"`
	// Overshoot is what becomes of a settlement above the reserved amount: charge or clamp.
	Overshoot BudgetOvershoot `json:"overshoot" check:"required,enum=charge|clamp"`
	// OnExpiry is what becomes of a reservation that nobody settles: release or charge.
	OnExpiry BudgetExpiry `json:"onExpiry" check:"required,enum=release|charge"`
	// MaxOpen is how many reservations can be open at once; null for any number.
	MaxOpen Opt[int64] `json:"maxOpen,omitzero" check:"required,null"`
	// Thresholds are percentages whose crossing is recorded once in each period.
	Thresholds []int64 `json:"thresholds" check:"required"`
	// Enabled is false while nothing can be spent or reserved.
	Enabled bool `json:"enabled" check:"required"`
	// Meta is metadata; absent if there is none.
	Meta Meta `json:"meta,omitempty"`
	// CreatedAt is when the budget was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// UpdatedAt is when budgets.updateBudget last changed it, in unix milliseconds.
	UpdatedAt Time `json:"updatedAt,omitzero"`
}

// BudgetPeriod divides time into hours, days, weeks or months of a time zone. A day begins and
// ends at local midnight, so it can have 23 or 25 hours.
type BudgetPeriod struct {
	// Every is the length: hour, day, week or month.
	Every BudgetEvery `json:"every" check:"required,enum=hour|day|week|month"`
	// TimeZone is a name of the IANA time zone database, such as Europe/Berlin; UTC by default.
	TimeZone string `json:"timeZone,omitempty" check:"min=1,max=64"`
	// Anchor is the day on which a week (1, Monday, to 7) or a month (1 to 31) begins; 1 by default. A
	// month without that day begins on its last one.
	Anchor int `json:"anchor,omitempty" check:"min=1,max=31"`
}

// BudgetEvery is the length of a period.
type BudgetEvery string

// The values of BudgetEvery.
const (
	EveryHour  BudgetEvery = "hour"
	EveryDay   BudgetEvery = "day"
	EveryWeek  BudgetEvery = "week"
	EveryMonth BudgetEvery = "month"
)

// BudgetOvershoot is what becomes of a settlement above the reserved amount.
type BudgetOvershoot string

// The values of BudgetOvershoot.
const (
	// ChargeOvershoot charges all of it, below zero if need be.
	ChargeOvershoot BudgetOvershoot = "charge"
	// ClampOvershoot charges what is left.
	ClampOvershoot BudgetOvershoot = "clamp"
)

// BudgetExpiry is what becomes of a reservation that nobody settles.
type BudgetExpiry string

// The values of BudgetExpiry.
const (
	// ReleaseOnExpiry frees all of it.
	ReleaseOnExpiry BudgetExpiry = "release"
	// ChargeOnExpiry charges all of it.
	ChargeOnExpiry BudgetExpiry = "charge"
)

// CreateBudgetRequest asks for a new budget. Without an allowance it begins empty.
type CreateBudgetRequest struct {
	// Name is a name, unique in the workspace.
	Name string `json:"name" check:"required,min=1,max=255"`
	// Unit is a label for its amounts, such as tokens.
	Unit string `json:"unit,omitempty" check:"max=32"`
	// Allowance is what each period brings; null or absent for nothing.
	Allowance Opt[int64] `json:"allowance,omitzero" check:"null,min=0,max=9007199254740991"`
	// Period is how time is divided; null or absent for one period without end.
	Period Opt[BudgetPeriod] `json:"period,omitzero" check:"null"`
	// Overshoot is what becomes of a settlement above the reserved amount: charge, the default, takes
	// all of it, below zero if need be; clamp takes what is left.
	Overshoot BudgetOvershoot `json:"overshoot,omitempty" check:"enum=charge|clamp,default=charge"`
	// OnExpiry is what becomes of a reservation that nobody settles: release, the default, or charge.
	OnExpiry BudgetExpiry `json:"onExpiry,omitempty" check:"enum=release|charge,default=release"`
	// MaxOpen is how many reservations can be open at once; null or absent for any number.
	MaxOpen Opt[int64] `json:"maxOpen,omitzero" check:"null,min=0,max=1000000"`
	// Thresholds are percentages of the allowance, or without one of the balance after the last
	// grant. The crossing of each is recorded once in each period.
	Thresholds []int64 `json:"thresholds,omitempty" check:"max=5,items.min=1,items.max=100"`
	// Enabled is false to create a budget of which nothing can be spent.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// Meta is metadata.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
}

// CreatedBudget is the response to [CreateBudgetRequest].
type CreatedBudget struct {
	// BudgetID identifies the new budget in requests.
	BudgetID string `json:"budgetId" check:"required"`
}

// GetBudgetRequest asks for one budget.
type GetBudgetRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
}

// ListBudgetsRequest asks for one page of the budgets of the workspace.
type ListBudgetsRequest struct {
	// Limit is the largest number of budgets in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the budgets whose id or name contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateBudgetRequest changes a budget. Absent fields stay as they are, null clears. No change
// resets what was spent.
type UpdateBudgetRequest struct {
	// Budget is the id or the name of the budget to change.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// Name is a new name.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=255"`
	// Unit is a new label for its amounts; null removes it.
	Unit Opt[string] `json:"unit,omitzero" check:"null,max=32"`
	// Allowance is what each period brings, from this one on; null for nothing. One below what is used
	// only refuses what is new.
	Allowance Opt[int64] `json:"allowance,omitzero" check:"null,min=0,max=9007199254740991"`
	// Period is how time is divided from now on: the current period ends where one of the new ones
	// does. Null is one period without end.
	Period Opt[BudgetPeriod] `json:"period,omitzero" check:"null"`
	// Overshoot is what becomes of a settlement above the reserved amount: charge or clamp.
	Overshoot BudgetOvershoot `json:"overshoot,omitempty" check:"enum=charge|clamp"`
	// OnExpiry is what becomes of a reservation that nobody settles: release or charge.
	OnExpiry BudgetExpiry `json:"onExpiry,omitempty" check:"enum=release|charge"`
	// MaxOpen is how many reservations can be open at once; null for any number.
	MaxOpen Opt[int64] `json:"maxOpen,omitzero" check:"null,min=0,max=1000000"`
	// Thresholds replaces the percentages; null or an empty list removes all.
	Thresholds Opt[[]int64] `json:"thresholds,omitzero" check:"null,max=5,items.min=1,items.max=100"`
	// Enabled enables or disables the budget.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Meta replaces the metadata as a whole; null clears it.
	Meta Opt[Meta] `json:"meta,omitzero" check:"null,max=100"`
}

// DeleteBudgetRequest asks to delete a budget. Its open reservations end released, those of other
// budgets in them too.
type DeleteBudgetRequest struct {
	// Budget is the id or the name of the budget to delete.
	Budget string `json:"budget" check:"required,min=1,max=255"`
}

// GrantBudgetRequest changes the balance of a budget.
type GrantBudgetRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// Amount is added to the balance. It can be below zero, but not zero.
	Amount Opt[int64] `json:"amount,omitzero" check:"required,min=-9007199254740991,max=9007199254740991"`
	// Note is kept in the audit log.
	Note string `json:"note,omitempty" check:"max=255"`
}

// GrantedBudget is the response to [GrantBudgetRequest].
type GrantedBudget struct {
	// Balance is the new balance.
	Balance int64 `json:"balance" check:"required"`
	// Remaining is what can be spent or reserved now.
	Remaining int64 `json:"remaining" check:"required"`
}

// AttachBudgetRequest attaches a budget to a key or to an identity, so that verifications can
// spend from it.
type AttachBudgetRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// KeyID is the key. Keys that replace it in a reroll have the budget too.
	KeyID string `json:"keyId,omitempty" check:"min=3,max=255,pattern=id"`
	// ExternalID is your name for the identity, whose keys all have the budget.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255,pattern=externalId"`
	// AutoApply is true, the default, to spend 1 with every verification that names no cost.
	AutoApply Opt[bool] `json:"autoApply,omitzero" check:"default=true"`
}

// DetachBudgetRequest detaches a budget from a key or from an identity.
type DetachBudgetRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// KeyID is the key.
	KeyID string `json:"keyId,omitempty" check:"min=3,max=255,pattern=id"`
	// ExternalID is your name for the identity.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255,pattern=externalId"`
}

// ListBudgetAttachmentsRequest asks for one page of the keys and identities that have a budget.
type ListBudgetAttachmentsRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// Limit is the largest number of attachments in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// BudgetAttachment is a key or an identity that has a budget.
type BudgetAttachment struct {
	// KeyID is the key; absent for an identity. Of keys that were rerolled it is the newest. A
	// deleted key is here as long as its record exists.
	KeyID string `json:"keyId,omitempty"`
	// ExternalID is your name for the identity; absent for a key.
	ExternalID string `json:"externalId,omitempty"`
	// AutoApply reports whether every verification spends from the budget.
	AutoApply bool `json:"autoApply" check:"required"`
}

// BudgetCost is an amount of a budget.
type BudgetCost struct {
	// Budget is the id or the name of the budget. In responses it is the id.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// Cost is the amount; 1 by default.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,max=9007199254740991,default=1"`
}

// BudgetState is a budget after a call.
type BudgetState struct {
	// ID identifies the budget.
	ID string `json:"id" check:"required"`
	// Name is its name.
	Name string `json:"name" check:"required"`
	// Unit is a label for its amounts; "" for none.
	Unit string `json:"unit" check:"required"`
	// Remaining is what can be spent or reserved now.
	Remaining int64 `json:"remaining" check:"required"`
	// Reserved is what open reservations have taken from Remaining.
	Reserved int64 `json:"reserved" check:"required"`
	// Allowance is what each period brings; null for nothing.
	Allowance Opt[int64] `json:"allowance,omitzero" check:"required,null"`
	// Reset is the end of this period, in unix milliseconds; absent without a period.
	Reset Time `json:"reset,omitzero"`
	// Exceeded reports whether this budget refused the call.
	Exceeded bool `json:"exceeded" check:"required"`
}

// SpendBudgetsRequest spends from budgets without a key: from all of them or from none.
type SpendBudgetsRequest struct {
	// Budgets are what to spend. A budget can be named once.
	Budgets []BudgetCost `json:"budgets" check:"required,min=1,max=8"`
}

// SpentBudgets is the response to [SpendBudgetsRequest].
type SpentBudgets struct {
	// Success reports whether all of it was spent. Otherwise nothing was.
	Success bool `json:"success" check:"required"`
	// Budgets are the budgets after the call.
	Budgets []BudgetState `json:"budgets" check:"required"`
}

// ReserveBudgetsRequest reserves amounts of budgets without a key: of all of them or of none.
type ReserveBudgetsRequest struct {
	// Budgets are what to reserve. A budget can be named once.
	Budgets []BudgetCost `json:"budgets" check:"required,min=1,max=8"`
	// TTL is how long the reservation lasts at most, in milliseconds, from a second to a day.
	TTL Duration `json:"ttl" check:"required,min=1000,max=86400000"`
}

// ReservedBudgets is the response to [ReserveBudgetsRequest].
type ReservedBudgets struct {
	// Success reports whether all of it was reserved. Otherwise nothing was.
	Success bool `json:"success" check:"required"`
	// Budgets are the budgets after the call.
	Budgets []BudgetState `json:"budgets" check:"required"`
	// Reservation is the new reservation; absent without success.
	Reservation *NewReservation `json:"reservation,omitempty"`
}

// NewReservation is a reservation that a call has made.
type NewReservation struct {
	// ID identifies the reservation in requests.
	ID string `json:"id" check:"required"`
	// Expires is when it ends if nobody settles it, in unix milliseconds.
	Expires Time `json:"expires" check:"required"`
}

// VerifyKeyReserve says that a verification reserves what it costs.
type VerifyKeyReserve struct {
	// TTL is how long the reservation lasts at most, in milliseconds, from a second to a day.
	TTL Duration `json:"ttl" check:"required,min=1000,max=86400000"`
}

// SettleReservationRequest ends a reservation: what was used is charged, the rest is free again.
// Without an amount, what was reserved is charged.
type SettleReservationRequest struct {
	// ReservationID is the reservation.
	ReservationID string `json:"reservationId" check:"required,min=3,max=255,pattern=id"`
	// Cost is what was used of each budget. Send Cost or Budgets.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,max=9007199254740991"`
	// Budgets are what was used of each budget. Of those not named, what was reserved is charged.
	Budgets []BudgetCost `json:"budgets,omitempty" check:"max=16"`
	// Credits is what was used of the key's credits, if some were reserved. What is used above that is
	// taken as far as the balance has it.
	Credits Opt[int64] `json:"credits,omitzero" check:"min=0,max=1000000000000"`
}

// SettledReservation is the response to [SettleReservationRequest].
type SettledReservation struct {
	// Budgets are the budgets after the call. Deleted ones are absent.
	Budgets []BudgetState `json:"budgets" check:"required"`
	// Charged is what each budget was charged. It is less than what was used if a budget clamps.
	Charged []BudgetCost `json:"charged" check:"required"`
	// Credits is what the key's credits were charged; absent if none were reserved.
	Credits Opt[int64] `json:"credits,omitzero"`
	// Late reports whether the reservation had expired before.
	Late bool `json:"late" check:"required"`
}

// ReleaseReservationRequest ends a reservation of which nothing was used.
type ReleaseReservationRequest struct {
	// ReservationID is the reservation.
	ReservationID string `json:"reservationId" check:"required,min=3,max=255,pattern=id"`
}

// ExtendReservationRequest gives an open reservation another end.
type ExtendReservationRequest struct {
	// ReservationID is the reservation.
	ReservationID string `json:"reservationId" check:"required,min=3,max=255,pattern=id"`
	// TTL is how long it lasts from now, in milliseconds, from a second to a day.
	TTL Duration `json:"ttl" check:"required,min=1000,max=86400000"`
}

// ExtendedReservation is the response to [ExtendReservationRequest].
type ExtendedReservation struct {
	// Expires is when the reservation ends if nobody settles it, in unix milliseconds.
	Expires Time `json:"expires" check:"required"`
}

// GetReservationRequest asks for one reservation.
type GetReservationRequest struct {
	// ReservationID is the reservation.
	ReservationID string `json:"reservationId" check:"required,min=3,max=255,pattern=id"`
}

// Reservation is an amount of some budgets that a call has set aside. Ended ones are kept for a
// week.
type Reservation struct {
	// ID identifies the reservation in requests.
	ID string `json:"id" check:"required"`
	// State is open, settled, released or expired.
	State ReservationState `json:"state" check:"required,enum=open|settled|released|expired"`
	// Budgets are what it reserved.
	Budgets []ReservedAmount `json:"budgets" check:"required"`
	// Credits is what it reserved of the key's credits; absent for none.
	Credits Opt[int64] `json:"credits,omitzero"`
	// KeyID is the key whose verification made it; absent without a key.
	KeyID string `json:"keyId,omitempty"`
	// CreatedAt is when it was made, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// Expires is when it ends if nobody settles it, in unix milliseconds.
	Expires Time `json:"expires" check:"required"`
	// EndedAt is when it ended, in unix milliseconds.
	EndedAt Time `json:"endedAt,omitzero"`
}

// ReservationState is what became of a reservation.
type ReservationState string

// The values of ReservationState.
const (
	ReservationOpen     ReservationState = "open"
	ReservationSettled  ReservationState = "settled"
	ReservationReleased ReservationState = "released"
	ReservationExpired  ReservationState = "expired"
)

// ReservedAmount is what a reservation has of one budget.
type ReservedAmount struct {
	// ID identifies the budget.
	ID string `json:"id" check:"required"`
	// Name is its name; "" if the budget was deleted.
	Name string `json:"name" check:"required"`
	// Reserved is what was reserved.
	Reserved int64 `json:"reserved" check:"required"`
	// Charged is what was charged; absent while the reservation is open.
	Charged Opt[int64] `json:"charged,omitzero"`
}

// ListReservationsRequest asks for one page of reservations, from the oldest on.
type ListReservationsRequest struct {
	// Budget keeps the reservations of a budget, by its id or name.
	Budget string `json:"budget,omitempty" check:"min=1,max=255"`
	// KeyID keeps the reservations of a key.
	KeyID string `json:"keyId,omitempty" check:"min=3,max=255,pattern=id"`
	// State keeps the reservations in a state.
	State ReservationState `json:"state,omitempty" check:"enum=open|settled|released|expired"`
	// Limit is the largest number of reservations in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// ListBudgetEntriesRequest asks for one page of the statement of a budget.
type ListBudgetEntriesRequest struct {
	// Budget is the id or the name of the budget.
	Budget string `json:"budget" check:"required,min=1,max=255"`
	// From is the first moment, in unix milliseconds; absent for the beginning.
	From Time `json:"from,omitzero" check:"min=0"`
	// To is the moment before which the statement ends, in unix milliseconds; absent for now.
	To Time `json:"to,omitzero" check:"min=0"`
	// Per is hour, the default, day or month: entries of one are summed. Days and months are those of
	// the budget's time zone.
	Per BudgetPer `json:"per,omitempty" check:"enum=hour|day|month,default=hour"`
	// ByKey has an entry for each key.
	ByKey bool `json:"byKey,omitempty"`
	// Limit is the largest number of entries in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=1000,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// BudgetPer is the length of time whose entries are summed.
type BudgetPer string

// The values of BudgetPer.
const (
	PerHour  BudgetPer = "hour"
	PerDay   BudgetPer = "day"
	PerMonth BudgetPer = "month"
)

// BudgetEntry is a sum of the statement of a budget.
type BudgetEntry struct {
	// Time is the beginning of the hour, day or month, in unix milliseconds. What a reservation is
	// charged is in the hour in which it was made.
	Time Time `json:"time" check:"required"`
	// Kind is spend, settle, grant or expire.
	Kind BudgetEntryKind `json:"kind" check:"required,enum=spend|settle|grant|expire"`
	// KeyID is the key; absent for calls without a key, and without byKey.
	KeyID string `json:"keyId,omitempty"`
	// Count is the number of calls.
	Count int64 `json:"count" check:"required"`
	// Amount is their sum.
	Amount int64 `json:"amount" check:"required"`
}

// BudgetEntryKind is a kind of entry.
type BudgetEntryKind string

// The values of BudgetEntryKind.
const (
	BudgetSpend  BudgetEntryKind = "spend"
	BudgetSettle BudgetEntryKind = "settle"
	BudgetGrant  BudgetEntryKind = "grant"
	BudgetExpire BudgetEntryKind = "expire"
)

// Budgets are the operations on budgets and reservations.
type Budgets struct{ c *Client }

// Create creates a budget.
func (s Budgets) Create(
	ctx context.Context, r CreateBudgetRequest, opts ...CallOption,
) (CreatedBudget, error) {
	return call[CreatedBudget](ctx, s.c, "budgets.createBudget", &r, opts)
}

// Get reads one budget.
func (s Budgets) Get(ctx context.Context, r GetBudgetRequest, opts ...CallOption) (Budget, error) {
	return call[Budget](ctx, s.c, "budgets.getBudget", &r, opts)
}

// List reads one page of the budgets of the workspace.
func (s Budgets) List(
	ctx context.Context, r ListBudgetsRequest, opts ...CallOption,
) (Page[Budget], error) {
	return list[Budget](ctx, s.c, "budgets.listBudgets", &r, opts)
}

// All iterates over the budgets of the workspace, page after page.
func (s Budgets) All(
	ctx context.Context, r ListBudgetsRequest, opts ...CallOption,
) iter.Seq2[Budget, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Budget], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes a budget.
func (s Budgets) Update(ctx context.Context, r UpdateBudgetRequest, opts ...CallOption) error {
	return do(ctx, s.c, "budgets.updateBudget", &r, opts)
}

// Delete deletes a budget. Its open reservations end released.
func (s Budgets) Delete(ctx context.Context, r DeleteBudgetRequest, opts ...CallOption) error {
	return do(ctx, s.c, "budgets.deleteBudget", &r, opts)
}

// Grant changes the balance of a budget.
func (s Budgets) Grant(
	ctx context.Context, r GrantBudgetRequest, opts ...CallOption,
) (GrantedBudget, error) {
	return call[GrantedBudget](ctx, s.c, "budgets.grant", &r, opts)
}

// Attach attaches a budget to a key or to an identity.
func (s Budgets) Attach(ctx context.Context, r AttachBudgetRequest, opts ...CallOption) error {
	return do(ctx, s.c, "budgets.attach", &r, opts)
}

// Detach detaches a budget from a key or from an identity.
func (s Budgets) Detach(ctx context.Context, r DetachBudgetRequest, opts ...CallOption) error {
	return do(ctx, s.c, "budgets.detach", &r, opts)
}

// ListAttachments reads one page of the keys and identities that have a budget.
func (s Budgets) ListAttachments(
	ctx context.Context, r ListBudgetAttachmentsRequest, opts ...CallOption,
) (Page[BudgetAttachment], error) {
	return list[BudgetAttachment](ctx, s.c, "budgets.listAttachments", &r, opts)
}

// Spend spends from budgets without a key. Too little in a budget is a result, not an error.
func (s Budgets) Spend(
	ctx context.Context, r SpendBudgetsRequest, opts ...CallOption,
) (SpentBudgets, error) {
	return call[SpentBudgets](ctx, s.c, "budgets.spend", &r, opts)
}

// Reserve reserves amounts of budgets without a key. Too little in a budget is a result, not an
// error.
func (s Budgets) Reserve(
	ctx context.Context, r ReserveBudgetsRequest, opts ...CallOption,
) (ReservedBudgets, error) {
	return call[ReservedBudgets](ctx, s.c, "budgets.reserve", &r, opts)
}

// Settle ends a reservation and charges what was used. The same settlement again has the same
// result.
func (s Budgets) Settle(
	ctx context.Context, r SettleReservationRequest, opts ...CallOption,
) (SettledReservation, error) {
	return call[SettledReservation](ctx, s.c, "budgets.settle", &r, opts)
}

// Release ends a reservation of which nothing was used.
func (s Budgets) Release(
	ctx context.Context, r ReleaseReservationRequest, opts ...CallOption,
) (SettledReservation, error) {
	return call[SettledReservation](ctx, s.c, "budgets.release", &r, opts)
}

// Extend gives an open reservation another end.
func (s Budgets) Extend(
	ctx context.Context, r ExtendReservationRequest, opts ...CallOption,
) (ExtendedReservation, error) {
	return call[ExtendedReservation](ctx, s.c, "budgets.extend", &r, opts)
}

// GetReservation reads one reservation.
func (s Budgets) GetReservation(
	ctx context.Context, r GetReservationRequest, opts ...CallOption,
) (Reservation, error) {
	return call[Reservation](ctx, s.c, "budgets.getReservation", &r, opts)
}

// ListReservations reads one page of reservations.
func (s Budgets) ListReservations(
	ctx context.Context, r ListReservationsRequest, opts ...CallOption,
) (Page[Reservation], error) {
	return list[Reservation](ctx, s.c, "budgets.listReservations", &r, opts)
}

// ListEntries reads one page of the statement of a budget.
func (s Budgets) ListEntries(
	ctx context.Context, r ListBudgetEntriesRequest, opts ...CallOption,
) (Page[BudgetEntry], error) {
	return list[BudgetEntry](ctx, s.c, "budgets.listEntries", &r, opts)
}
