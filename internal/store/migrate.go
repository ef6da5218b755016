package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql migrations/*/*.sql
var migrations embed.FS

// Migration is one step of the schema.
type Migration struct {
	Number int
	// what it changes; "" for one that neither this program nor the database has a name of
	Name string
	// programs that know fewer migrations than this can't work with the schema after it
	Oldest  int
	Applied bool
	file    string // without its folder
	text    string
}

// dialect is how the schema of one kind of database is written.
type dialect struct {
	tables string // counts the tables of a name
	text   string // what the type TEXT is written as
	folder string // of the migrations that it needs other statements for
}

// On PostgreSQL every TEXT column is told to compare bytes. That is the order
// of SQLite, so pages and copies have the same order everywhere; it is the
// fastest one; and it is the only one that an update of the system's C library
// doesn't change under the indexes, which silently breaks them. CockroachDB
// compares bytes by default and has another type for what has a collation.
var (
	embedded = dialect{tables: "SELECT COUNT(*) FROM sqlite_schema WHERE name = $1", text: "TEXT",
		folder: "migrations/sqlite"}
	bytewise = dialect{tables: catalog, text: `TEXT COLLATE "C"`, folder: "migrations"}
	portable = dialect{tables: catalog, text: "TEXT", folder: "migrations/cockroach"}
)

const catalog = "SELECT COUNT(*) FROM information_schema.tables " +
	"WHERE table_schema = current_schema() AND table_name = $1"

// textColumn finds the columns of type TEXT in a migration, at the beginning of a
// line or where one is added.
var textColumn = regexp.MustCompile(`(?m)(^\s+|ADD COLUMN )(\w+\s+)TEXT\b`)

// statements returns the text of a migration for the dialect.
func (d dialect) statements(m Migration) string {
	text := m.text
	if own, err := migrations.ReadFile(path.Join(d.folder, m.file)); err == nil {
		text = string(own)
	}
	return textColumn.ReplaceAllString(text, "${1}${2}"+d.text)
}

// known returns the migrations of this program, in the order of their numbers.
func known() ([]Migration, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]Migration, len(files))
	for i, file := range files {
		if all[i], err = parseMigration(file); err != nil {
			return nil, fmt.Errorf("schema: %s: %w", file, err)
		}
		if all[i].Number != i+1 {
			return nil, fmt.Errorf("schema: %s should have number %d", file, i+1)
		}
	}
	return all, nil
}

// parseMigration reads a file. Its first line may say "-- oldest: 7": that
// programs which know 7 migrations can still work with the schema after it, so
// that they may run beside this one until they are replaced. Otherwise only
// those can that know it.
func parseMigration(file string) (Migration, error) {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return Migration{}, err
	}
	number, name, _ := strings.Cut(
		strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql"), "_",
	)
	m := Migration{Name: name, file: path.Base(file), text: string(text)}
	if m.Number, err = strconv.Atoi(number); err != nil {
		return Migration{}, err
	}
	m.Oldest = m.Number
	first, _, _ := strings.Cut(m.text, "\n")
	if oldest, says := strings.CutPrefix(first, "-- oldest: "); says {
		if m.Oldest, err = strconv.Atoi(oldest); err != nil {
			return Migration{}, err
		}
	}
	return m, nil
}

// applied returns the migrations that the data has seen, in order; none if there
// is no data. The table had only the numbers at first, and then each migration
// needs the program of its own time.
func applied(ctx context.Context, db *sql.DB, d dialect) ([]Migration, error) {
	var tables int
	if err := db.QueryRowContext(ctx, d.tables, "schema_migrations").Scan(&tables); err != nil ||
		tables == 0 {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT * FROM schema_migrations ORDER BY version")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []Migration
	for rows.Next() {
		m := Migration{Applied: true}
		var name sql.NullString
		var oldest sql.NullInt64
		if err := rows.Scan([]any{&m.Number, &name, &oldest}[:len(columns)]...); err != nil {
			return nil, err
		}
		m.Name, m.Oldest = name.String, m.Number
		if oldest.Valid {
			m.Oldest = int(oldest.Int64)
		}
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// pending returns the migrations that are still to be applied, or an error if
// this program is too old for the data.
func pending(seen []Migration) ([]Migration, error) {
	all, err := known()
	if err != nil {
		return nil, err
	}
	for _, m := range seen {
		if m.Oldest > len(all) {
			return nil, fmt.Errorf("schema: the data is of a newer version of Latchkey "+
				"(schema %d, this one knows %d); use that version", m.Number, len(all))
		}
	}
	if len(seen) == 0 {
		return all, nil
	}
	return all[min(seen[len(seen)-1].Number, len(all)):], nil
}

// upToDate reports whether there is nothing to migrate.
func upToDate(ctx context.Context, db *sql.DB, d dialect) (bool, error) {
	seen, err := applied(ctx, db, d)
	if err != nil {
		return false, fmt.Errorf("schema: %w", err)
	}
	todo, err := pending(seen)
	if err != nil {
		return false, err
	}
	return len(todo) == 0, nil
}

// migrate runs the migrations that the database has not seen, in the order of
// their numbers, each in a transaction of its own. There is no way back. A newer
// schema is refused by a program that its migrations are too new for.
func migrate(ctx context.Context, db *sql.DB, d dialect) error {
	if err := register(ctx, db, d); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	seen, err := applied(ctx, db, d)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	todo, err := pending(seen)
	if err != nil {
		return err
	}
	for _, m := range todo {
		if err := step(ctx, db, d, m); err != nil {
			return fmt.Errorf("schema: migration %d: %w", m.Number, err)
		}
	}
	return nil
}

// register makes the table of migrations, or widens the one that had only their
// numbers, which exists on SQLite alone.
func register(ctx context.Context, db *sql.DB, d dialect) error {
	const table = "CREATE TABLE IF NOT EXISTS schema_migrations " +
		"(version BIGINT PRIMARY KEY, name TEXT, oldest BIGINT)"
	if _, err := db.ExecContext(ctx, table); err != nil || d != embedded {
		return err
	}
	var columns int
	if err := db.QueryRowContext(
		ctx, "SELECT COUNT(*) FROM pragma_table_info('schema_migrations')",
	).Scan(&columns); err != nil || columns > 1 {
		return err
	}
	_, err := db.ExecContext(ctx, "ALTER TABLE schema_migrations ADD COLUMN name TEXT; "+
		"ALTER TABLE schema_migrations ADD COLUMN oldest BIGINT")
	return err
}

func step(ctx context.Context, db *sql.DB, d dialect, m Migration) error {
	begin := beginUnhurried
	if d == embedded {
		begin = func(ctx context.Context, db *sql.DB) (*sql.Tx, error) { return db.BeginTx(ctx, nil) }
	}
	tx, err := begin(ctx, db)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, d.statements(m)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(
		ctx, `INSERT INTO schema_migrations (version, name, oldest) VALUES ($1, $2, $3)`, m.Number,
		m.Name, m.Oldest,
	); err != nil {
		return err
	}
	return tx.Commit()
}
