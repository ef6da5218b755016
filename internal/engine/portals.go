package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreatePortal creates a portal: a page on which your end users manage their own
// keys of one keyspace. Send exactly one of keyspaceId and appId. There are no apps
// here, so only a keyspace is found. A keyspace has one portal at most.
//
// A slug or a keyspace that is taken returns 409; an unknown keyspace returns 404.
func (e *Engine) CreatePortal(
	ctx context.Context, who Caller, r *latchkey.CreatePortalRequest,
) (latchkey.CreatedPortal, error) {
	if err := exactlyOne("keyspaceId", r.KeyspaceID, "appId", r.AppID); err != nil {
		return latchkey.CreatedPortal{}, err
	}
	settings := &latchkey.UpdatePortalRequest{
		Slug: latchkey.Set(r.Slug), DisplayName: latchkey.Set(r.DisplayName), Enabled: r.Enabled,
	}
	if r.LogoURL != "" {
		settings.LogoURL = latchkey.Set(r.LogoURL)
	}
	if r.PrimaryColor != "" {
		settings.PrimaryColor = latchkey.Set(r.PrimaryColor)
	}
	row := read.Portal{Enabled: true}
	if err := applyPortal(&row, settings); err != nil {
		return latchkey.CreatedPortal{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedPortal, error) {
		api, err := c.apiForPortal(ctx, r.KeyspaceID)
		if err != nil {
			return latchkey.CreatedPortal{}, err
		}
		if err := c.requireFreePortalSlug(ctx, row.Slug); err != nil {
			return latchkey.CreatedPortal{}, err
		}
		id := NewID("pc")
		c.audit(portalCreated, target("portal", id, row.Slug), apiTarget(&api))
		err = c.tx.InsertPortal(ctx, write.InsertPortalParams{
			ID: id, WorkspaceID: who.WorkspaceID(), APIID: api.ID, Slug: row.Slug,
			DisplayName: row.DisplayName, Enabled: row.Enabled, LogoURL: row.LogoURL,
			PrimaryColor: row.PrimaryColor, CreatedAt: c.now,
		})
		if err != nil {
			return latchkey.CreatedPortal{}, fmt.Errorf("portal: %w", err)
		}
		return latchkey.CreatedPortal{PortalID: id}, nil
	})
}

// GetPortal returns a portal by its id, its slug or its keyspace. Send exactly one
// of portal, keyspaceId and appId. If the id of one portal is the slug of another
// one, the id wins.
func (e *Engine) GetPortal(
	ctx context.Context, who Caller, r *latchkey.GetPortalRequest,
) (latchkey.Portal, error) {
	err := exactlyOne("portal", r.Portal, "keyspaceId", r.KeyspaceID, "appId", r.AppID)
	if err != nil {
		return latchkey.Portal{}, err
	}
	var row read.PortalRow
	if r.Portal != "" {
		row, err = e.db.Portal(ctx, who.WorkspaceID(), r.Portal)
	} else {
		var found read.PortalOfKeyspaceRow
		found, err = e.db.PortalOfKeyspace(ctx, r.KeyspaceID, who.WorkspaceID())
		row = read.PortalRow(found)
	}
	if err != nil {
		return latchkey.Portal{}, orNotFound(err, portalNotFound())
	}
	if err := who.require(ids{Portal: row.Portal.ID}); err != nil {
		return latchkey.Portal{}, err
	}
	return portalOf(row), nil
}

