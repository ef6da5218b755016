package latchkey

import (
	"context"
	"iter"
)

// RootKeysCreateKeyRequest asks for a new root key of the caller's workspace, as Unkey's clients
// do. [CreateRootKeyRequest] can also name another workspace.
type RootKeysCreateKeyRequest struct {
	// Name is a display name.
	Name string `json:"name,omitempty" check:"max=255"`
	// Permissions are what it can do, for example "api.*.verify_key". Duplicates are ignored.
	Permissions []string `json:"permissions" check:"required,max=1000,items.min=1,items.max=255"`
	// Expires is the last moment at which it works, in unix milliseconds, which must be in the
	// future; null or absent for never.
	Expires Opt[Time] `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
}

// RootKeysListKeysRequest asks for one page of the root keys of the caller's workspace.
type RootKeysListKeysRequest struct {
	// Limit is the largest number of root keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=256"`
}

// ListedRootKey is a root key in the list of rootKeys.listKeys.
type ListedRootKey struct {
	// KeyID identifies the root key in requests; it is not secret.
	KeyID string `json:"keyId" check:"required"`
	// Name is a display name; null for none.
	Name Opt[string] `json:"name" check:"required,null"`
	// Start is the beginning of the root key, for people to recognize it by.
	Start string `json:"start" check:"required"`
	// End is the end of the root key. It is empty for root keys that are older than this field.
	End string `json:"end" check:"required"`
	// Enabled is false while the root key is disabled.
	Enabled bool `json:"enabled" check:"required"`
	// CreatedAt is when it was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// LastUsedAt is when it was last used, in unix milliseconds, up to a minute late; 0 for never.
	LastUsedAt Time `json:"lastUsedAt" check:"required"`
	// Expires is the last moment at which it works, in unix milliseconds; null for never.
	Expires Opt[Time] `json:"expires" check:"required,null"`
	// Permissions are what it can do, sorted.
	Permissions []string `json:"permissions" check:"required"`
}

// RootKeysUpdateKeyRequest changes a root key. Absent fields stay as they are; at least one must
// be present.
type RootKeysUpdateKeyRequest struct {
	// KeyID is the root key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Name is a display name; null removes it.
	Name Opt[string] `json:"name,omitzero" check:"null,min=1,max=255"`
	// Enabled enables or disables the root key.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Permissions replaces what it can do.
	Permissions Opt[[]string] `json:"permissions,omitzero" check:"max=1000,items.min=1,items.max=255"`
}

// RootKeysRerollKeyRequest replaces a root key by a new one with the same settings.
type RootKeysRerollKeyRequest struct {
	// KeyID is the root key to replace.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Expiration is how long the old root key still works, in milliseconds: 0 ends it at once, null
	// leaves its expiry as it is. It never outlives its own expiry.
	Expiration Opt[Duration] `json:"expiration,omitzero" check:"required,null,min=0,max=4102444800000"`
}

// RootKeysDeleteKeyRequest asks to delete a root key. It stops working at once.
type RootKeysDeleteKeyRequest struct {
	// KeyID is the root key to delete.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
}

// CreateKey creates a root key in the caller's workspace. The secret in the response is never
// shown again.
func (s RootKeys) CreateKey(
	ctx context.Context, r RootKeysCreateKeyRequest, opts ...CallOption,
) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "rootKeys.createKey", &r, opts)
}

// ListKeys reads one page of the root keys that the caller can read.
func (s RootKeys) ListKeys(
	ctx context.Context, r RootKeysListKeysRequest, opts ...CallOption,
) (Page[ListedRootKey], error) {
	return list[ListedRootKey](ctx, s.c, "rootKeys.listKeys", &r, opts)
}

// AllKeys iterates over the root keys that the caller can read, page after page.
func (s RootKeys) AllKeys(
	ctx context.Context, r RootKeysListKeysRequest, opts ...CallOption,
) iter.Seq2[ListedRootKey, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[ListedRootKey], error) {
		next := r
		next.Cursor = cursor
		return s.ListKeys(ctx, next, opts...)
	})
}

// UpdateKey changes a root key.
func (s RootKeys) UpdateKey(
	ctx context.Context, r RootKeysUpdateKeyRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "rootKeys.updateKey", &r, opts)
}

// RerollKey replaces a root key by a new one with the same settings, and lets the old one work for
// a while.
func (s RootKeys) RerollKey(
	ctx context.Context, r RootKeysRerollKeyRequest, opts ...CallOption,
) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "rootKeys.rerollKey", &r, opts)
}

// DeleteKey deletes a root key. It stops working at once.
func (s RootKeys) DeleteKey(
	ctx context.Context, r RootKeysDeleteKeyRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "rootKeys.deleteKey", &r, opts)
}
