package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// namespaceRef refers to a namespace by its name or its id.
type namespaceRef struct{ workspace, name string }

// String returns a distinct text for each namespaceRef: the id of a workspace
// contains no slash.
func (s namespaceRef) String() string { return s.workspace + "/" + s.name }

// namespace is a cached namespace, which is immutable. One without an id does not
// exist.
type namespace struct {
	coherence.Dependencies
	id        string
	deleted   bool
	refuse    bool   // reject all requests while the shared counters are unreachable
	algorithm string // of limits without an algorithm, "" for the default
	overrides *ratelimit.Overrides
	weight    uint32 // its estimated size in bytes
}

// Unknown reports whether the namespace does not exist.
func (n *namespace) Unknown() bool { return n.id == "" }

// weighNamespace estimates the bytes of a cached namespace.
func weighNamespace(name namespaceRef, n *namespace) uint32 {
	return n.weight + uint32(len(name.workspace)+len(name.name))
}

// namespace returns a namespace of the caller's workspace by name or id. It can be
// unknown or deleted.
func (e *Engine) namespace(ctx context.Context, who *Caller, text string) (*namespace, error) {
	name := namespaceRef{who.WorkspaceID(), text}
	load := func(ctx context.Context, asOf coherence.Version) (*namespace, error) {
		return e.loadNamespace(ctx, asOf, name)
	}
	space, age, err := e.spaces.Get(ctx, who.Lane, name, load)
	e.noteStaleness(who, age)
	return space, err
}

func (e *Engine) loadNamespace(
	ctx context.Context, asOf coherence.Version, name namespaceRef,
) (*namespace, error) {
	row, err := e.db.Namespace(ctx, name.workspace, name.name)
	if errors.Is(err, store.ErrNotFound) {
		return &namespace{Dependencies: asOf.DependsOn(name.String())}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	rows, err := e.db.Overrides(ctx, row.ID)
	if err != nil {
		return nil, fmt.Errorf("namespace %s: overrides: %w", row.ID, err)
	}
	const bare, each = 500, 400
	n := &namespace{
		Dependencies: asOf.DependsOn(row.ID), id: row.ID, deleted: row.DeletedAt != 0,
		refuse: row.WhenDegraded == string(latchkey.WhenDegradedRefuse), algorithm: row.Algorithm,
		weight: bare,
	}
	list := make([]ratelimit.Override, len(rows))
	for i, o := range rows {
		list[i] = ratelimit.Override{
			ID: o.ID, Pattern: o.Identifier, Limit: o.Amount, Duration: o.Duration,
			Algorithm: o.Algorithm,
		}
		n.weight += each + uint32(len(o.Identifier))
	}
	n.overrides = ratelimit.NewOverrides(list)
	return n, nil
}

// namespaceOrNew returns the namespace with that name or id, which it creates
// if it doesn't exist. It can be deleted. It exists beside namespaces because
// the lists of that one are two allocations of a ratelimit.limit;
// TestLimitsAllocateLittle counts the others.
func (e *Engine) namespaceOrNew(ctx context.Context, who *Caller, name string) (*namespace, error) {
	space, err := e.namespace(ctx, who, name)
	if err != nil {
		return nil, err
	}
	if !space.Unknown() {
		return space, nil
	}
	created, err := e.namespaces(ctx, *who, name)
	if err != nil {
		return nil, err
	}
	return created[0], nil
}

// namespaces returns the namespaces with those names or ids, in their order. It
// creates those that don't exist, in one change. They can be deleted.
func (e *Engine) namespaces(
	ctx context.Context, who Caller, names ...string,
) ([]*namespace, error) {
	for {
		found, fresh, err := e.knownNamespaces(ctx, who, names)
		if err != nil {
			return nil, err
		}
		if fresh == nil {
			return found, nil
		}
		if err := e.createNamespaces(ctx, who, fresh); err != nil {
			return nil, err
		}
	}
}

// knownNamespaces returns the namespaces in the order of their names, and the
// names that don't exist.
func (e *Engine) knownNamespaces(
	ctx context.Context, who Caller, names []string,
) (found []*namespace, fresh []string, err error) {
	found = make([]*namespace, len(names))
	for i, name := range names {
		if found[i], err = e.namespace(ctx, &who, name); err != nil {
			return nil, nil, err
		}
		if found[i].Unknown() {
			fresh = append(fresh, name)
		}
	}
	return found, fresh, nil
}

// createNamespaces creates namespaces, except those that a concurrent request
// has created.
func (e *Engine) createNamespaces(ctx context.Context, who Caller, names []string) error {
	if err := who.requireWhen(latchkey.WhenNewNamespace, everything); err != nil {
		return err
	}
	who.requestHash = "" // the response to save is that of the limit
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		for _, name := range names {
			if err := c.createNamespace(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// createNamespace creates a namespace unless it exists. It invalidates the name
// even if it exists, because the change that created it may have committed but
// not yet invalidated it.
func (c *Change) createNamespace(ctx context.Context, name string) error {
	workspace := c.who.WorkspaceID()
	c.invalidate(namespaceRef{workspace, name}.String())
	if _, err := c.tx.Namespace(ctx, workspace, name); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := c.count(ctx, quotaNamespaces, 1); err != nil {
		return err
	}
	id := NewID("rlns")
	c.invalidate(namespaceRef{workspace, id}.String())
	c.audit(namespaceCreated, namespaceTarget(id, name))
	return c.tx.InsertNamespace(ctx, write.InsertNamespaceParams{
		ID: id, WorkspaceID: workspace, Name: name, Search: searchText(id, name), CreatedAt: c.now,
	})
}

// liveNamespace returns a namespace of the caller's workspace that is not
// deleted.
func (c *Change) liveNamespace(ctx context.Context, name string) (read.Namespace, error) {
	row, err := c.tx.Namespace(ctx, c.who.WorkspaceID(), name)
	if err != nil {
		return read.Namespace{}, orNotFound(err, namespaceNotFound())
	}
	if row.DeletedAt != 0 {
		return read.Namespace{}, namespaceNotFound()
	}
	return row, nil
}

// ListNamespaces returns one page of the namespaces of the workspace, in the
// order of their ids, without deleted ones.
//
// The root key needs ratelimit.*.read_namespace.
func (e *Engine) ListNamespaces(
	ctx context.Context, who Caller, r *latchkey.ListNamespacesRequest,
) (latchkey.Page[latchkey.Namespace], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.Namespace) string { return row.ID },
		func(cursor string, most int64) ([]read.Namespace, error) {
			return e.db.NamespacesPage(ctx, read.NamespacesPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor,
				Pattern: searchPattern(r.Search), Most: most,
			})
		}, each(namespaceOf))
}

// UpdateNamespace changes the settings of a namespace and returns it. Absent
// fields keep their values. WhenDegraded applies to installations of several
// nodes while their shared counters are unreachable: "share" lets each node
// enforce its share of the limit, and "refuse" rejects all requests. Algorithm
// is the default for limits without an algorithm in the request or in an
// override: "sliding_window", the initial value, or "token_bucket".
//
// The root key needs ratelimit.*.update_namespace or
// ratelimit.<namespaceId>.update_namespace. An unknown or deleted namespace
// returns 404, even to callers that lack the permission.
func (e *Engine) UpdateNamespace(
	ctx context.Context, who Caller, r *latchkey.UpdateNamespaceRequest,
) (latchkey.Namespace, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Namespace, error) {
		row, err := c.liveNamespace(ctx, r.Namespace)
		if err != nil {
			return latchkey.Namespace{}, err
		}
		if err := c.require(ids{Namespace: row.ID}); err != nil {
			return latchkey.Namespace{}, err
		}
		before := namespaceOf(row)
		if !r.WhenDegraded.IsZero() {
			row.WhenDegraded = storedWhenDegraded(r.WhenDegraded.Or(""))
		}
		row.Algorithm = cmp.Or(string(r.Algorithm), row.Algorithm)
		c.invalidate(row.ID)
		c.auditUpdate(namespaceUpdated, before, namespaceOf(row),
			namespaceTarget(row.ID, row.Name))
		err = c.tx.UpdateNamespace(ctx, row.ID, row.WhenDegraded, row.Algorithm)
		if err != nil {
			return latchkey.Namespace{}, err
		}
		return namespaceOf(row), nil
	})
}

