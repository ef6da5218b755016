package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate runs the migrations that the database has not seen, in the order of
// their numbers, each in a transaction of its own. There is no way back: a
// newer schema is refused by an older program.
func migrate(ctx context.Context, db *sql.DB) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY)`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	var at int
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_migrations`).Scan(&at); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if at > len(files) {
		return fmt.Errorf("schema: the data is of a newer version of Latchkey (schema %d, this one knows %d); use that version", at, len(files))
	}
	for _, file := range files[at:] {
		if err := step(ctx, db, file); err != nil {
			return fmt.Errorf("schema: %s: %w", file, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, file string) error {
	number, _, _ := strings.Cut(strings.TrimPrefix(file, "migrations/"), "_")
	version, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_migrations (version) VALUES ($1)`, version); err != nil {
		return err
	}
	return tx.Commit()
}
