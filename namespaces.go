package latchkey

import (
	"context"
	"iter"
)

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
