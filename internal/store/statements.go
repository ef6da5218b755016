package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// preparer is what both a pool and a single connection can do.
type preparer interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// statements runs SQL through prepared statements, each text prepared once.
// The texts are those of this package, so their number is small and fixed.
type statements struct {
	on     preparer
	byText sync.Map // string to *sql.Stmt
}

func prepare(on preparer) *statements { return &statements{on: on} }

// PrepareContext returns the prepared statement of a text.
func (s *statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := s.byText.Load(text); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.on.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	first, loaded := s.byText.LoadOrStore(text, stmt)
	if !loaded {
		return stmt, nil
	}
	if err := stmt.Close(); err != nil {
		return nil, err
	}
	return first.(*sql.Stmt), nil
}

// ExecContext runs a statement that returns no rows.
func (s *statements) ExecContext(
	ctx context.Context, text string, args ...any,
) (sql.Result, error) {
	stmt, err := s.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext runs a statement that returns rows.
func (s *statements) QueryContext(
	ctx context.Context, text string, args ...any,
) (*sql.Rows, error) {
	stmt, err := s.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRowContext runs a statement that returns one row.
func (s *statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	stmt, err := s.PrepareContext(ctx, text)
	if err != nil {
		// A Row carries its error to Scan; only a query can make one.
		return s.on.QueryRowContext(ctx, text, args...)
	}
	return stmt.QueryRowContext(ctx, args...)
}

// close closes the prepared statements. SQLite keeps a database open, and its
// log beside it, as long as one is left.
func (s *statements) close() error {
	var errs []error
	for text, stmt := range s.byText.Range {
		errs = append(errs, stmt.(*sql.Stmt).Close())
		s.byText.Delete(text)
	}
	return errors.Join(errs...)
}