// DeleteNamespace deletes a namespace. From the next request on its limits
// return 410. Its name cannot be used again.
//
// The root key needs ratelimit.*.delete_namespace or
// ratelimit.<namespaceId>.delete_namespace. An unknown or deleted namespace
// returns 404, even to callers that lack the permission.
func (e *Engine) DeleteNamespace(
	ctx context.Context, who Caller, r *latchkey.DeleteNamespaceRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.liveNamespace(ctx, r.Namespace)
		if err != nil {
			return err
		}
		if err := c.require(ids{Namespace: row.ID}); err != nil {
			return err
		}
		c.invalidate(row.ID)
		c.audit(namespaceDeleted, namespaceTarget(row.ID, row.Name))
		return c.tx.MarkNamespaceDeleted(ctx, row.ID, c.now)
	})
}

func namespaceOf(row read.Namespace) latchkey.Namespace {
	return latchkey.Namespace{
		ID: row.ID, Name: row.Name, CreatedAt: latchkey.AtMilli(row.CreatedAt),
		WhenDegraded: cmp.Or(latchkey.WhenDegraded(row.WhenDegraded), latchkey.WhenDegradedShare),
		Algorithm:    latchkey.Algorithm(row.Algorithm),
	}
}

// storedWhenDegraded returns the stored form: "" for share, the default.
func storedWhenDegraded(w latchkey.WhenDegraded) string {
	if w == latchkey.WhenDegradedShare {
		return ""
	}
	return string(w)
}

func namespaceNotFound() *latchkey.Error {
	return errNamespaceNotFound.with("This namespace does not exist.")
}

func namespaceTarget(id, name string) latchkey.AuditTarget {
	return target("ratelimitNamespace", id, name)
}
