package latchkey

import (
	"context"
	"iter"
)

// API is a service whose keys are managed together.
type API struct {
	// ID names the API in requests, for example "api_Hk29sPq41".
	ID string `json:"id" check:"required,min=8,max=255,pattern=id"`
	// Name is for people. Several APIs may share one.
	Name string `json:"name" check:"required,min=3,max=256"`
}

// APISettings is an API with everything an operator can set on it.
type APISettings struct {
	// ID names the API in requests.
	ID string `json:"id" check:"required"`
	// Name is for people.
	Name string `json:"name" check:"required"`
	// CreatedAt is when the API was made, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// DeleteProtection makes apis.deleteApi answer 412 until it is switched off.
	DeleteProtection bool `json:"deleteProtection" check:"required"`
	// DefaultPrefix is put before new keys that name no prefix of their own.
	DefaultPrefix string `json:"defaultPrefix,omitempty"`
	// DefaultBytes is how many random bytes new keys have that don't say.
	DefaultBytes int `json:"defaultBytes,omitempty"`
	// IPWhitelist are the addresses and CIDR blocks keys may be verified for.
	IPWhitelist []string `json:"ipWhitelist,omitempty"`
	// StoreEncryptedKeys permits recoverable keys.
	StoreEncryptedKeys bool `json:"storeEncryptedKeys" check:"required"`
}

// CreateAPIRequest asks for a new API.
type CreateAPIRequest struct {
	// Name is for people; any characters, not necessarily unique.
	Name string `json:"name" check:"required,min=3,max=256"`
}

// CreatedAPI is the answer to [CreateAPIRequest].
type CreatedAPI struct {
	// APIID names the new API in all later requests.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// GetAPIRequest asks for one API.
type GetAPIRequest struct {
	// APIID is the API to read.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// DeleteAPIRequest asks to delete an API; none of its keys verifies from then on.
type DeleteAPIRequest struct {
	// APIID is the API to delete.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// ListKeysRequest asks for the keys of an API, page by page.
type ListKeysRequest struct {
	// APIID is the API whose keys are listed.
	APIID string `json:"apiId" check:"required,min=1"`
	// Limit is how many keys a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty"`
	// ExternalID lists only the keys of the identity with this external id.
	ExternalID string `json:"externalId,omitempty" check:"min=1"`
	// Decrypt adds the plaintext of recoverable keys.
	Decrypt bool `json:"decrypt,omitempty" check:"default=false"`
	// RevalidateKeysCache is accepted and needs no effect: lists are always current.
	RevalidateKeysCache bool `json:"revalidateKeysCache,omitempty" check:"default=false"`
}

// ListAPIsRequest asks for the APIs of the workspace, page by page.
type ListAPIsRequest struct {
	// Limit is how many APIs a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the APIs whose id or name contains this text, in any letter case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateAPIRequest changes the settings of an API. Absent fields stay as they are.
type UpdateAPIRequest struct {
	// APIID is the API to change.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
	// DeleteProtection makes apis.deleteApi answer 412 while it is on.
	DeleteProtection Opt[bool] `json:"deleteProtection,omitzero"`
	// DefaultPrefix is put before new keys that name no prefix of their own; null for none.
	DefaultPrefix Opt[string] `json:"defaultPrefix,omitzero" check:"null,min=1,max=16,pattern=id"`
	// DefaultBytes is how many random bytes new keys have that don't say; null for 16.
	DefaultBytes Opt[int] `json:"defaultBytes,omitzero" check:"null,min=16,max=255"`
	// IPWhitelist are the addresses and CIDR blocks keys may be verified for; null or empty for everywhere.
	IPWhitelist Opt[[]string] `json:"ipWhitelist,omitzero" check:"null,max=100,items.min=2,items.max=64"`
	// StoreEncryptedKeys permits recoverable keys. Keys stored so far stay stored.
	StoreEncryptedKeys Opt[bool] `json:"storeEncryptedKeys,omitzero"`
}

// APIs are the operations on APIs.
type APIs struct{ c *Client }

// Create makes a new, empty API.
func (s APIs) Create(ctx context.Context, r CreateAPIRequest, opts ...CallOption) (CreatedAPI, error) {
	return call[CreatedAPI](ctx, s.c, "apis.createApi", &r, opts)
}

// Get reads one API.
func (s APIs) Get(ctx context.Context, r GetAPIRequest, opts ...CallOption) (API, error) {
	return call[API](ctx, s.c, "apis.getApi", &r, opts)
}

// Delete deletes an API; none of its keys verifies from then on.
func (s APIs) Delete(ctx context.Context, r DeleteAPIRequest, opts ...CallOption) error {
	return do(ctx, s.c, "apis.deleteApi", &r, opts)
}

// ListKeys reads one page of the keys of an API.
func (s APIs) ListKeys(ctx context.Context, r ListKeysRequest, opts ...CallOption) (Page[Key], error) {
	return list[Key](ctx, s.c, "apis.listKeys", &r, opts)
}

// AllKeys walks the keys of an API, page after page.
func (s APIs) AllKeys(ctx context.Context, r ListKeysRequest, opts ...CallOption) iter.Seq2[Key, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Key], error) {
		next := r
		next.Cursor = cursor
		return s.ListKeys(ctx, next, opts...)
	})
}

// List reads one page of the APIs of the workspace.
func (s APIs) List(ctx context.Context, r ListAPIsRequest, opts ...CallOption) (Page[APISettings], error) {
	return list[APISettings](ctx, s.c, "apis.listApis", &r, opts)
}

// All walks the APIs of the workspace, page after page.
func (s APIs) All(ctx context.Context, r ListAPIsRequest, opts ...CallOption) iter.Seq2[APISettings, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[APISettings], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes the settings of an API and returns them.
func (s APIs) Update(ctx context.Context, r UpdateAPIRequest, opts ...CallOption) (APISettings, error) {
	return call[APISettings](ctx, s.c, "apis.updateApi", &r, opts)
}
