package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// MigrationStatus returns all migrations that this program knows or that were
// applied to a database, in order. Where is as for Open. It changes nothing and can
// run beside a service. An empty folder or database has none applied.
func MigrationStatus(ctx context.Context, where string) ([]Migration, error) {
	seen, err := appliedAt(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	all, err := known()
	if err != nil {
		return nil, err
	}
	for i, m := range seen {
		switch {
		case i >= len(all):
			all = append(all, m)
		case m.Number == all[i].Number:
			all[i].Applied = true
		}
	}
	return all, nil
}

// DataKeysOf returns the wrapped data keys of a database, none if there is no data. Where is
// as for Open. It changes nothing and can run beside a service.
func DataKeysOf(ctx context.Context, where string) (wrapped [][]byte, err error) {
	err = peek(ctx, where, func(ctx context.Context, db *sql.DB, d dialect) error {
		seen, err := applied(ctx, db, d)
		if err != nil || len(seen) == 0 {
			return err
		}
		keys, err := read.New(db).DataKeys(ctx)
		for _, key := range keys {
			wrapped = append(wrapped, key.Wrapped)
		}
		return err
	})
	return wrapped, err
}

func appliedAt(ctx context.Context, where string) (seen []Migration, err error) {
	err = peek(ctx, where, func(ctx context.Context, db *sql.DB, d dialect) error {
		seen, err = applied(ctx, db, d)
		return err
	})
	return seen, err
}

// peek gives a database to look, if there is one, without opening it as a node does.
func peek(
	ctx context.Context, where string, look func(context.Context, *sql.DB, dialect) error,
) error {
	if IsPostgres(where) {
		p, err := newPostgres(where, Options{})
		if err != nil {
			return err
		}
		if err := p.detectServer(ctx); err != nil {
			return errors.Join(err, p.close())
		}
		return errors.Join(look(ctx, p.dedicated, p.dialect), p.close())
	}
	dir, err := Folder(where)
	if err != nil {
		return err
	}
	file := databaseFile(dir)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(file))
	if err != nil {
		return err
	}
	return errors.Join(look(ctx, db, embedded), db.Close())
}
