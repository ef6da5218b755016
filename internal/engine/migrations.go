package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateMigration prepares to bring in the keys of another system: it notes how
// that system made its hashes and returns the id by which keys.migrateKeys and
// keys.verifyKey ask for it.
//
// The root key needs migration.*.create_migration.
func (e *Engine) CreateMigration(ctx context.Context, who Caller, r *latchkey.CreateMigrationRequest) (latchkey.CreatedMigration, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedMigration, error) {
		id, algorithm := NewID("mig"), string(r.Algorithm)
		c.audit(migrationCreated, target("migration", id, algorithm))
		err := c.tx.InsertMigration(ctx, write.InsertMigrationParams{
			ID: id, WorkspaceID: who.WorkspaceID(), Algorithm: algorithm, CreatedAt: c.now,
		})
		if err != nil {
			return latchkey.CreatedMigration{}, err
		}
		return latchkey.CreatedMigration{MigrationID: id}, nil
	})
}
