package latchkey

import (
	"context"
	"iter"
)

// Namespace groups the identifiers of one limited resource.
type Namespace struct {
	// ID identifies the namespace.
	ID string `json:"id" check:"required"`
	// Name is the name with which it was first used.
	Name string `json:"name" check:"required"`
	// CreatedAt is when it was first used, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// WhenDegraded says how limits are decided while the shared counters are unreachable.
	WhenDegraded WhenDegraded `json:"whenDegraded" check:"required,enum=share|refuse"`
	// Algorithm is how limits without an algorithm of their own count; absent if it was not set.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// WhenDegraded says how the limits of a namespace are decided while the counters
// that nodes share are unreachable. It has no effect on a single node.
type WhenDegraded string

// The values of WhenDegraded.
const (
	// WhenDegradedShare gives each of N nodes an Nth of the limit. It is the default
	// of new namespaces.
	WhenDegradedShare WhenDegraded = "share"
	// WhenDegradedRefuse denies everything until the counters are reachable again.
	WhenDegradedRefuse WhenDegraded = "refuse"
)

// ListNamespacesRequest asks for one page of the namespaces of the workspace.
type ListNamespacesRequest struct {
	// Limit is the largest number of namespaces in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the namespaces whose id or name contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateNamespaceRequest changes the settings of a namespace. Absent fields stay as they are.
type UpdateNamespaceRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	// WhenDegraded says how limits are decided while the shared counters are unreachable:
	// "share" gives each node its share of the limit, "refuse" denies everything.
	WhenDegraded Opt[WhenDegraded] `json:"whenDegraded,omitzero" check:"enum=share|refuse"`
	// Algorithm is how limits without an algorithm of their own count: "sliding_window" or
	// "token_bucket". Each algorithm has its own counts, so a change starts them at zero.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// DeleteNamespaceRequest asks to delete a namespace. Using it then fails with status 410.
type DeleteNamespaceRequest struct {
	// Namespace is the namespace's name or id.
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
}

// ListNamespaces reads one page of the namespaces of the workspace.
func (s Ratelimits) ListNamespaces(
	ctx context.Context, r ListNamespacesRequest, opts ...CallOption,
) (Page[Namespace], error) {
	return list[Namespace](ctx, s.c, "ratelimit.listNamespaces", &r, opts)
}

// AllNamespaces iterates over the namespaces of the workspace, page after page.
func (s Ratelimits) AllNamespaces(
	ctx context.Context, r ListNamespacesRequest, opts ...CallOption,
) iter.Seq2[Namespace, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Namespace], error) {
		next := r
		next.Cursor = cursor
		return s.ListNamespaces(ctx, next, opts...)
	})
}

// UpdateNamespace changes the settings of a namespace and returns it.
func (s Ratelimits) UpdateNamespace(
	ctx context.Context, r UpdateNamespaceRequest, opts ...CallOption,
) (Namespace, error) {
	return call[Namespace](ctx, s.c, "ratelimit.updateNamespace", &r, opts)
}

// DeleteNamespace deletes a namespace. Using it then fails with status 410.
func (s Ratelimits) DeleteNamespace(
	ctx context.Context, r DeleteNamespaceRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "ratelimit.deleteNamespace", &r, opts)
}
