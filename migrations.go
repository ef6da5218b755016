package latchkey

import "context"

// CreateMigrationRequest prepares to bring keys of another system in.
type CreateMigrationRequest struct {
	// Algorithm is how that system made its hashes: sha256 is standard base64 of
	// SHA-256 of the whole key; github.com/seamapi/prefixed-api-key is hex
	// SHA-256 of the part after the last underscore.
	Algorithm MigrationAlgorithm `json:"algorithm" check:"required,enum=sha256|github.com/seamapi/prefixed-api-key"`
}

// MigrationAlgorithm is how another system made the hashes of its keys.
type MigrationAlgorithm string

// The algorithms of migrated hashes.
const (
	MigrateSHA256         MigrationAlgorithm = "sha256"
	MigratePrefixedAPIKey MigrationAlgorithm = "github.com/seamapi/prefixed-api-key"
)

// CreatedMigration is the answer to [CreateMigrationRequest].
type CreatedMigration struct {
	// MigrationID is what keys.migrateKeys and keys.verifyKey ask for.
	MigrationID string `json:"migrationId" check:"required"`
}

// Migrations are the operations on migrations.
type Migrations struct{ c *Client }

// Create prepares to bring keys of another system in.
func (s Migrations) Create(ctx context.Context, r CreateMigrationRequest, opts ...CallOption) (CreatedMigration, error) {
	return call[CreatedMigration](ctx, s.c, "migrations.createMigration", &r, opts)
}
