package latchkey

import (
	"context"
	"iter"
)

// Key describes a key. The service stores only a hash of the secret, unless the key
// was created as recoverable.
type Key struct {
	// KeyID identifies the key in requests. It is not secret.
	KeyID string `json:"keyId" check:"required,min=8,max=255,pattern=id"`
	// APIID is the API of the key. Only keys.listKeys returns it.
	APIID string `json:"apiId,omitempty"`
	// Start is the beginning of the key, prefix included, for people to recognize it by.
	Start string `json:"start" check:"required"`
	// Enabled is false while the key is disabled.
	Enabled bool `json:"enabled" check:"required"`
	// Name is a display name.
	Name string `json:"name,omitempty"`
	// Meta is metadata; absent if there is none.
	Meta Meta `json:"meta,omitempty"`
	// CreatedAt is when the key was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// UpdatedAt is when keys.updateKey last changed the key, in unix milliseconds.
	UpdatedAt Time `json:"updatedAt,omitzero"`
	// LastUsedAt is when the key was last valid in a verification, in unix milliseconds. It can be
	// some minutes late.
	LastUsedAt Time `json:"lastUsedAt,omitzero"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Permissions are the slugs the key holds, directly or through its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Grants says where the key has each of its permissions from. Only keys.getKey returns it, if
	// the request asks for it.
	Grants []PermissionGrant `json:"grants,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
	// Credits is the balance; absent for a key without a limit.
	Credits *Credits `json:"credits,omitempty"`
	// Identity is the owner of the key; absent if it has none.
	Identity *Identity `json:"identity,omitempty"`
	// Plaintext is the whole key, present if the key is recoverable and the request asked for it.
	Plaintext string `json:"plaintext,omitempty"`
	// Ratelimits are the key's own limits. Limits of its owner are in Identity.
	Ratelimits []Ratelimit `json:"ratelimits,omitempty"`
}

// ExternalID returns your name for the key's owner, "" if the key has none.
func (k Key) ExternalID() string { return externalID(k.Identity) }

// CreateKeyRequest asks for a new key.
type CreateKeyRequest struct {
	// APIID is the API that the key belongs to.
	APIID string `json:"apiId" check:"required,min=3,max=255,pattern=id"`
	// Prefix is put before the key, with an underscore between; by default the prefix of the API.
	Prefix string `json:"prefix,omitempty" check:"min=1,max=16,pattern=id"`
	// Name is a display name.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// ByteLength is the number of random bytes of the key; by default that of the API, else 16.
	ByteLength int `json:"byteLength,omitempty" check:"min=16,max=255,default=16"`
	// ExternalID is your name for the owner of the key. The identity is created if there is none.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255,pattern=externalId"`
	// Meta is metadata of at most 100 properties and 1 MiB.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
	// Roles are names of roles that exist.
	Roles []string `json:"roles,omitempty" check:"max=100,items.min=1,items.max=128"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero" check:"min=0,max=4102444800000"`
	// Credits limits what verifications of the key can spend; absent for no limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits limit how fast the key can be used.
	Ratelimits []RatelimitRequest `json:"ratelimits,omitempty" check:"max=50"`
	// Enabled is false to create a disabled key.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// Recoverable stores the key encrypted, so that it can be shown again. The API must permit it.
	Recoverable bool `json:"recoverable,omitempty" check:"default=false"`
}

// MigrateKey is one key of another system.
type MigrateKey struct {
	// Hash is the SHA-256 of what the algorithm of the migration says, in base64 (44
	// characters) or hex (64).
	Hash string `json:"hash" check:"required,min=3,max=512"`
	// Start is the beginning of the key, prefix included, for people to recognize it by.
	Start string `json:"start,omitempty" check:"min=1,max=64"`
	// Name is a display name.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// ExternalID is your name for the owner of the key. The identity is created if there is none.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Meta is metadata of at most 100 properties and 1 MiB.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
	// Roles are names; those that don't exist are created.
	Roles []string `json:"roles,omitempty" check:"max=100,items.min=1,items.max=128"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero" check:"min=0,max=4102444800000"`
	// Enabled is false to import the key as disabled.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// Credits limits what verifications of the key can spend; absent for no limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits limit how fast the key can be used.
	Ratelimits []RatelimitRequest `json:"ratelimits,omitempty" check:"max=50"`
}

// CreatedKey is a new key. Its secret is never shown again.
type CreatedKey struct {
	// KeyID identifies the key in requests. It is not secret.
	KeyID string `json:"keyId" check:"required"`
	// Key is the secret, for its user.
	Key string `json:"key" check:"required"`
}

// GetKeyRequest asks for one key.
type GetKeyRequest struct {
	// KeyID is the key to read.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Decrypt adds the plaintext of a recoverable key.
	Decrypt bool `json:"decrypt,omitempty" check:"default=false"`
	// Grants adds where the key has each permission from.
	Grants bool `json:"grants,omitempty" check:"default=false"`
}

// WhoamiRequest asks for one key by its secret.
type WhoamiRequest struct {
	// Key is the whole key.
	Key string `json:"key" check:"required,min=1,max=512"`
}

