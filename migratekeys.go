package latchkey

import "context"

// MigrateKeysRequest brings keys of another system in by their hashes.
type MigrateKeysRequest struct {
	// MigrationID names the migration, which says how the hashes were made.
	MigrationID string `json:"migrationId" check:"required,min=3,max=255"`
	// APIID is the API the keys will belong to.
	APIID string `json:"apiId" check:"required,min=3,max=255"`
	// Keys are the keys to bring in.
	Keys []MigrateKey `json:"keys" check:"required,min=1"`
}

// MigratedKeys is the answer to [MigrateKeysRequest].
type MigratedKeys struct {
	// Migrated are the keys that came in.
	Migrated []MigratedKey `json:"migrated" check:"required"`
	// Failed are the hashes that were here already.
	Failed []string `json:"failed" check:"required"`
}

// MigratedKey is a key that came in.
type MigratedKey struct {
	// Hash is the hash as it was sent.
	Hash string `json:"hash" check:"required"`
	// KeyID names the key from now on.
	KeyID string `json:"keyId" check:"required"`
}

// Migrate brings keys of another system in by their hashes.
func (s Keys) Migrate(ctx context.Context, r MigrateKeysRequest, opts ...CallOption) (MigratedKeys, error) {
	return call[MigratedKeys](ctx, s.c, "keys.migrateKeys", &r, opts)
}
