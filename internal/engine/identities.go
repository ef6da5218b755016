package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateIdentity creates an identity: a person, team or service that owns keys.
// You name it with an external id of your own. All keys of the identity share
// its rate limits, and each verification returns its metadata. If a rate limit
// name repeats, the last definition applies. Unknown properties are ignored.
//
// The root key needs identity.*.create_identity. An external id that already
// exists returns 409; letter case is significant. Metadata of more than 1 MiB
// returns 400.
func (e *Engine) CreateIdentity(
	ctx context.Context, who Caller, r *latchkey.CreateIdentityRequest,
) (latchkey.CreatedIdentity, error) {
	meta, err := metaText(r.Meta)
	if err != nil {
		return latchkey.CreatedIdentity{}, err
	}
	work := func(ctx context.Context, c *Change) (latchkey.CreatedIdentity, error) {
		_, err := c.tx.IdentityByExternalID(ctx, c.who.WorkspaceID(), r.ExternalID)
		if err == nil {
			return latchkey.CreatedIdentity{}, errIdentityExists.with(
				"An identity with this external id already exists in this workspace.",
			)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return latchkey.CreatedIdentity{}, err
		}
		identity, err := c.insertIdentity(ctx, r.ExternalID, meta)
		if err != nil {
			return latchkey.CreatedIdentity{}, err
		}
		if _, err := c.replaceLimits(ctx, identity, nil, r.Ratelimits); err != nil {
			return latchkey.CreatedIdentity{}, err
		}
		return latchkey.CreatedIdentity{IdentityID: identity.ID}, nil
	}
	return change(ctx, e, who, work)
}

// GetIdentity returns an identity by its id or its external id. If both match,
// the id wins.
//
// The root key needs identity.*.read_identity, or
// identity.<identityId>.read_identity for this identity. An unknown identity
// returns 404, whatever permissions the root key has.
func (e *Engine) GetIdentity(
	ctx context.Context, who Caller, r *latchkey.GetIdentityRequest,
) (latchkey.Identity, error) {
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
// ids, page by page. A search returns the identities whose id or external id
// contains the text, in any letter case.
//
// The root key needs identity.*.read_identity, or
// identity.<identityId>.read_identity for every identity on the page; otherwise
// the page returns 403. An empty page needs no permission.
func (e *Engine) ListIdentities(
	ctx context.Context, who Caller, r *latchkey.ListIdentitiesRequest,
) (latchkey.Page[latchkey.Identity], error) {
	pattern := searchPattern(r.Search)
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.Identity) string { return row.ID },
		func(cursor string, most int64) ([]read.Identity, error) {
			return e.db.IdentitiesPage(ctx, read.IdentitiesPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor, Pattern: pattern, Most: most,
			})
		},
		func(rows []read.Identity) ([]latchkey.Identity, error) {
			if err := who.requireEach(rows); err != nil {
				return nil, err
			}
			limits, err := e.limitsOf(ctx, who, rows, pattern)
			if err != nil {
				return nil, err
			}
			with := func(row read.Identity) latchkey.Identity {
				return identityWith(row, limits[row.ID])
			}
			return each(with)(rows)
		})
}

