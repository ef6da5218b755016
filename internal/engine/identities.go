package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateIdentity makes an identity: someone or something that keys belong to,
// under your own name for it, the external id. Its rate limits are shared by
// all its keys, its metadata is shown with each verification. Of a rate limit
// name that repeats, the last definition counts. Unknown properties are ignored.
//
// The root key needs identity.*.create_identity. An external id that is taken
// is a 409; letter case counts. Metadata of more than 1 MiB is a 400.
func (e *Engine) CreateIdentity(ctx context.Context, who Caller, r *latchkey.CreateIdentityRequest) (latchkey.CreatedIdentity, error) {
	meta, err := metaText(r.Meta)
	if err != nil {
		return latchkey.CreatedIdentity{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedIdentity, error) {
		made, err := c.insertIdentity(ctx, r.ExternalID, meta)
		if store.IsDuplicate(err) {
			return latchkey.CreatedIdentity{}, errIdentityExists.with("An identity with this external id exists already in this workspace.")
		}
		if err != nil {
			return latchkey.CreatedIdentity{}, err
		}
		if _, err := c.setLimits(ctx, made, r.Ratelimits); err != nil {
			return latchkey.CreatedIdentity{}, err
		}
		return latchkey.CreatedIdentity{IdentityID: made.ID}, nil
	})
}

// GetIdentity returns an identity, found by its id or its external id; an id
// comes before an external id of the same text.
//
// The root key needs identity.*.read_identity, or
// identity.<identityId>.read_identity for this one. An unknown identity is a
// 404, whatever the root key may do.
func (e *Engine) GetIdentity(ctx context.Context, who Caller, r *latchkey.GetIdentityRequest) (latchkey.Identity, error) {
	row, err := e.db.Identity(ctx, who.WorkspaceID(), r.Identity)
	if err != nil {
		return latchkey.Identity{}, orNotFound(err, identityNotFound())
	}
	if err := who.require(ids{Identity: row.ID}); err != nil {
		return latchkey.Identity{}, err
	}
	limits, err := e.db.Limits(ctx, row.ID)
	if err != nil {
		return latchkey.Identity{}, err
	}
	return identityWith(row, storedLimits(limits)), nil
}

// ListIdentities returns the identities of the workspace in the order of their
// ids, page by page. A search keeps those whose id or external id contains the
// text, in any letter case.
//
// The root key needs identity.*.read_identity, or
// identity.<identityId>.read_identity for each identity on the page; one that
// it may not read refuses the page. An empty page needs no permission.
func (e *Engine) ListIdentities(ctx context.Context, who Caller, r *latchkey.ListIdentitiesRequest) (latchkey.Page[latchkey.Identity], error) {
	size, pattern := pageSize(r.Limit, 100), searchPattern(r.Search)
	rows, err := e.db.IdentitiesPage(ctx, read.IdentitiesPageParams{
		WorkspaceID: who.WorkspaceID(), FromID: r.Cursor, Pattern: pattern, Most: int64(size) + 1,
	})
	if err != nil {
		return latchkey.Page[latchkey.Identity]{}, err
	}
	shown := rows[:min(size, len(rows))]
	if err := who.requireEach(shown); err != nil {
		return latchkey.Page[latchkey.Identity]{}, err
	}
	limits, err := e.limitsOf(ctx, who, shown, pattern)
	if err != nil {
		return latchkey.Page[latchkey.Identity]{}, err
	}
	return pageOf(rows, size, func(row read.Identity) string { return row.ID }, func(row read.Identity) latchkey.Identity {
		return identityWith(row, limits[row.ID])
	}), nil
}

// UpdateIdentity changes metadata and rate limits of an identity; its external
// id can't change. Metadata is replaced as a whole, an empty object clears it.
// Rate limits are replaced by name: a kept name keeps its id and what was
// counted, an empty list removes all. Absent fields stay as they are. The
// answer shows all rate limits, but metadata only if the request set some.
//
// The root key needs identity.*.update_identity. A rate limit name that repeats
// is a 400, as is metadata of more than 1 MiB; an unknown identity is a 404.
func (e *Engine) UpdateIdentity(ctx context.Context, who Caller, r *latchkey.UpdateIdentityRequest) (latchkey.Identity, error) {
	if err := distinctNames(r.Ratelimits.Or(nil)); err != nil {
		return latchkey.Identity{}, err
	}
	meta, err := metaText(r.Meta.Or(""))
	if err != nil {
		return latchkey.Identity{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Identity, error) {
		row, err := c.tx.Identity(ctx, who.WorkspaceID(), r.Identity)
		if err != nil {
			return latchkey.Identity{}, orNotFound(err, identityNotFound())
		}
		return c.updateIdentity(ctx, row, r, meta)
	})
}

