package latchkey

import (
	"context"
	"iter"
)

// RatelimitRequest defines a rate limit of a key or an identity.
type RatelimitRequest struct {
	_ struct{} `check:"loose"`
	// Name is how verification asks for the limit; case counts.
	Name string `json:"name" check:"required,min=3,max=128"`
	// Limit is how much may be used in one window.
	Limit int64 `json:"limit" check:"required,min=1"`
	// Duration is the length of the window in milliseconds, at least one second.
	Duration Duration `json:"duration" check:"required,min=1000"`
	// AutoApply is true to check the limit at every verification, and false to check it only where a
	// verification names it.
	AutoApply Opt[bool] `json:"autoApply,omitzero" check:"required"`
}

// Ratelimit is a rate limit of a key or an identity.
type Ratelimit struct {
	// ID is Latchkey's name for the limit.
	ID string `json:"id" check:"required"`
	// Name is how verification asks for the limit.
	Name string `json:"name" check:"required"`
	// Limit is how much may be used in one window.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
}

// Request returns what asks for this limit again. An update replaces all limits
// of a key or an identity, so to change one, send the requests of the others too.
func (r Ratelimit) Request() RatelimitRequest {
	return RatelimitRequest{Name: r.Name, Limit: r.Limit, Duration: r.Duration, AutoApply: Set(r.AutoApply)}
}

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

// Override replaces limit and duration for some identifiers of a namespace.
type Override struct {
	// OverrideID is Latchkey's name for the override.
	OverrideID string `json:"overrideId" check:"required,min=1,max=255"`
	// Identifier is the identifier, or a pattern in which * stands for any characters.
	Identifier string `json:"identifier" check:"required"`
	// Limit is how much may be used in one window; 0 blocks.
	Limit int64 `json:"limit" check:"required,min=0"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required,min=1000"`
}

// SetOverrideRequest makes or replaces an override.
type SetOverrideRequest struct {
	// Namespace is the namespace's name or id; it must exist.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Identifier is the identifier, or a pattern in which * stands for any characters.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
	// Limit is how much may be used in one window; 0 blocks.
	Limit int64 `json:"limit" check:"required,min=0"`
	// Duration is the length of the window in milliseconds, at least one second.
	Duration Duration `json:"duration" check:"required,min=1000"`
}

// SetOverrideResult is the answer to [SetOverrideRequest].
type SetOverrideResult struct {
	// OverrideID names the override; it stays when the override is set again.
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
	// Identifier is the override's identifier or pattern, exactly as it was set.
	Identifier string `json:"identifier" check:"required,min=1,max=512"`
}

// ListOverridesRequest asks for the overrides of a namespace, page by page.
type ListOverridesRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// Limit is how many overrides a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=50"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty"`
}

// Namespace groups the identifiers of one thing that is limited.
type Namespace struct {
	// ID is Latchkey's name for the namespace.
	ID string `json:"id" check:"required"`
	// Name is the name it was first used by.
	Name string `json:"name" check:"required"`
	// CreatedAt is when it was first used, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// WhenDegraded is what limits do while the counters that nodes share are out of reach.
	WhenDegraded WhenDegraded `json:"whenDegraded" check:"required,enum=share|refuse"`
}

// WhenDegraded is what the limits of a namespace do while the counters that
// nodes share are out of reach. Where there is one node, it has no effect.
type WhenDegraded string

// What limits do without the shared counters.
const (
	// WhenDegradedShare lets each of N nodes decide alone with an Nth of the
	// limit. New namespaces do this.
	WhenDegradedShare WhenDegraded = "share"
	// WhenDegradedRefuse refuses until the counters are back.
	WhenDegradedRefuse WhenDegraded = "refuse"
)

// ListNamespacesRequest asks for the namespaces of the workspace, page by page.
type ListNamespacesRequest struct {
	// Limit is how many namespaces a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the namespaces whose id or name contains this text, in any letter case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateNamespaceRequest changes the settings of a namespace. Absent fields stay as they are.
type UpdateNamespaceRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// WhenDegraded is what limits do while the counters that nodes share are out of reach:
	// "share" lets each node decide alone with its share of the limit, "refuse" refuses.
	WhenDegraded Opt[WhenDegraded] `json:"whenDegraded,omitzero" check:"enum=share|refuse"`
}

// DeleteNamespaceRequest asks to delete a namespace; using it then answers 410.
type DeleteNamespaceRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
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

// SetOverride makes or replaces an override.
func (s Ratelimits) SetOverride(ctx context.Context, r SetOverrideRequest, opts ...CallOption) (SetOverrideResult, error) {
	return call[SetOverrideResult](ctx, s.c, "ratelimit.setOverride", &r, opts)
}

// GetOverride reads the override that applies to an identifier.
func (s Ratelimits) GetOverride(ctx context.Context, r GetOverrideRequest, opts ...CallOption) (Override, error) {
	return call[Override](ctx, s.c, "ratelimit.getOverride", &r, opts)
}

// ListOverrides reads one page of the overrides of a namespace.
func (s Ratelimits) ListOverrides(ctx context.Context, r ListOverridesRequest, opts ...CallOption) (Page[Override], error) {
	return list[Override](ctx, s.c, "ratelimit.listOverrides", &r, opts)
}

// AllOverrides walks the overrides of a namespace, page after page.
func (s Ratelimits) AllOverrides(ctx context.Context, r ListOverridesRequest, opts ...CallOption) iter.Seq2[Override, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Override], error) {
		next := r
		next.Cursor = cursor
		return s.ListOverrides(ctx, next, opts...)
	})
}

// DeleteOverride deletes one override.
func (s Ratelimits) DeleteOverride(ctx context.Context, r DeleteOverrideRequest, opts ...CallOption) error {
	return do(ctx, s.c, "ratelimit.deleteOverride", &r, opts)
}

// ListNamespaces reads one page of the namespaces of the workspace.
func (s Ratelimits) ListNamespaces(ctx context.Context, r ListNamespacesRequest, opts ...CallOption) (Page[Namespace], error) {
	return list[Namespace](ctx, s.c, "ratelimit.listNamespaces", &r, opts)
}

// AllNamespaces walks the namespaces of the workspace, page after page.
func (s Ratelimits) AllNamespaces(ctx context.Context, r ListNamespacesRequest, opts ...CallOption) iter.Seq2[Namespace, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Namespace], error) {
		next := r
		next.Cursor = cursor
		return s.ListNamespaces(ctx, next, opts...)
	})
}

// UpdateNamespace changes the settings of a namespace and returns it.
func (s Ratelimits) UpdateNamespace(ctx context.Context, r UpdateNamespaceRequest, opts ...CallOption) (Namespace, error) {
	return call[Namespace](ctx, s.c, "ratelimit.updateNamespace", &r, opts)
}

// DeleteNamespace deletes a namespace; using it then answers 410.
func (s Ratelimits) DeleteNamespace(ctx context.Context, r DeleteNamespaceRequest, opts ...CallOption) error {
	return do(ctx, s.c, "ratelimit.deleteNamespace", &r, opts)
}
