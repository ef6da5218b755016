package latchkey

import "context"

// LimitRequest asks whether something may be done now, and counts it if so.
type LimitRequest struct {
	// Namespace groups identifiers; its name or its id. A new name makes a new namespace.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is what is being limited: a user id, an address, anything.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
	// Limit is how much may be used in one window.
	Limit int64 `json:"limit" check:"required,min=1"`
	// Duration is the length of the window in milliseconds, one second to thirty days.
	Duration Duration `json:"duration" check:"required,min=1000,max=2592000000"`
	// Cost is how much this call uses. Zero asks without using anything.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,default=1"`
}

// LimitResult is the answer to a [LimitRequest].
type LimitResult struct {
	// Success reports whether the call may go ahead. A refused call uses nothing.
	Success bool `json:"success" check:"required"`
	// Limit is the limit that applied, an override's if there was one.
	Limit int64 `json:"limit" check:"required"`
	// Remaining is how much is left in the window; 0 after a refusal.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, in unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// OverrideID names the override that applied, if one did.
	OverrideID string `json:"overrideId,omitempty"`
}

// MultiLimitRequest asks for several limits at once: all are counted or none.
type MultiLimitRequest []LimitRequest

// CheckTag gives the bounds of the list itself.
func (MultiLimitRequest) CheckTag() string { return "min=1,max=100" }

// MultiLimitResult is the answer to a [MultiLimitRequest].
type MultiLimitResult struct {
	// Passed reports whether every check passed. If not, nothing was counted.
	Passed bool `json:"passed" check:"required"`
	// Limits are the checks in the order of the request.
	Limits []LimitCheck `json:"limits" check:"required"`
}

// LimitCheck is the outcome of one element of a [MultiLimitRequest].
type LimitCheck struct {
	// Namespace is the namespace as it was asked for.
	Namespace string `json:"namespace" check:"required"`
	// Identifier is the identifier as it was asked for.
	Identifier string `json:"identifier" check:"required"`
	// Limit is the limit that applied, an override's if there was one.
	Limit int64 `json:"limit" check:"required"`
	// Remaining is how much is left in the window; 0 after a refusal.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, in unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// Passed reports whether this check alone had room.
	Passed bool `json:"passed" check:"required"`
	// OverrideID names the override that applied, if one did.
	OverrideID string `json:"overrideId,omitempty"`
}

// Ratelimits are the operations on rate limits that belong to no key.
type Ratelimits struct{ c *Client }

// Limit asks whether something may be done now, and counts it if so.
func (s Ratelimits) Limit(ctx context.Context, r LimitRequest, opts ...CallOption) (LimitResult, error) {
	return call[LimitResult](ctx, s.c, "ratelimit.limit", &r, opts)
}

// MultiLimit asks for several limits at once: all are counted or none.
func (s Ratelimits) MultiLimit(ctx context.Context, r MultiLimitRequest, opts ...CallOption) (MultiLimitResult, error) {
	return call[MultiLimitResult](ctx, s.c, "ratelimit.multiLimit", &r, opts)
}