// updateIdentity does what the request asks for. The text of its metadata has
// been checked already.
func (c *Change) updateIdentity(ctx context.Context, row read.Identity, r *latchkey.UpdateIdentityRequest, meta string) (latchkey.Identity, error) {
	identity := latchkey.Identity{ID: row.ID, ExternalID: row.ExternalID, Meta: latchkey.Meta(meta)}
	c.invalidate(row.ID)
	c.audit(identityUpdated, identityTarget(row.ID, row.ExternalID))
	if !r.Meta.IsZero() {
		if err := c.tx.SetIdentityMeta(ctx, row.ID, meta); err != nil {
			return latchkey.Identity{}, err
		}
	}
	if requests, ok := r.Ratelimits.Get(); ok {
		limits, err := c.setLimits(ctx, identityTarget(row.ID, row.ExternalID), requests)
		if err != nil {
			return latchkey.Identity{}, err
		}
		identity.Ratelimits = limits
		return identity, nil
	}
	limits, err := c.tx.Limits(ctx, row.ID)
	if err != nil {
		return latchkey.Identity{}, err
	}
	identity.Ratelimits = storedLimits(limits)
	return identity, nil
}

// DeleteIdentity deletes an identity and its rate limits. Its keys stay valid;
// they lose the identity and with it its limits. The external id is free at
// once, but keys do not join a new identity of that name.
//
// The root key needs identity.*.delete_identity. An unknown identity is a 404.
func (e *Engine) DeleteIdentity(ctx context.Context, who Caller, r *latchkey.DeleteIdentityRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.Identity(ctx, who.WorkspaceID(), r.Identity)
		if err != nil {
			return orNotFound(err, identityNotFound())
		}
		c.invalidate(row.ID)
		c.audit(identityDeleted, identityTarget(row.ID, row.ExternalID))
		if _, err := c.setLimits(ctx, identityTarget(row.ID, row.ExternalID), nil); err != nil {
			return err
		}
		if err := c.tx.LeaveIdentity(ctx, row.ID); err != nil {
			return err
		}
		return c.tx.DeleteIdentity(ctx, row.ID)
	})
}

// identityFor returns the id of the identity with that external id, which is
// made where the caller's workspace has none.
func (c *Change) identityFor(ctx context.Context, externalID string) (string, error) {
	row, err := c.tx.IdentityByExternalID(ctx, c.who.WorkspaceID(), externalID)
	if err == nil {
		return row.ID, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	made, err := c.insertIdentity(ctx, externalID, "")
	if err != nil {
		return "", err
	}
	return made.ID, nil
}

// insertIdentity makes an identity without rate limits.
func (c *Change) insertIdentity(ctx context.Context, externalID, meta string) (latchkey.AuditTarget, error) {
	made := identityTarget(NewID("id"), externalID)
	c.audit(identityCreated, made)
	err := c.tx.InsertIdentity(ctx, write.InsertIdentityParams{
		ID: made.ID, WorkspaceID: c.who.WorkspaceID(), ExternalID: externalID,
		Search: searchText(made.ID, externalID), Meta: meta, CreatedAt: c.now,
	})
	if err != nil {
		return latchkey.AuditTarget{}, err
	}
	return made, nil
}

// limitsOf returns the rate limits of the identities of a page by identity. The
// pattern is the one that the page was read with.
func (e *Engine) limitsOf(ctx context.Context, who Caller, page []read.Identity, pattern string) (map[string][]latchkey.Ratelimit, error) {
	if len(page) == 0 {
		return nil, nil
	}
	rows, err := e.db.LimitsOfIdentities(ctx, read.LimitsOfIdentitiesParams{
		WorkspaceID: who.WorkspaceID(), FromID: page[0].ID, ToID: page[len(page)-1].ID, Pattern: pattern,
	})
	if err != nil {
		return nil, err
	}
	limits := make(map[string][]latchkey.Ratelimit)
	for _, row := range rows {
		limits[row.OwnerID] = append(limits[row.OwnerID], storedLimit(row))
	}
	return limits, nil
}

// mayRead refuses identities of which the caller may not read every one. The
// refusal names none of them.
func (c *Caller) requireEach(rows []read.Identity) error {
	for _, row := range rows {
		if !c.permits("", ids{Identity: row.ID}) {
			return c.require(everything)
		}
	}
	return nil
}

// distinctNames refuses rate limits of which two have one name.
func distinctNames(requests []latchkey.RatelimitRequest) error {
	seen := make(map[string]bool, len(requests))
	for _, r := range requests {
		if seen[r.Name] {
			return invalid(latchkey.Fault{
				Location: "/properties/ratelimits/items/properties/name",
				Message:  fmt.Sprintf("the rate limit name %q stands twice", r.Name),
				Fix:      "Give each rate limit a name of its own.",
			})
		}
		seen[r.Name] = true
	}
	return nil
}

func identityWith(row read.Identity, limits []latchkey.Ratelimit) latchkey.Identity {
	return latchkey.Identity{ID: row.ID, ExternalID: row.ExternalID, Meta: latchkey.Meta(row.Meta), Ratelimits: limits}
}

func identityTarget(id, externalID string) latchkey.AuditTarget {
	return target("identity", id, externalID)
}

func identityNotFound() *latchkey.Error {
	return errIdentityNotFound.with("There is no identity with this id or external id in this workspace.")
}
