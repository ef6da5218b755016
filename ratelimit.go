package latchkey

import "context"

// LimitRequest checks a rate limit, and counts the call if it is allowed.
type LimitRequest struct {
	// Namespace is the name or id of a namespace, which groups identifiers. A new name creates a
	// namespace.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is what is limited: a user id, an address, anything.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
	// Limit is how much can be used in one window, or the size of the token bucket.
	Limit int64 `json:"limit" check:"required,min=1"`
	// Duration is the length of the window in milliseconds, one second to thirty days. A
	// token bucket refills in it.
	Duration Duration `json:"duration" check:"required,min=1000,max=2592000000"`
	// Cost is how much this call uses. Zero checks the limit without using anything.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,default=1"`
	// Algorithm is how the limit counts: "sliding_window" or "token_bucket". The algorithm of an
	// override takes precedence; without either that of the namespace applies, by default
	// "sliding_window".
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// LimitResult is the response to [LimitRequest].
type LimitResult struct {
	// Success reports whether the call is allowed. A denied call uses nothing.
	Success bool `json:"success" check:"required"`
	// Limit is the limit that applied: that of the override, if there was one.
	Limit int64 `json:"limit" check:"required"`
	// Remaining is how much is left; 0 if the call is denied.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// RetryAfter is how long to wait until the call fits, if nothing else is counted until
	// then, in milliseconds. It is absent if the call fits, if it never will because it costs
	// more than the limit, or if that is unknown.
	RetryAfter Duration `json:"retryAfter,omitzero"`
	// OverrideID identifies the override that applied; absent if none did.
	OverrideID string `json:"overrideId,omitempty"`
}

// MultiLimitRequest checks several limits at once. Either all are counted or none.
type MultiLimitRequest []LimitRequest

// CheckTag returns the bounds of the list itself.
func (MultiLimitRequest) CheckTag() string { return "min=1,max=100" }

// MultiLimitResult is the response to [MultiLimitRequest].
type MultiLimitResult struct {
	// Passed reports whether every check passed. Otherwise nothing was counted.
	Passed bool `json:"passed" check:"required"`
	// Limits are the outcomes, in the order of the request.
	Limits []LimitCheck `json:"limits" check:"required"`
}

// LimitCheck is the outcome of one element of a [MultiLimitRequest].
type LimitCheck struct {
	// Namespace is the namespace of the request.
	Namespace string `json:"namespace" check:"required"`
	// Identifier is the identifier of the request.
	Identifier string `json:"identifier" check:"required"`
	// Limit is the limit that applied: that of the override, if there was one.
	Limit int64 `json:"limit" check:"required"`
	// Remaining is how much is left; 0 if the call is denied.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// RetryAfter is how long to wait until the call fits, if nothing else is counted until
	// then, in milliseconds. It is absent if the call fits, if it never will because it costs
	// more than the limit, or if that is unknown.
	RetryAfter Duration `json:"retryAfter,omitzero"`
	// Passed reports whether this check alone passes.
	Passed bool `json:"passed" check:"required"`
	// OverrideID identifies the override that applied; absent if none did.
	OverrideID string `json:"overrideId,omitempty"`
}

// Ratelimits are the operations on rate limits that belong to no key.
type Ratelimits struct{ c *Client }

// Limit checks a rate limit, and counts the call if it is allowed.
func (s Ratelimits) Limit(
	ctx context.Context, r LimitRequest, opts ...CallOption,
) (LimitResult, error) {
	return call[LimitResult](ctx, s.c, "ratelimit.limit", &r, opts)
}

// MultiLimit checks several limits at once. Either all are counted or none.
func (s Ratelimits) MultiLimit(
	ctx context.Context, r MultiLimitRequest, opts ...CallOption,
) (MultiLimitResult, error) {
	return call[MultiLimitResult](ctx, s.c, "ratelimit.multiLimit", &r, opts)
}