// UpdatePortal changes a portal and returns it. Absent fields keep their values;
// null removes the logo or the color. If the portal gets another keyspace, or is
// disabled, its sessions end at once, and don't come back if that is undone.
//
// A slug or a keyspace that is taken returns 409; an unknown keyspace returns 404.
func (e *Engine) UpdatePortal(
	ctx context.Context, who Caller, r *latchkey.UpdatePortalRequest,
) (latchkey.Portal, error) {
	keyspace, repoint := r.KeyspaceID.Get()
	if app, set := r.AppID.Get(); set {
		if err := exactlyOne("keyspaceId", keyspace, "appId", app); err != nil {
			return latchkey.Portal{}, err
		}
		repoint = true
	}
	if err := applyPortal(new(read.Portal), r); err != nil {
		return latchkey.Portal{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Portal, error) {
		old, err := c.portal(ctx, r.Portal)
		if err != nil {
			return latchkey.Portal{}, err
		}
		row := old
		if err := applyPortal(&row.Portal, r); err != nil {
			return latchkey.Portal{}, err
		}
		if repoint && (keyspace == "" || keyspace != old.API.KeyspaceID) {
			if row.API, err = c.apiForPortal(ctx, keyspace); err != nil {
				return latchkey.Portal{}, err
			}
			row.Portal.APIID = row.API.ID
		}
		if row == old {
			return portalOf(old), nil
		}
		if row.Portal.Slug != old.Portal.Slug {
			if err := c.requireFreePortalSlug(ctx, row.Portal.Slug); err != nil {
				return latchkey.Portal{}, err
			}
		}
		err = c.updatePortal(ctx, old, &row)
		return portalOf(row), err
	})
}

// updatePortal stores a changed portal, and ends its sessions if it is disabled or for
// another API now.
func (c *Change) updatePortal(ctx context.Context, old read.PortalRow, to *read.PortalRow) error {
	row := &to.Portal
	if row.APIID != old.Portal.APIID || old.Portal.Enabled && !row.Enabled {
		row.Epoch++
	}
	row.UpdatedAt = c.now
	c.auditUpdate(portalUpdated, portalOf(old), portalOf(*to), target("portal", row.ID, row.Slug))
	return c.tx.UpdatePortal(ctx, write.UpdatePortalParams{
		ID: row.ID, APIID: row.APIID, Slug: row.Slug, DisplayName: row.DisplayName,
		Enabled: row.Enabled, LogoURL: row.LogoURL, PrimaryColor: row.PrimaryColor,
		Epoch: row.Epoch, UpdatedAt: row.UpdatedAt,
	})
}

// DeletePortal deletes a portal and ends its sessions at once. The keyspace and its
// keys stay, and the slug can be used again.
func (e *Engine) DeletePortal(
	ctx context.Context, who Caller, r *latchkey.DeletePortalRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.portal(ctx, r.Portal)
		if err != nil {
			return err
		}
		return c.deletePortal(ctx, &row.Portal)
	})
}

// deletePortal deletes a portal. Its sessions are invalid without it; their rows go when
// they expire.
func (c *Change) deletePortal(ctx context.Context, row *read.Portal) error {
	c.audit(portalDeleted, target("portal", row.ID, row.Slug))
	return c.tx.DeletePortal(ctx, row.ID)
}

// deletePortalOf deletes the portal of an API, if it has one.
func (c *Change) deletePortalOf(ctx context.Context, api string) error {
	row, err := c.tx.PortalOfAPI(ctx, api)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return c.deletePortal(ctx, &row)
}

// portal returns a portal of the caller's workspace by its id or slug, if the caller
// satisfies the rules of its operation for it, and else the error of one that doesn't exist.
func (c *Change) portal(ctx context.Context, name string) (read.PortalRow, error) {
	row, err := c.tx.Portal(ctx, c.who.WorkspaceID(), name)
	if err != nil {
		return read.PortalRow{}, orNotFound(err, portalNotFound())
	}
	return row, c.require(ids{Portal: row.Portal.ID})
}

// apiForPortal returns the API of a keyspace that has no portal yet and that the caller can
// read. Without a keyspace, the request named an app.
func (c *Change) apiForPortal(ctx context.Context, keyspace string) (read.API, error) {
	if keyspace == "" {
		return read.API{}, errAppNotFound.with(
			"There are no apps here. Create the portal for a keyspace, with keyspaceId.")
	}
	api, err := c.tx.APIOfKeyspace(ctx, keyspace, c.who.WorkspaceID())
	if err != nil {
		return read.API{}, orNotFound(err, errKeyspaceNotFound.with(
			"There is no keyspace with this id in this workspace."))
	}
	err = c.requireWhen(latchkey.WhenRepointed, ids{API: api.ID, Keyspace: api.KeyspaceID})
	if err != nil {
		return read.API{}, err
	}
	switch _, err := c.tx.PortalOfAPI(ctx, api.ID); {
	case err == nil:
		return read.API{}, errPortalExists.with("This keyspace already has a portal.")
	case !errors.Is(err, store.ErrNotFound):
		return read.API{}, fmt.Errorf("portal: %w", err)
	}
	return api, nil
}

