package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// SetOverride creates an override, or replaces the limit, the duration and the
// algorithm of the override with the same identifier text, which keeps its id.
// In the identifier, * matches any run of characters. The override with the
// exact text of an identifier applies to it, else the matching one with the
// most literal characters. It takes effect with the next request; a limit of 0
// blocks.
//
// The root key needs ratelimit.*.set_override or
// ratelimit.<namespaceId>.set_override. An unknown or deleted namespace returns
// 404, even to callers that lack the permission.
func (e *Engine) SetOverride(
	ctx context.Context, who Caller, r *latchkey.SetOverrideRequest,
) (latchkey.SetOverrideResult, error) {
	work := func(ctx context.Context, c *Change) (latchkey.SetOverrideResult, error) {
		space, err := c.liveNamespace(ctx, r.Namespace)
		if err != nil {
			return latchkey.SetOverrideResult{}, err
		}
		if err := c.require(ids{Namespace: space.ID}); err != nil {
			return latchkey.SetOverrideResult{}, err
		}
		before, err := c.auditedOverride(ctx, space.ID, r.Identifier)
		if err != nil {
			return latchkey.SetOverrideResult{}, err
		}
		id, err := c.tx.SetOverride(ctx, write.SetOverrideParams{
			ID: NewID("rlor"), NamespaceID: space.ID, Identifier: r.Identifier, Amount: r.Limit.Or(0),
			Duration:  r.Duration.Milliseconds(),
			Algorithm: string(r.Algorithm),
		})
		if err != nil {
			return latchkey.SetOverrideResult{}, err
		}
		if err := c.requireFewOverrides(ctx, space.ID); err != nil {
			return latchkey.SetOverrideResult{}, err
		}
		c.invalidate(space.ID)
		after := &auditedOverride{r.Limit.Or(0), r.Duration.Milliseconds(), string(r.Algorithm)}
		c.auditUpdate(overrideSet, before, after,
			overrideTarget(id, r.Identifier), namespaceTarget(space.ID, space.Name))
		return latchkey.SetOverrideResult{OverrideID: id}, nil
	}
	return change(ctx, e, who, work)
}

// auditedOverride is an override in the audit records of its changes.
type auditedOverride struct {
	Limit     int64  `json:"limit"`
	Duration  int64  `json:"duration"`
	Algorithm string `json:"algorithm,omitempty"`
}

// auditedOverride returns the override of an identifier, or nil if there is none.
func (c *Change) auditedOverride(
	ctx context.Context, namespace, identifier string,
) (*auditedOverride, error) {
	row, err := c.tx.Override(ctx, namespace, identifier)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("override: %w", err)
	}
	return &auditedOverride{row.Amount, row.Duration, row.Algorithm}, nil
}

// maxOverrides is how many overrides a namespace can have. Each limited request asks its
// patterns one by one, and reading the namespace reads all of them.
const maxOverrides = 1000

// requireFewOverrides returns an error if a namespace now has too many overrides.
func (c *Change) requireFewOverrides(ctx context.Context, namespace string) error {
	n, err := c.tx.CountOverrides(ctx, namespace)
	if err != nil || n <= maxOverrides {
		return err
	}
	return invalid(latchkey.Fault{
		Location: "/properties/identifier",
		Message: fmt.Sprintf("a namespace can have %d overrides, and this one has as many",
			maxOverrides),
		Fix: "Delete overrides first, or use one with a * for several identifiers.",
	})
}

// GetOverride returns the override that applies to an identifier. The text of a
// pattern returns that pattern's override.
//
// The root key needs ratelimit.*.read_override,
// ratelimit.<namespaceId>.read_override, or read_override on the resource
// ratelimits/namespaces/<namespaceId>/overrides/<overrideId>. Without it the
// operation returns the same 404 as for an override that does not exist. An
// unknown or deleted namespace also returns 404.
func (e *Engine) GetOverride(
	ctx context.Context, who Caller, r *latchkey.GetOverrideRequest,
) (latchkey.Override, error) {
	space, err := e.namespace(ctx, &who, r.Namespace)
	if err != nil {
		return latchkey.Override{}, err
	}
	if space.Unknown() || space.deleted {
		return latchkey.Override{}, namespaceNotFound()
	}
	o, found := space.overrides.Resolve(r.Identifier)
	if !found {
		return latchkey.Override{}, overrideNotFound()
	}
	if err := who.require(ids{Namespace: space.id, Override: o.ID}); err != nil {
		return latchkey.Override{}, err
	}
	return overrideShown(&o), nil
}

func overrideShown(o *ratelimit.Override) latchkey.Override {
	return latchkey.Override{
		OverrideID: o.ID, Identifier: o.Pattern, Limit: o.Limit,
		Duration:  latchkey.PerMilli(o.Duration),
		Algorithm: latchkey.Algorithm(o.Algorithm),
	}
}

// ListOverrides returns one page of the overrides of a namespace, in the order
// of their ids. Overrides of a deleted namespace can still be read.
//
// The root key needs ratelimit.*.read_override or
// ratelimit.<namespaceId>.read_override. An unknown namespace returns 404, even
// to callers that lack the permission.
func (e *Engine) ListOverrides(
	ctx context.Context, who Caller, r *latchkey.ListOverridesRequest,
) (latchkey.Page[latchkey.Override], error) {
	var none latchkey.Page[latchkey.Override]
	space, err := e.namespace(ctx, &who, r.Namespace)
	if err != nil {
		return none, err
	}
	if space.Unknown() {
		return none, namespaceNotFound()
	}
	if err := who.require(ids{Namespace: space.id}); err != nil {
		return none, err
	}
	return pageOf(r.Cursor, pageSize(r.Limit, 50), func(row read.Override) string { return row.ID },
		func(cursor string, most int64) ([]read.Override, error) {
			return e.db.OverridesPage(ctx, space.id, cursor, most)
		}, each(overrideOf))
}

// DeleteOverride deletes an override. From the next request on, the limit that
// it replaced applies again. The identifier must be exactly the text that the
// override was set with; an identifier that only matches a pattern returns 404.
//
// The root key needs ratelimit.*.delete_override or
// ratelimit.<namespaceId>.delete_override. An unknown or deleted namespace
// returns 404, even to callers that lack the permission, as does an unknown
// override.
func (e *Engine) DeleteOverride(
	ctx context.Context, who Caller, r *latchkey.DeleteOverrideRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		space, err := c.liveNamespace(ctx, r.Namespace)
		if err != nil {
			return err
		}
		if err := c.require(ids{Namespace: space.ID}); err != nil {
			return err
		}
		id, err := c.tx.DeleteOverride(ctx, space.ID, r.Identifier)
		if err != nil {
			return orNotFound(err, overrideNotFound())
		}
		c.invalidate(space.ID)
		c.audit(overrideDeleted, overrideTarget(id, r.Identifier),
			namespaceTarget(space.ID, space.Name))
		return nil
	})
}

func overrideOf(row read.Override) latchkey.Override {
	return latchkey.Override{
		OverrideID: row.ID, Identifier: row.Identifier, Limit: row.Amount,
		Duration:  latchkey.PerMilli(row.Duration),
		Algorithm: latchkey.Algorithm(row.Algorithm),
	}
}

func overrideNotFound() *latchkey.Error {
	return errOverrideNotFound.with("This override does not exist.")
}

func overrideTarget(id, identifier string) latchkey.AuditTarget {
	return target("ratelimitOverride", id, identifier)
}
