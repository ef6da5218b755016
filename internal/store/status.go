package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

func appliedAt(ctx context.Context, where string) ([]Migration, error) {
	if IsPostgres(where) {
		p, err := newPostgres(where, Options{})
		if err != nil {
			return nil, err
		}
		seen, err := p.applied(ctx)
		if err := errors.Join(err, p.close()); err != nil {
			return nil, err
		}
		return seen, nil
	}
	dir, err := Folder(where)
	if err != nil {
		return nil, err
	}
	file := databaseFile(dir)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := sql.Open("sqlite", dsn(file))
	if err != nil {
		return nil, err
	}
	seen, err := applied(ctx, db, embedded)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return seen, nil
}

func (p *postgres) applied(ctx context.Context) ([]Migration, error) {
	if err := p.detectServer(ctx); err != nil {
		return nil, err
	}
	return applied(ctx, p.dedicated, p.dialect)
}
