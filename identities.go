package latchkey

import (
	"context"
	"iter"
)

// Identity is the owner of keys: a user, a customer, a service. All keys of an
// identity share its rate limits.
type Identity struct {
	// ID identifies the identity.
	ID string `json:"id" check:"required"`
	// ExternalID is your name for it.
	ExternalID string `json:"externalId" check:"required"`
	// Meta is metadata; absent if there is none.
	Meta Meta `json:"meta,omitempty"`
	// Ratelimits are shared by all keys of the identity; absent if there are none.
	Ratelimits []Ratelimit `json:"ratelimits,omitempty"`
	// Disabled is true while the identity is disabled: its keys verify as DISABLED.
	Disabled bool `json:"disabled,omitempty"`
}

// CreateIdentityRequest asks for a new identity.
type CreateIdentityRequest struct {
	_ struct{} `check:"loose"`
	// ExternalID is your name for the identity, unique in the workspace.
	ExternalID string `json:"externalId" check:"required,min=1,max=255,pattern=externalId"`
	// Meta is metadata of at most 100 properties and 1 MiB.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
	// Ratelimits are shared by all keys of the identity. Of a repeated name the last one counts.
	Ratelimits []RatelimitRequest `json:"ratelimits,omitempty" check:"max=50"`
}

// CreatedIdentity is the response to [CreateIdentityRequest].
type CreatedIdentity struct {
	// IdentityID identifies the new identity.
	IdentityID string `json:"identityId" check:"required"`
}

// GetIdentityRequest asks for one identity.
type GetIdentityRequest struct {
	// Identity is the identity's id or external id.
	Identity string `json:"identity" check:"required,min=1,max=8192"`
}

// DeleteIdentityRequest asks to delete an identity. Its keys stay valid, without an owner.
type DeleteIdentityRequest struct {
	// Identity is the identity's id or external id.
	Identity string `json:"identity" check:"required,min=1,max=8192"`
}

// ListIdentitiesRequest asks for one page of the identities of the workspace.
type ListIdentitiesRequest struct {
	// Limit is the largest number of identities in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=8192"`
	// Search keeps the identities whose id or external id contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateIdentityRequest changes an identity. Absent fields stay as they are.
type UpdateIdentityRequest struct {
	// Identity is the identity's id or external id.
	Identity string `json:"identity" check:"required,min=1,max=8192"`
	// Meta replaces the metadata as a whole; an empty object clears it.
	Meta Opt[Meta] `json:"meta,omitzero" check:"max=100"`
	// Ratelimits replaces all limits. A limit whose name stays keeps its id and its count. An empty
	// list removes all.
	Ratelimits Opt[[]RatelimitRequest] `json:"ratelimits,omitzero" check:"max=50"`
	// Enabled enables or disables the identity. All keys of a disabled identity verify as DISABLED,
	// those created later too.
	Enabled Opt[bool] `json:"enabled,omitzero"`
}

// Identities are the operations on identities.
type Identities struct{ c *Client }

// Create creates a new identity.
func (s Identities) Create(
	ctx context.Context, r CreateIdentityRequest, opts ...CallOption,
) (CreatedIdentity, error) {
	return call[CreatedIdentity](ctx, s.c, "identities.createIdentity", &r, opts)
}

// Get reads one identity.
func (s Identities) Get(
	ctx context.Context, r GetIdentityRequest, opts ...CallOption,
) (Identity, error) {
	return call[Identity](ctx, s.c, "identities.getIdentity", &r, opts)
}

// List reads one page of the identities of the workspace.
func (s Identities) List(
	ctx context.Context, r ListIdentitiesRequest, opts ...CallOption,
) (Page[Identity], error) {
	return list[Identity](ctx, s.c, "identities.listIdentities", &r, opts)
}

// All iterates over the identities of the workspace, page after page.
func (s Identities) All(
	ctx context.Context, r ListIdentitiesRequest, opts ...CallOption,
) iter.Seq2[Identity, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Identity], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes an identity. The response has the metadata only if the request set it.
func (s Identities) Update(
	ctx context.Context, r UpdateIdentityRequest, opts ...CallOption,
) (Identity, error) {
	return call[Identity](ctx, s.c, "identities.updateIdentity", &r, opts)
}

// Delete deletes an identity. Its keys stay valid, without an owner.
func (s Identities) Delete(ctx context.Context, r DeleteIdentityRequest, opts ...CallOption) error {
	return do(ctx, s.c, "identities.deleteIdentity", &r, opts)
}

// externalID is that of a key's identity, "" where it has none.
func externalID(owner *Identity) string {
	if owner == nil {
		return ""
	}
	return owner.ExternalID
}
