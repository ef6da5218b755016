package latchkey

import (
	"context"
	"iter"
)

// RootKey is a key to the API itself. The service stores only a hash of its secret.
type RootKey struct {
	// ID identifies the root key in requests; it is not secret.
	ID string `json:"id" check:"required"`
	// WorkspaceID is the workspace that it gives access to.
	WorkspaceID string `json:"workspaceId" check:"required"`
	// Name is a display name.
	Name string `json:"name,omitempty"`
	// Start is the beginning of the root key, for people to recognize it by.
	Start string `json:"start" check:"required"`
	// Permissions are what it can do, sorted.
	Permissions []string `json:"permissions" check:"required"`
	// Enabled is false while the root key is disabled.
	Enabled bool `json:"enabled" check:"required"`
	// Expires is the last moment at which it works, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// CreatedAt is when it was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
}

// CreateRootKeyRequest asks for a new root key. A root key can grant only permissions that it has.
type CreateRootKeyRequest struct {
	// WorkspaceID is the workspace that it gives access to; by default that of the caller. Only the
	// operator can name another one.
	WorkspaceID string `json:"workspaceId,omitempty" check:"min=3,max=255,pattern=id"`
	// Name is a display name.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// Permissions are what it can do, for example "api.*.verify_key".
	Permissions []string `json:"permissions" check:"required,max=1000,items.min=1,items.max=512"`
	// Expires is the last moment at which it works, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero" check:"min=0,max=4102444800000"`
}

// CreatedRootKey is a new root key. Its secret is never shown again.
type CreatedRootKey struct {
	// RootKeyID identifies the root key in requests; it is not secret.
	RootKeyID string `json:"rootKeyId" check:"required"`
	// Key is the secret.
	Key string `json:"key" check:"required"`
}

// ListRootKeysRequest asks for one page of the root keys of a workspace.
type ListRootKeysRequest struct {
	// WorkspaceID is the workspace whose root keys are listed; by default that of the caller. Only the
	// operator can name another one.
	WorkspaceID string `json:"workspaceId,omitempty" check:"min=3,max=255,pattern=id"`
	// Limit is the largest number of root keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// UpdateRootKeyRequest changes a root key. Absent fields stay as they are, null removes.
// You can change it only if you have all of its permissions, those before and those after the
// change.
type UpdateRootKeyRequest struct {
	// RootKeyID is the root key to change.
	RootKeyID string `json:"rootKeyId" check:"required,min=3,max=255,pattern=id"`
	// Name is a display name; null removes it.
	Name Opt[string] `json:"name,omitzero" check:"null,min=1,max=255"`
	// Permissions replaces what it can do.
	Permissions Opt[[]string] `json:"permissions,omitzero" check:"max=1000,items.min=1,items.max=512"`
	// Enabled enables or disables the root key.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Expires is the last moment at which it works, in unix milliseconds; null for never.
	Expires Opt[Time] `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
}

// DeleteRootKeyRequest asks to delete a root key. It stops working at once.
type DeleteRootKeyRequest struct {
	// RootKeyID is the root key to delete.
	RootKeyID string `json:"rootKeyId" check:"required,min=3,max=255,pattern=id"`
}

// WhoamiRootKeyRequest asks about the root key that it is sent with.
type WhoamiRootKeyRequest struct{}

// RootKeyWhoami is a root key, its workspace and the operations that it can call.
type RootKeyWhoami struct {
	// RootKeyID identifies the root key in requests; it is not secret.
	RootKeyID string `json:"rootKeyId" check:"required"`
	// Name is a display name.
	Name string `json:"name,omitempty"`
	// WorkspaceID is the workspace that it gives access to.
	WorkspaceID string `json:"workspaceId" check:"required"`
	// WorkspaceName is the name of that workspace.
	WorkspaceName string `json:"workspaceName" check:"required"`
	// Expires is the last moment at which it works, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Permissions are what it can do, sorted.
	Permissions []string `json:"permissions" check:"required"`
	// Operations are those that it can call, in the order of the API reference.
	Operations []CallableOperation `json:"operations" check:"required"`
}

// CallableOperation is an operation that a root key can call.
type CallableOperation struct {
	// Operation is its name, such as "keys.createKey".
	Operation string `json:"operation" check:"required"`
	// For says whether it can be called for all ids or only for some.
	For CallableFor `json:"for" check:"required,enum=all|some"`
}

// CallableFor says for which ids a root key can call an operation.
type CallableFor string

// The values of CallableFor.
const (
	// CallableForAll is for every id.
	CallableForAll CallableFor = "all"
	// CallableForSome is for some ids only.
	CallableForSome CallableFor = "some"
)

// RootKeys are the operations on root keys.
type RootKeys struct{ c *Client }

// Create creates a new root key. The secret in the response is never shown again.
func (s RootKeys) Create(
	ctx context.Context, r CreateRootKeyRequest, opts ...CallOption,
) (CreatedRootKey, error) {
	return call[CreatedRootKey](ctx, s.c, "rootKeys.createRootKey", &r, opts)
}

// List reads one page of the root keys of a workspace.
func (s RootKeys) List(
	ctx context.Context, r ListRootKeysRequest, opts ...CallOption,
) (Page[RootKey], error) {
	return list[RootKey](ctx, s.c, "rootKeys.listRootKeys", &r, opts)
}

// All iterates over the root keys of a workspace, page after page.
func (s RootKeys) All(
	ctx context.Context, r ListRootKeysRequest, opts ...CallOption,
) iter.Seq2[RootKey, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[RootKey], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes a root key and returns it.
func (s RootKeys) Update(
	ctx context.Context, r UpdateRootKeyRequest, opts ...CallOption,
) (RootKey, error) {
	return call[RootKey](ctx, s.c, "rootKeys.updateRootKey", &r, opts)
}

// Whoami returns the root key that the client uses, and the operations that it can call.
func (s RootKeys) Whoami(ctx context.Context, opts ...CallOption) (RootKeyWhoami, error) {
	return call[RootKeyWhoami](ctx, s.c, "rootKeys.whoami", &WhoamiRootKeyRequest{}, opts)
}

// Delete deletes a root key. It stops working at once.
func (s RootKeys) Delete(ctx context.Context, r DeleteRootKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "rootKeys.deleteRootKey", &r, opts)
}
