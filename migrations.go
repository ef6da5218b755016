package latchkey

import "context"

// CreateMigrationRequest prepares an import of keys from another system.
type CreateMigrationRequest struct {
	// Algorithm is how that system hashed its keys: sha256 is SHA-256 of the
	// whole key; github.com/seamapi/prefixed-api-key is SHA-256 of the part after the
	// last underscore.
	Algorithm MigrationAlgorithm `json:"algorithm" check:"required,enum=sha256|github.com/seamapi/prefixed-api-key"`
}

// MigrationAlgorithm is how another system hashed its keys.
type MigrationAlgorithm string

// The values of MigrationAlgorithm.
const (
	MigrateSHA256         MigrationAlgorithm = "sha256"
	MigratePrefixedAPIKey MigrationAlgorithm = "github.com/seamapi/prefixed-api-key"
)

// CreatedMigration is the response to [CreateMigrationRequest].
type CreatedMigration struct {
	// MigrationID identifies the migration in keys.migrateKeys and keys.verifyKey.
	MigrationID string `json:"migrationId" check:"required"`
}

// Migrations are the operations on migrations.
type Migrations struct{ c *Client }

// Create prepares an import of keys from another system.
func (s Migrations) Create(
	ctx context.Context, r CreateMigrationRequest, opts ...CallOption,
) (CreatedMigration, error) {
	return call[CreatedMigration](ctx, s.c, "migrations.createMigration", &r, opts)
}
