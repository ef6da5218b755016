package latchkey

import (
	"context"
	"errors"
)

// Credits is the balance of a key: what its verifications can still spend.
type Credits struct {
	// Remaining is the balance; null for no limit.
	Remaining Opt[int64] `json:"remaining,omitzero" check:"required,null,min=0"`
	// Refill resets the balance on a schedule.
	Refill *Refill `json:"refill,omitempty"`
}

// Refill resets the balance of a key on a schedule, at midnight UTC.
type Refill struct {
	// Interval is daily or monthly.
	Interval RefillInterval `json:"interval" check:"required,enum=daily|monthly"`
	// Amount is the new balance. A higher balance is left as it is.
	Amount int64 `json:"amount" check:"required,min=1"`
	// RefillDay is the day of a monthly refill. A month without that day refills on its last day.
	RefillDay int `json:"refillDay,omitempty" check:"min=1,max=31"`
}

// RefillInterval is how often a balance is reset.
type RefillInterval string

// The values of RefillInterval.
const (
	Daily   RefillInterval = "daily"
	Monthly RefillInterval = "monthly"
)

// UpdateKeyCredits changes balance and refill. An absent one stays as it is.
type UpdateKeyCredits struct {
	// Remaining is the new balance; null removes limit and refill.
	Remaining Opt[int64] `json:"remaining,omitzero" check:"null,min=0"`
	// Refill is the new schedule; null removes it.
	Refill Opt[Refill] `json:"refill,omitzero" check:"null"`
}

// UpdateCreditsRequest changes a key's balance.
type UpdateCreditsRequest struct {
	// KeyID is the key whose balance changes.
	KeyID string `json:"keyId" check:"required,min=3,max=8192"`
	// Operation is set, increment or decrement. A balance never falls below 0.
	Operation CreditsOperation `json:"operation" check:"required,enum=set|increment|decrement"`
	// Value is the amount; null or absent with set removes the limit.
	Value Opt[int64] `json:"value,omitzero" check:"null,min=0"`
}

// CreditsOperation is a way to change a balance.
type CreditsOperation string

// The values of CreditsOperation.
const (
	SetCredits       CreditsOperation = "set"
	IncrementCredits CreditsOperation = "increment"
	DecrementCredits CreditsOperation = "decrement"
)

// UpdateCredits changes a key's balance and returns the new one. With SetCredits it is an
// error to leave Value out, so that forgetting it removes no limit: send Null for that.
func (s Keys) UpdateCredits(
	ctx context.Context, r UpdateCreditsRequest, opts ...CallOption,
) (Credits, error) {
	if r.Operation == SetCredits && r.Value.IsZero() {
		return Credits{}, errors.New("latchkey: keys.updateCredits: Value is absent: set it to the " +
			"new balance, or to Null for no limit")
	}
	return call[Credits](ctx, s.c, "keys.updateCredits", &r, opts)
}
