package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateMigration prepares the import of keys from another system. It records
// how that system hashes its keys and returns the id that keys.migrateKeys and
// keys.verifyKey refer to.
//
// The root key needs migration.*.create_migration.
func (e *Engine) CreateMigration(
	ctx context.Context, who Caller, r *latchkey.CreateMigrationRequest,
) (latchkey.CreatedMigration, error) {
	work := func(ctx context.Context, c *Change) (latchkey.CreatedMigration, error) {
		id, algorithm := NewID("mig"), string(r.Algorithm)
		c.audit(migrationCreated, target("migration", id, algorithm))
		err := c.tx.InsertMigration(ctx, write.InsertMigrationParams{
			ID: id, WorkspaceID: who.WorkspaceID(), Algorithm: algorithm, CreatedAt: c.now,
		})
		if err != nil {
			return latchkey.CreatedMigration{}, err
		}
		return latchkey.CreatedMigration{MigrationID: id}, nil
	}
	return change(ctx, e, who, work)
}
