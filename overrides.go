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
