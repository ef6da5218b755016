package engine

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
)

func TestCreateMigrationIsAudited(t *testing.T) {
	w := newWorld(t)
	request := latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}
	w.refused(w.grant("api.*.create_key"), "migrations.createMigration", request, 403,
		"insufficient_permissions")
	made := must[latchkey.CreatedMigration](w, w.grant("migration.*.create_migration"),
		"migrations.createMigration", request)
	log := w.auditLogs(w.who.WorkspaceID())[0]
	if log.Event != "migration.create" || log.Targets[0].ID != made.MigrationID {
		t.Errorf("the newest record is %+v", log)
	}
}
