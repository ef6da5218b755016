package latchkey

import (
	"context"
	"iter"
)

// Override replaces limit and duration for one identifier of a namespace, or for those that match a
// pattern.
type Override struct {
	// OverrideID identifies the override.
	OverrideID string `json:"overrideId" check:"required,min=1,max=255"`
	// Identifier is the identifier, or a pattern in which * matches any characters.
	Identifier string `json:"identifier" check:"required"`
	// Limit is how much can be used in one window; 0 denies everything.
	Limit int64 `json:"limit" check:"required,min=0"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required,min=1000"`
	// Algorithm is how calls with this override count; absent if it was not set.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// SetOverrideRequest creates or replaces an override.
type SetOverrideRequest struct {
	// Namespace is the namespace's name or id; it must exist.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is the identifier, or a pattern in which * matches any characters.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
	// Limit is how much can be used in one window; 0 denies everything.
	Limit Opt[int64] `json:"limit,omitzero" check:"required,min=0"`
	// Duration is the length of the window in milliseconds, at least one second.
	Duration Duration `json:"duration" check:"required,min=1000"`
	// Algorithm is how calls with this override count: "sliding_window" or
	// "token_bucket". Without it they count as they ask for, or as the namespace does.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// SetOverrideResult is the response to [SetOverrideRequest].
type SetOverrideResult struct {
	// OverrideID identifies the override. It stays the same if the override is replaced.
	OverrideID string `json:"overrideId" check:"required"`
}

// GetOverrideRequest asks which override applies to an identifier.
type GetOverrideRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is an identifier, or the text of a pattern.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
}

// ExplainOverrideRequest asks which overrides match an identifier, which one applies, and how
// much is used.
type ExplainOverrideRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is what is limited.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
	// Limit is the limit that calls send, which applies without an override. Send it with duration.
	Limit Opt[int64] `json:"limit,omitzero" check:"min=1"`
	// Duration is the duration that calls send, in milliseconds.
	Duration Opt[Duration] `json:"duration,omitzero" check:"min=1000,max=2592000000"`
	// Cost is how much a call would use.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,default=1"`
	// Algorithm is the algorithm that calls send.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// OverrideExplanation is the response to [ExplainOverrideRequest].
type OverrideExplanation struct {
	// Summary says in a sentence what applies.
	Summary string `json:"summary" check:"required"`
	// Overrides are the overrides that match the identifier, at most 100: first the one that applies,
	// then the others in the order in which they would.
	Overrides []Override `json:"overrides" check:"required"`
	// State is the limit as it is now; absent if neither an override nor the request has one.
	State *OverrideState `json:"state,omitempty"`
}

// OverrideState is a rate limit as it is now. Nothing was counted.
type OverrideState struct {
	// Success reports whether a call would pass.
	Success bool `json:"success" check:"required"`
	// Limit is the limit that applies.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// Algorithm is how calls count.
	Algorithm Algorithm `json:"algorithm" check:"required,enum=sliding_window|token_bucket"`
	// Used is how much is used, at most the limit.
	Used int64 `json:"used" check:"required"`
	// Remaining is how much is left before the call.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// RetryAfter is how long to wait until the call fits, in milliseconds; absent if it fits, and if
	// it never will.
	RetryAfter Duration `json:"retryAfter,omitzero"`
}

// DeleteOverrideRequest asks to delete one override.
type DeleteOverrideRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is the identifier or pattern of the override, exactly as it was set.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
}

// ListOverridesRequest asks for one page of the overrides of a namespace.
type ListOverridesRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Limit is the largest number of overrides in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=50"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=8192"`
}

// SetOverride creates or replaces an override.
func (s Ratelimits) SetOverride(
	ctx context.Context, r SetOverrideRequest, opts ...CallOption,
) (SetOverrideResult, error) {
	return call[SetOverrideResult](ctx, s.c, "ratelimit.setOverride", &r, opts)
}

// GetOverride reads the override that applies to an identifier.
func (s Ratelimits) GetOverride(
	ctx context.Context, r GetOverrideRequest, opts ...CallOption,
) (Override, error) {
	return call[Override](ctx, s.c, "ratelimit.getOverride", &r, opts)
}

// ExplainOverride says which overrides match an identifier, which one applies, and how much
// is used. It counts nothing.
func (s Ratelimits) ExplainOverride(
	ctx context.Context, r ExplainOverrideRequest, opts ...CallOption,
) (OverrideExplanation, error) {
	return call[OverrideExplanation](ctx, s.c, "ratelimit.explainOverride", &r, opts)
}

// ListOverrides reads one page of the overrides of a namespace.
func (s Ratelimits) ListOverrides(
	ctx context.Context, r ListOverridesRequest, opts ...CallOption,
) (Page[Override], error) {
	return list[Override](ctx, s.c, "ratelimit.listOverrides", &r, opts)
}

// AllOverrides iterates over the overrides of a namespace, page after page.
func (s Ratelimits) AllOverrides(
	ctx context.Context, r ListOverridesRequest, opts ...CallOption,
) iter.Seq2[Override, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Override], error) {
		next := r
		next.Cursor = cursor
		return s.ListOverrides(ctx, next, opts...)
	})
}

// DeleteOverride deletes one override.
func (s Ratelimits) DeleteOverride(
	ctx context.Context, r DeleteOverrideRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "ratelimit.deleteOverride", &r, opts)
}