// UpdateIdentity changes the metadata and the rate limits of an identity. The
// external id cannot change. Metadata is replaced as a whole; an empty object
// clears it. Rate limits are replaced by name: a limit whose name is kept keeps
// its id and its count, and an empty list removes all. Absent fields keep their
// values. The response has all rate limits, but metadata only if the request
// set it. While an identity is disabled, all its keys verify as DISABLED, from
// the next verification on; the keys themselves don't change.
//
// The root key needs identity.*.update_identity. A rate limit name that repeats
// returns 400, as does metadata of more than 1 MiB. An unknown identity returns
// 404.
func (e *Engine) UpdateIdentity(
	ctx context.Context, who Caller, r *latchkey.UpdateIdentityRequest,
) (latchkey.Identity, error) {
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

// updateIdentity applies the request to the identity. Meta is the stored form
// of the request's metadata.
func (c *Change) updateIdentity(
	ctx context.Context, row read.Identity, r *latchkey.UpdateIdentityRequest, meta string,
) (latchkey.Identity, error) {
	enabled, newMeta := r.Enabled.Or(row.Enabled), row.Meta
	if !r.Meta.IsZero() {
		newMeta = meta
	}
	identity := latchkey.Identity{
		ID: row.ID, ExternalID: row.ExternalID, Meta: latchkey.Meta(meta),
		Disabled: !enabled,
	}
	c.invalidate(row.ID)
	after := row
	after.Enabled, after.Meta = enabled, newMeta
	c.auditUpdate(identityUpdated, identityWith(row, nil), identityWith(after, nil),
		identityTarget(row.ID, row.ExternalID))
	if !r.Meta.IsZero() {
		if err := c.tx.SetIdentityMeta(ctx, row.ID, meta); err != nil {
			return latchkey.Identity{}, err
		}
	}
	if enabled != row.Enabled {
		if err := c.tx.SetIdentityEnabled(ctx, row.ID, enabled); err != nil {
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

// DeleteIdentity deletes an identity and its rate limits, and ends its portal
// sessions. Its keys stay valid; they lose the identity and its limits. The
// external id can be used again at once, but keys do not join a new identity of
// that name.
//
// The root key needs identity.*.delete_identity. An unknown identity returns
// 404.
func (e *Engine) DeleteIdentity(
	ctx context.Context, who Caller, r *latchkey.DeleteIdentityRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.Identity(ctx, who.WorkspaceID(), r.Identity)
		if err != nil {
			return orNotFound(err, identityNotFound())
		}
		c.invalidate(row.ID)
		n, err := c.tx.LeaveIdentity(ctx, row.ID, maxRows)
		if err != nil {
			return fmt.Errorf("keys of the identity: %w", err)
		}
		if n == maxRows {
			return new(part)
		}
		sessions, err := c.tx.PortalSessionsOfIdentity(ctx, who.WorkspaceID(), row.ExternalID, maxRows)
		if err != nil {
			return fmt.Errorf("portal sessions of the identity: %w", err)
		}
		if err := c.endSessions(ctx, sessions, math.MaxInt64); err != nil {
			return err
		}
		if len(sessions) == maxRows {
			return new(part)
		}
		c.audit(identityDeleted, identityTarget(row.ID, row.ExternalID))
		if _, err := c.setLimits(ctx, identityTarget(row.ID, row.ExternalID), nil); err != nil {
			return err
		}
		if err := c.count(ctx, quotaIdentities, -1); err != nil {
			return err
		}
		if err := c.tx.DetachOwner(ctx, row.ID); err != nil {
			return fmt.Errorf("budgets of the identity: %w", err)
		}
		return c.tx.DeleteIdentity(ctx, row.ID)
	})
}

// identityFor returns the id of the identity with that external id in the
// caller's workspace, which it creates if there is none.
func (c *Change) identityFor(ctx context.Context, externalID string) (string, error) {
	row, err := c.tx.IdentityByExternalID(ctx, c.who.WorkspaceID(), externalID)
	if err == nil {
		return row.ID, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	identity, err := c.insertIdentity(ctx, externalID, "")
	if err != nil {
		return "", err
	}
	return identity.ID, nil
}

// insertIdentity creates an identity without rate limits.
func (c *Change) insertIdentity(
	ctx context.Context, externalID, meta string,
) (latchkey.AuditTarget, error) {
	if err := c.count(ctx, quotaIdentities, 1); err != nil {
		return latchkey.AuditTarget{}, err
	}
	identity := identityTarget(NewID("id"), externalID)
	c.audit(identityCreated, identity)
	err := c.tx.InsertIdentity(ctx, write.InsertIdentityParams{
		ID: identity.ID, WorkspaceID: c.who.WorkspaceID(), ExternalID: externalID,
		Search: searchText(identity.ID, externalID), Meta: meta, CreatedAt: c.now,
	})
	if err != nil {
		return latchkey.AuditTarget{}, err
	}
	return identity, nil
}

// limitsOf returns the rate limits of a page of identities, by identity.
// Pattern is the search pattern that selected the page.
func (e *Engine) limitsOf(
	ctx context.Context, who Caller, page []read.Identity, pattern string,
) (map[string][]latchkey.Ratelimit, error) {
	if len(page) == 0 {
		return nil, nil
	}
	rows, err := e.db.LimitsOfIdentities(ctx, read.LimitsOfIdentitiesParams{
		WorkspaceID: who.WorkspaceID(), FromID: page[0].ID, ToID: page[len(page)-1].ID,
		Pattern: pattern,
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

// requireEach returns an error unless the caller can read every one of the
// identities. The error names none of them.
func (c *Caller) requireEach(rows []read.Identity) error {
	for _, row := range rows {
		if !c.permits("", ids{Identity: row.ID}) {
			return c.require(everything)
		}
	}
	return nil
}

// distinctNames rejects rate limits that share a name.
func distinctNames(requests []latchkey.RatelimitRequest) error {
	seen := make(map[string]bool, len(requests))
	for _, r := range requests {
		if seen[r.Name] {
			return invalid(latchkey.Fault{
				Location: "/properties/ratelimits/items/properties/name",
				Message:  fmt.Sprintf("the rate limit name %q is used twice", r.Name),
				Fix:      "Give each rate limit a name of its own.",
			})
		}
		seen[r.Name] = true
	}
	return nil
}

func identityWith(row read.Identity, limits []latchkey.Ratelimit) latchkey.Identity {
	return latchkey.Identity{
		ID: row.ID, ExternalID: row.ExternalID, Meta: latchkey.Meta(row.Meta), Ratelimits: limits,
		Disabled: !row.Enabled,
	}
}

func identityTarget(id, externalID string) latchkey.AuditTarget {
	return target("identity", id, externalID)
}

func identityNotFound() *latchkey.Error {
	return errIdentityNotFound.with(
		"There is no identity with this id or external id in this workspace.",
	)
}