// UpdateKeyRequest changes a key. Absent fields stay as they are, null removes.
type UpdateKeyRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Name is a display name; null removes it.
	Name Opt[string] `json:"name,omitzero" check:"null,min=1,max=255"`
	// ExternalID is your name for the owner, who is created if there is none; null for no owner.
	ExternalID Opt[string] `json:"externalId,omitzero" check:"null,min=1,max=255,pattern=externalId"`
	// Meta replaces the metadata as a whole; null removes it.
	Meta Opt[Meta] `json:"meta,omitzero" check:"null,max=100"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; null for never.
	Expires Opt[Time] `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
	// Credits changes balance and refill; null removes the limit.
	Credits Opt[UpdateKeyCredits] `json:"credits,omitzero" check:"null"`
	// Ratelimits replaces all limits. A limit whose name stays keeps its id and its count. An empty
	// list removes all, and so does null.
	Ratelimits Opt[[]RatelimitRequest] `json:"ratelimits,omitzero" check:"null,max=50"`
	// Enabled enables or disables the key.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Roles are names of roles that exist and replace all roles of the key. An empty list removes all.
	Roles Opt[[]string] `json:"roles,omitzero" check:"max=100,items.min=1,items.max=128"`
	// Permissions are slugs that replace the direct permissions; those that don't exist are created.
	// An empty list removes all.
	Permissions Opt[[]string] `json:"permissions,omitzero" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// DeleteKeyRequest asks to delete a key. It stops verifying at once.
type DeleteKeyRequest struct {
	// KeyID is the key to delete.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permanent erases the record of the key, instead of marking it as deleted.
	Permanent bool `json:"permanent,omitempty" check:"default=false"`
}

// RestoreKeyRequest asks to undo the deletion of a key.
type RestoreKeyRequest struct {
	// KeyID is the deleted key.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
}

// FindKeysRequest asks for one page of the keys of the workspace that satisfy all filters.
// Absent filters select all keys.
type FindKeysRequest struct {
	// APIID selects the keys of an API; by default those of all APIs.
	APIID string `json:"apiId,omitempty" check:"min=3,max=255,pattern=id"`
	// ExternalID selects the keys of the identity with this external id.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Start selects the keys that begin with this text. Only the prefix and the first 4 characters
	// of a key are stored, so a longer text selects nothing.
	Start string `json:"start,omitempty" check:"min=1,max=64"`
	// Name selects the keys with exactly this name.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// Enabled selects the keys that are enabled, or those that are disabled.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// ExpiresAfter selects the keys that expire then or later, in unix milliseconds.
	ExpiresAfter Time `json:"expiresAfter,omitzero" check:"min=1,max=4102444800000"`
	// ExpiresBefore selects the keys that expire then or earlier, in unix milliseconds.
	ExpiresBefore Time `json:"expiresBefore,omitzero" check:"min=1,max=4102444800000"`
	// LastUsedAfter selects the keys that were used then or later, in unix milliseconds. When a
	// key was last used can be known some minutes late.
	LastUsedAfter Time `json:"lastUsedAfter,omitzero" check:"min=1,max=4102444800000"`
	// LastUsedBefore selects the keys that were used then or earlier, or never, in unix
	// milliseconds.
	LastUsedBefore Time `json:"lastUsedBefore,omitzero" check:"min=1,max=4102444800000"`
	// Role selects the keys with the role of this id or name.
	Role string `json:"role,omitempty" check:"min=1,max=128"`
	// Permission selects the keys that have the permission of this id or slug, directly or through
	// a role. A permission with a * that matches it doesn't count.
	Permission string `json:"permission,omitempty" check:"min=1,max=128,pattern=slug"`
	// Sort is the order: "id", "createdAt", "expires" or "start". By default it is "start" or
	// "expires" if there is a filter for it, otherwise "id". With "expires", only keys that expire
	// are listed.
	Sort KeySort `json:"sort,omitempty" check:"enum=id|createdAt|expires|start"`
	// Limit is the largest number of keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page of the same request; leave it out for the first
	// page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// KeySort is an order of keys.
type KeySort string

// The values of KeySort.
const (
	SortByID        KeySort = "id"
	SortByCreatedAt KeySort = "createdAt"
	SortByExpires   KeySort = "expires"
	SortByStart     KeySort = "start"
)

// Keys are the operations on keys.
type Keys struct{ c *Client }

// Create creates a new key. The secret in the response is never shown again.
func (s Keys) Create(
	ctx context.Context, r CreateKeyRequest, opts ...CallOption,
) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "keys.createKey", &r, opts)
}

// Get reads one key by its id.
func (s Keys) Get(ctx context.Context, r GetKeyRequest, opts ...CallOption) (Key, error) {
	return call[Key](ctx, s.c, "keys.getKey", &r, opts)
}

// All iterates over the keys of an API, page after page, as [APIs.AllKeys] does.
func (s Keys) All(
	ctx context.Context, r ListKeysRequest, opts ...CallOption,
) iter.Seq2[Key, error] {
	return s.c.APIs.AllKeys(ctx, r, opts...)
}

// Find reads one page of the keys of the workspace that satisfy the filters.
func (s Keys) Find(
	ctx context.Context, r FindKeysRequest, opts ...CallOption,
) (Page[Key], error) {
	return list[Key](ctx, s.c, "keys.listKeys", &r, opts)
}

// FindAll iterates over the keys of the workspace that satisfy the filters, page after page.
func (s Keys) FindAll(
	ctx context.Context, r FindKeysRequest, opts ...CallOption,
) iter.Seq2[Key, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Key], error) {
		next := r
		next.Cursor = cursor
		return s.Find(ctx, next, opts...)
	})
}

// Whoami reads one key by its secret. It spends no credits.
func (s Keys) Whoami(ctx context.Context, r WhoamiRequest, opts ...CallOption) (Key, error) {
	return call[Key](ctx, s.c, "keys.whoami", &r, opts)
}

// Update changes a key.
func (s Keys) Update(ctx context.Context, r UpdateKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "keys.updateKey", &r, opts)
}

// Delete deletes a key. It stops verifying at once.
func (s Keys) Delete(ctx context.Context, r DeleteKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "keys.deleteKey", &r, opts)
}

// Restore brings back a key that was deleted in the last 30 days, but not permanently.
func (s Keys) Restore(ctx context.Context, r RestoreKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "keys.restoreKey", &r, opts)
}