// requireFreePortalSlug returns an error if another portal of the workspace has the slug.
func (c *Change) requireFreePortalSlug(ctx context.Context, slug string) error {
	switch _, err := c.tx.PortalWithSlug(ctx, c.who.WorkspaceID(), slug); {
	case err == nil:
		return errPortalExists.with(
			"A portal with this slug already exists in this workspace. Choose another slug.")
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

// applyPortal sets the columns that the request names, except the API. It returns an error
// if a value is invalid.
func applyPortal(row *read.Portal, r *latchkey.UpdatePortalRequest) error {
	row.Enabled = r.Enabled.Or(row.Enabled)
	if slug, set := r.Slug.Get(); set {
		if strings.HasPrefix(slug, "-") || strings.HasSuffix(slug, "-") {
			return invalid(latchkey.Fault{
				Location: "/properties/slug/pattern",
				Message:  "slug must not begin or end with a hyphen",
			})
		}
		row.Slug = slug
	}
	if name, set := r.DisplayName.Get(); set {
		if row.DisplayName = strings.TrimSpace(name); row.DisplayName == "" {
			return invalid(latchkey.Fault{
				Location: "/properties/displayName/minLength", Message: "displayName must not be blank",
			})
		}
	}
	if logo, set := r.LogoURL.Get(); set || r.LogoURL.IsNull() {
		if err := checkURL("logoUrl", logo, "https"); err != nil {
			return err
		}
		row.LogoURL = logo
	}
	if color, set := r.PrimaryColor.Get(); set || r.PrimaryColor.IsNull() {
		if set && !hexColor.MatchString(color) {
			return invalid(latchkey.Fault{
				Location: "/properties/primaryColor/pattern",
				Message:  "primaryColor must be # and six hexadecimal digits",
				Fix:      "Send a color such as #0a7f5a.",
			})
		}
		row.PrimaryColor = color
	}
	return nil
}

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// checkURL returns an error unless a text is "" or an absolute URL with one of the schemes.
// A browser is sent there, so it must be no script.
func checkURL(field, text string, schemes ...string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && u.User == nil && slices.Contains(schemes, u.Scheme) {
		return nil
	}
	return invalid(latchkey.Fault{
		Location: "/properties/" + field + "/format",
		Message:  field + " must be an absolute URL with " + strings.Join(schemes, " or "),
		Fix:      "Send a URL such as https://example.com/keys.",
	})
}

// exactlyOne returns an error unless exactly one of the values, each of which comes after
// its name, isn't empty.
func exactlyOne(namesAndValues ...string) error {
	var names []string
	set := 0
	for pair := range slices.Chunk(namesAndValues, 2) {
		names = append(names, pair[0])
		if pair[1] != "" {
			set++
		}
	}
	if set == 1 {
		return nil
	}
	return invalid(latchkey.Fault{
		Location: "requestBody",
		Message:  "the request must have exactly one of " + strings.Join(names, ", "),
	})
}

func portalOf(row read.PortalRow) latchkey.Portal {
	p := row.Portal
	portal := latchkey.Portal{
		ID: p.ID, Slug: p.Slug, DisplayName: p.DisplayName, Enabled: p.Enabled,
		CreatedAt: latchkey.AtMilli(p.CreatedAt), UpdatedAt: timeOf(p.UpdatedAt),
		KeyspaceID: row.API.KeyspaceID,
	}
	if p.LogoURL != "" || p.PrimaryColor != "" {
		portal.Branding = &latchkey.PortalBranding{
			LogoURL: p.LogoURL, PrimaryColor: p.PrimaryColor,
		}
	}
	return portal
}

// portalNotFound is the error for a portal that does not exist and for one whose existence
// the caller may not learn.
func portalNotFound() *latchkey.Error {
	return errPortalNotFound.with("There is no portal with this id or slug in this workspace.")
}
