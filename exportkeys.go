package latchkey

import (
	"context"
	"iter"
)

// ExportedKey is a key with everything that keys.migrateKeys needs to import it: its hash in
// place of its secret.
type ExportedKey struct {
	// KeyID identifies the key in requests. An imported key gets another id.
	KeyID string `json:"keyId" check:"required"`
	// Hash is the SHA-256 of what the algorithm says, in base64 or hex.
	Hash string `json:"hash" check:"required"`
	// Algorithm is what was hashed: see migrations.createMigration.
	Algorithm MigrationAlgorithm `json:"algorithm" check:"required"`
	// Start is the beginning of the key, prefix included; absent if it is not known.
	Start string `json:"start,omitempty"`
	// Name is a display name.
	Name string `json:"name,omitempty"`
	// ExternalID is your name for the owner of the key; absent if it has none.
	ExternalID string `json:"externalId,omitempty"`
	// Meta is metadata; absent if there is none.
	Meta Meta `json:"meta,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
	// Permissions are the slugs that the key holds directly, without those of its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Enabled is false while the key is disabled.
	Enabled bool `json:"enabled" check:"required"`
	// Credits is the balance; absent for a key without a limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits are the key's own limits.
	Ratelimits []Ratelimit `json:"ratelimits,omitempty"`
	// CreatedAt is when the key was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// LastUsedAt is when the key was last valid in a verification, in unix milliseconds.
	LastUsedAt Time `json:"lastUsedAt,omitzero"`
}

// ExportKeysRequest asks for one page of the keys of an API, with their hashes.
type ExportKeysRequest struct {
	// APIID is the API whose keys are exported.
	APIID string `json:"apiId" check:"required,min=3,max=255,pattern=id"`
	// Limit is the largest number of keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// Export reads one page of the keys of an API, with their hashes.
func (s Keys) Export(
	ctx context.Context, r ExportKeysRequest, opts ...CallOption,
) (Page[ExportedKey], error) {
	return list[ExportedKey](ctx, s.c, "keys.exportKeys", &r, opts)
}

// ExportAll iterates over the keys of an API with their hashes, page after page.
func (s Keys) ExportAll(
	ctx context.Context, r ExportKeysRequest, opts ...CallOption,
) iter.Seq2[ExportedKey, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[ExportedKey], error) {
		next := r
		next.Cursor = cursor
		return s.Export(ctx, next, opts...)
	})
}
