package latchkey

import "context"

// MigrateKeysRequest imports keys of another system by their hashes.
type MigrateKeysRequest struct {
	// MigrationID identifies the migration, which says how the hashes were computed.
	MigrationID string `json:"migrationId" check:"required,min=3,max=255"`
	// APIID is the API that the keys will belong to.
	APIID string `json:"apiId" check:"required,min=3,max=255"`
	// Keys are the keys to import.
	Keys []MigrateKey `json:"keys" check:"required,min=1,max=10000"`
}

// MigratedKeys is the response to [MigrateKeysRequest].
type MigratedKeys struct {
	// Migrated are the imported keys.
	Migrated []MigratedKey `json:"migrated" check:"required"`
	// Failed are the hashes that existed already.
	Failed []string `json:"failed" check:"required"`
}

// MigratedKey is an imported key.
type MigratedKey struct {
	// Hash is the hash as the request had it.
	Hash string `json:"hash" check:"required"`
	// KeyID identifies the key.
	KeyID string `json:"keyId" check:"required"`
}

// Migrate imports keys of another system by their hashes.
func (s Keys) Migrate(
	ctx context.Context, r MigrateKeysRequest, opts ...CallOption,
) (MigratedKeys, error) {
	return call[MigratedKeys](ctx, s.c, "keys.migrateKeys", &r, opts)
}
