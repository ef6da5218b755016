package cli

import (
	"context"
	"fmt"

	"github.com/latchkeyhq/latchkey"
)

// createMigration prepares to bring in keys of another system.
type createMigration struct {
	Algorithm string `arg:"" enum:"sha256,github.com/seamapi/prefixed-api-key" help:"How that system hashed its keys: ${enum}."`
}

// Run makes the migration.
func (c *createMigration) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	made, err := client.Migrations.Create(ctx, latchkey.CreateMigrationRequest{
		Algorithm: latchkey.MigrationAlgorithm(c.Algorithm),
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(made)
	}
	_, err = fmt.Fprintf(a.stdout,
		"Pass this migrationId to keys.migrateKeys and keys.verifyKey:\n%s\n", made.MigrationID)
	return err
}
