package latchkey

import "context"

// Portal is a page on which your end users see and replace their own keys of one API.
type Portal struct {
	// ID identifies the portal in requests.
	ID string `json:"id" check:"required"`
	// Slug is a readable name, unique in the workspace, that identifies the portal too.
	Slug string `json:"slug" check:"required"`
	// DisplayName is the name that end users see.
	DisplayName string `json:"displayName" check:"required"`
	// Enabled is false while no sessions can be created.
	Enabled bool `json:"enabled" check:"required"`
	// CreatedAt is when the portal was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// KeyspaceID is the keyspace whose keys the portal shows.
	KeyspaceID string `json:"keyspaceId,omitempty"`
	// Branding is how the portal looks; absent for the defaults.
	Branding *PortalBranding `json:"branding,omitempty"`
	// UpdatedAt is when the portal was last changed, in unix milliseconds.
	UpdatedAt Time `json:"updatedAt,omitzero"`
}

// PortalBranding is how a portal looks.
type PortalBranding struct {
	// LogoURL is the URL of a logo. The browsers of end users load it.
	LogoURL string `json:"logoUrl,omitempty"`
	// PrimaryColor is the color of buttons and links, such as #0a7f5a.
	PrimaryColor string `json:"primaryColor,omitempty"`
}

// CreatePortalRequest asks for a new portal. It needs a KeyspaceID.
type CreatePortalRequest struct {
	// Slug is a readable name, unique in the workspace: lower-case letters, digits and hyphens, but
	// no hyphen at either end.
	Slug string `json:"slug" check:"required,min=3,max=64,pattern=label"`
	// DisplayName is the name that end users see. Spaces around it are removed.
	DisplayName string `json:"displayName" check:"required,min=1,max=64"`
	// KeyspaceID is the keyspace whose keys the portal shows. A keyspace has one portal.
	KeyspaceID string `json:"keyspaceId,omitempty" check:"min=1,max=255"`
	// AppID is an app of Unkey. There are no apps here, so none is found.
	AppID string `json:"appId,omitempty" check:"min=1,max=255"`
	// Enabled is false to create a portal without sessions.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// LogoURL is the https URL of a logo. The browsers of end users load it.
	LogoURL string `json:"logoUrl,omitempty" check:"min=1,max=500"`
	// PrimaryColor is the color of buttons and links: # and six hexadecimal digits.
	PrimaryColor string `json:"primaryColor,omitempty" check:"min=7,max=7"`
}

// CreatedPortal is the response to [CreatePortalRequest].
type CreatedPortal struct {
	// PortalID identifies the new portal in requests.
	PortalID string `json:"portalId" check:"required"`
}

// GetPortalRequest asks for one portal, by exactly one of the fields.
type GetPortalRequest struct {
	// Portal is the id or the slug of the portal.
	Portal string `json:"portal,omitempty" check:"min=3,max=255,pattern=resource"`
	// KeyspaceID is the keyspace whose keys the portal shows.
	KeyspaceID string `json:"keyspaceId,omitempty" check:"min=1,max=255"`
	// AppID is an app of Unkey. There are no apps here, so none is found.
	AppID string `json:"appId,omitempty" check:"min=1,max=255"`
}

// UpdatePortalRequest changes a portal. Absent fields stay as they are, null removes.
type UpdatePortalRequest struct {
	// Portal is the id or the slug of the portal to change.
	Portal string `json:"portal" check:"required,min=3,max=255,pattern=resource"`
	// Slug is a new readable name.
	Slug Opt[string] `json:"slug,omitzero" check:"min=3,max=64,pattern=label"`
	// DisplayName is a new name that end users see.
	DisplayName Opt[string] `json:"displayName,omitzero" check:"min=1,max=64"`
	// KeyspaceID is another keyspace whose keys the portal shows. Its sessions end.
	KeyspaceID Opt[string] `json:"keyspaceId,omitzero" check:"min=1,max=255"`
	// AppID is an app of Unkey. There are no apps here, so none is found.
	AppID Opt[string] `json:"appId,omitzero" check:"min=1,max=255"`
	// Enabled is false to end all sessions of the portal and to create no new ones.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// LogoURL is the https URL of a logo; null removes it.
	LogoURL Opt[string] `json:"logoUrl,omitzero" check:"null,min=1,max=500"`
	// PrimaryColor is # and six hexadecimal digits; null restores the default.
	PrimaryColor Opt[string] `json:"primaryColor,omitzero" check:"null,min=7,max=7"`
}

// DeletePortalRequest asks to delete a portal. Its sessions end.
type DeletePortalRequest struct {
	// Portal is the id or the slug of the portal to delete.
	Portal string `json:"portal" check:"required,min=3,max=255,pattern=resource"`
}

// Portals are the operations on portals, and those of the end users in them.
type Portals struct{ c *Client }

// Create creates a portal for a keyspace.
func (s Portals) Create(
	ctx context.Context, r CreatePortalRequest, opts ...CallOption,
) (CreatedPortal, error) {
	return call[CreatedPortal](ctx, s.c, "portal.createPortal", &r, opts)
}

// Get reads one portal.
func (s Portals) Get(
	ctx context.Context, r GetPortalRequest, opts ...CallOption,
) (Portal, error) {
	return call[Portal](ctx, s.c, "portal.getPortal", &r, opts)
}

// Update changes a portal and returns it.
func (s Portals) Update(
	ctx context.Context, r UpdatePortalRequest, opts ...CallOption,
) (Portal, error) {
	return call[Portal](ctx, s.c, "portal.updatePortal", &r, opts)
}

// Delete deletes a portal and ends its sessions. The keys stay.
func (s Portals) Delete(ctx context.Context, r DeletePortalRequest, opts ...CallOption) error {
	return do(ctx, s.c, "portal.deletePortal", &r, opts)
}
