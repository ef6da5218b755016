package latchkey

import (
	"context"
	"iter"
)

// API is a group of keys, usually those of one service of yours.
type API struct {
	// ID identifies the API in requests, for example "api_Hk29sPq41".
	ID string `json:"id" check:"required,min=8,max=255,pattern=id"`
	// Name is a display name. It need not be unique.
	Name string `json:"name" check:"required,min=3,max=256"`
}

// APISettings is an API with its settings.
type APISettings struct {
	// ID identifies the API in requests.
	ID string `json:"id" check:"required"`
	// Name is a display name.
	Name string `json:"name" check:"required"`
	// KeyspaceID identifies the keyspace of its keys in permissions and verifications.
	KeyspaceID string `json:"keyspaceId" check:"required"`
	// CreatedAt is when the API was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// DeleteProtection makes apis.deleteApi fail with status 412.
	DeleteProtection bool `json:"deleteProtection" check:"required"`
	// DefaultPrefix is the prefix of new keys whose request sets none.
	DefaultPrefix string `json:"defaultPrefix,omitempty"`
	// DefaultBytes is the number of random bytes of new keys whose request sets none.
	DefaultBytes int `json:"defaultBytes,omitempty"`
	// IPWhitelist lists the addresses and CIDR blocks that keys can be used from.
	IPWhitelist []string `json:"ipWhitelist,omitempty"`
	// StoreEncryptedKeys permits recoverable keys.
	StoreEncryptedKeys bool `json:"storeEncryptedKeys" check:"required"`
	// StrictGrants makes every operation that grants permissions or roles to keys need the
	// permissions for it.
	StrictGrants bool `json:"strictGrants" check:"required"`
	// SelfService is what the holders of its keys can do with them; absent for nothing.
	SelfService []string `json:"selfService,omitempty"`
}

// CreateAPIRequest asks for a new API.
type CreateAPIRequest struct {
	// Name is a display name of any characters; it need not be unique.
	Name string `json:"name" check:"required,min=3,max=256"`
}

// CreatedAPI is the response to [CreateAPIRequest].
type CreatedAPI struct {
	// APIID identifies the new API in requests.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// GetAPIRequest asks for one API.
type GetAPIRequest struct {
	// APIID is the API to read.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// DeleteAPIRequest asks to delete an API. None of its keys is valid from then on.
type DeleteAPIRequest struct {
	// APIID is the API to delete.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
}

// ListKeysRequest asks for one page of the keys of an API.
type ListKeysRequest struct {
	// APIID is the API whose keys are listed.
	APIID string `json:"apiId" check:"required,min=1,max=8192"`
	// Limit is the largest number of keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=8192"`
	// ExternalID lists only the keys of the identity with this external id.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=8192"`
	// Decrypt adds the plaintext of recoverable keys.
	Decrypt bool `json:"decrypt,omitempty" check:"default=false"`
	// RevalidateKeysCache is accepted and has no effect: lists are always current.
	RevalidateKeysCache bool `json:"revalidateKeysCache,omitempty" check:"default=false"`
}

// ListAPIsRequest asks for one page of the APIs of the workspace.
type ListAPIsRequest struct {
	// Limit is the largest number of APIs in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the APIs whose id or name contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// UpdateAPIRequest changes the settings of an API. Absent fields stay as they are.
type UpdateAPIRequest struct {
	// APIID is the API to change.
	APIID string `json:"apiId" check:"required,min=8,max=255,pattern=id"`
	// DeleteProtection makes apis.deleteApi fail with status 412.
	DeleteProtection Opt[bool] `json:"deleteProtection,omitzero"`
	// DefaultPrefix is the prefix of new keys whose request sets none; null for none.
	DefaultPrefix Opt[string] `json:"defaultPrefix,omitzero" check:"null,min=1,max=16,pattern=id"`
	// DefaultBytes is the number of random bytes of new keys whose request sets none; null for 16.
	DefaultBytes Opt[int] `json:"defaultBytes,omitzero" check:"null,min=16,max=255"`
	// IPWhitelist lists the addresses and CIDR blocks that keys can be used from; null or empty for
	// any.
	IPWhitelist Opt[[]string] `json:"ipWhitelist,omitzero" check:"null,max=100,items.min=2,items.max=64"`
	// StoreEncryptedKeys permits recoverable keys. Keys that are stored already stay stored.
	StoreEncryptedKeys Opt[bool] `json:"storeEncryptedKeys,omitzero"`
	// StrictGrants makes every operation that grants permissions to keys of this API need
	// rbac.*.add_permission_to_key, and every one that grants roles rbac.*.add_role_to_key. To
	// reroll a key then also needs update_key. Without it, create_key or update_key is enough to
	// grant anything in the workspace.
	StrictGrants Opt[bool] `json:"strictGrants,omitzero"`
	// SelfService is what the holders of its keys can do with them, with no root key:
	// "getKey", "rerollKey" and "revokeKey" are the operations self.getKey, self.rerollKey and
	// self.revokeKey, and "keyId" shows them the ids of their keys. Null or empty for nothing.
	SelfService Opt[[]string] `json:"selfService,omitzero" check:"null,max=10,items.enum=getKey|rerollKey|revokeKey|keyId"`
}

// APIs are the operations on APIs.
type APIs struct{ c *Client }

// Create creates a new, empty API.
func (s APIs) Create(
	ctx context.Context, r CreateAPIRequest, opts ...CallOption,
) (CreatedAPI, error) {
	return call[CreatedAPI](ctx, s.c, "apis.createApi", &r, opts)
}

// Get reads one API.
func (s APIs) Get(ctx context.Context, r GetAPIRequest, opts ...CallOption) (API, error) {
	return call[API](ctx, s.c, "apis.getApi", &r, opts)
}

// Delete deletes an API. None of its keys is valid from then on.
func (s APIs) Delete(ctx context.Context, r DeleteAPIRequest, opts ...CallOption) error {
	return do(ctx, s.c, "apis.deleteApi", &r, opts)
}

// ListKeys reads one page of the keys of an API.
func (s APIs) ListKeys(
	ctx context.Context, r ListKeysRequest, opts ...CallOption,
) (Page[Key], error) {
	return list[Key](ctx, s.c, "apis.listKeys", &r, opts)
}

// AllKeys iterates over the keys of an API, page after page.
func (s APIs) AllKeys(
	ctx context.Context, r ListKeysRequest, opts ...CallOption,
) iter.Seq2[Key, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Key], error) {
		next := r
		next.Cursor = cursor
		return s.ListKeys(ctx, next, opts...)
	})
}

// List reads one page of the APIs of the workspace.
func (s APIs) List(
	ctx context.Context, r ListAPIsRequest, opts ...CallOption,
) (Page[APISettings], error) {
	return list[APISettings](ctx, s.c, "apis.listApis", &r, opts)
}

// All iterates over the APIs of the workspace, page after page.
func (s APIs) All(
	ctx context.Context, r ListAPIsRequest, opts ...CallOption,
) iter.Seq2[APISettings, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[APISettings], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes the settings of an API and returns them.
func (s APIs) Update(
	ctx context.Context, r UpdateAPIRequest, opts ...CallOption,
) (APISettings, error) {
	return call[APISettings](ctx, s.c, "apis.updateApi", &r, opts)
}
