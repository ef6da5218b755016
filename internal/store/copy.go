package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CopiedTable is one table of a copy that was compared with the original.
type CopiedTable struct {
	Name string
	Rows int64
	// SHA-256 over all values in the order of the primary key, in hex; the same on both sides
	Hash string
}

// copyRows and copyBytes are how many rows are inserted at once, and about how
// many bytes of blobs. The widest table has 20 columns, and SQLite takes 32766
// parameters.
const (
	copyRows  = 500
	copyBytes = 8 << 20
)

// Copy copies a whole installation from one database into another, in any
// direction between the two engines; from and to are as for Open. Both schemas
// are brought up to date. The source is read as it is at one moment; what a
// running service changes later isn't in the copy, and SQLite's source must have
// no service running, or else the error is [ErrLocked]. The target must be
// empty. Everything is written and compared in one transaction, so a copy that
// is interrupted, or that differs, leaves the target empty, to be copied to
// again. Progress, if not nil, gets the number of rows copied and to copy.
//
// The change log and the list of nodes aren't copied. The master key isn't in any database.
func Copy(
	ctx context.Context, from, to string, progress func(table string, done, total int64),
) ([]CopiedTable, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	tables, err := tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: copy: %w", err)
	}
	source, err := openSource(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("store: copy: source: %w", err)
	}
	target, err := openTarget(ctx, to)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: copy: target: %w", err), source.close())
	}
	c := &copier{source: source.conn, target: target.conn, progress: progress}
	copied, err := c.run(ctx, tables)
	if err := errors.Join(err, target.close(), source.close()); err != nil {
		return nil, err
	}
	return copied, nil
}

// copier copies from one transaction into another.
type copier struct {
	source, target *sql.Conn
	progress       func(table string, done, total int64)
}

func (c *copier) run(ctx context.Context, tables []table) ([]CopiedTable, error) {
	if err := c.mustBeEmpty(ctx, tables); err != nil {
		return nil, err
	}
	copied := make([]CopiedTable, len(tables))
	for i, t := range tables {
		var err error
		if copied[i], err = c.copy(ctx, t); err != nil {
			return nil, fmt.Errorf("store: copy: %s: %w", t.name, err)
		}
	}
	if err := c.copyHead(ctx); err != nil {
		return nil, fmt.Errorf("store: copy: heads: %w", err)
	}
	if _, err := c.target.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, fmt.Errorf("store: copy: commit: %w", commitError(err))
	}
	return copied, nil
}

func (c *copier) mustBeEmpty(ctx context.Context, tables []table) error {
	for _, t := range tables {
		n, err := t.count(ctx, c.target)
		if err != nil {
			return fmt.Errorf("store: copy: target: %w", err)
		}
		if n > 0 {
			return fmt.Errorf(
				"store: copy: the target isn't empty: there are rows in %s; name an empty database",
				t.name,
			)
		}
	}
	return nil
}

func (c *copier) copy(ctx context.Context, t table) (CopiedTable, error) {
	total, err := t.count(ctx, c.source)
	if err != nil {
		return CopiedTable{}, err
	}
	c.progress(t.name, 0, total)
	in := &inserter{
		on: c.target, table: t, wrote: func(done int64) { c.progress(t.name, done, total) },
	}
	original, err := t.scan(ctx, c.source, func(row []any) error { return in.add(ctx, row) })
	if err != nil {
		return CopiedTable{}, err
	}
	if err := in.flush(ctx); err != nil {
		return CopiedTable{}, err
	}
	made, err := t.scan(ctx, c.target, func([]any) error { return nil })
	if err != nil {
		return CopiedTable{}, err
	}
	if made != original {
		return CopiedTable{}, fmt.Errorf("the copy differs: %d rows with hash %s became "+
			"%d rows with hash %s", original.Rows, original.Hash, made.Rows, made.Hash)
	}
	return made, nil
}

// copyHead continues the audit log where the source's ends. The change log starts
// empty.
func (c *copier) copyHead(ctx context.Context) error {
	from, err := read.New(c.source).Head(ctx)
	if err != nil {
		return err
	}
	to, err := read.New(c.target).Head(ctx)
	if err != nil {
		return err
	}
	return write.New(c.target).SetHeads(ctx, to.Changes, from.Audit)
}

// inserter writes rows many at a time.
type inserter struct {
	on    *sql.Conn
	table table
	wrote func(done int64)
	args  []any
	bytes int // of the blobs in args
	done  int64
}

func (in *inserter) add(ctx context.Context, row []any) error {
	in.args = append(in.args, row...)
	for _, value := range row {
		if b, ok := value.(*blob); ok {
			in.bytes += len(b.V)
		}
	}
	if len(in.args) < copyRows*len(row) && in.bytes < copyBytes {
		return nil
	}
	return in.flush(ctx)
}

func (in *inserter) flush(ctx context.Context) error {
	rows := len(in.args) / len(in.table.columns)
	if rows == 0 {
		return nil
	}
	if _, err := in.on.ExecContext(ctx, in.table.insert(rows), in.args...); err != nil {
		return err
	}
	in.args, in.bytes, in.done = in.args[:0], 0, in.done+int64(rows)
	in.wrote(in.done)
	return nil
}

// side is one database of a copy with its transaction.
type side struct {
	conn  *sql.Conn
	close func() error
}

// openSource opens what is to be copied, at one moment.
func openSource(ctx context.Context, where string) (*side, error) {
	seen, err := appliedAt(ctx, where)
	if err != nil {
		return nil, err
	}
	if len(seen) == 0 {
		return nil, errors.New("there is no data of Latchkey")
	}
	return openSide(ctx, where, "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
}

// openTarget opens what is to be written, and keeps others from it.
func openTarget(ctx context.Context, where string) (*side, error) {
	s, err := openSide(ctx, where, "BEGIN IMMEDIATE", "BEGIN")
	if err != nil {
		return nil, err
	}
	if !IsPostgres(where) {
		return s, nil
	}
	if _, err := write.New(s.conn).LockHeads(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openSide opens a database and begins a transaction, as SQLite or PostgreSQL
// writes that, on a connection that nothing hurries.
func openSide(ctx context.Context, where, sqlite, postgres string) (*side, error) {
	db, err := Open(ctx, where)
	if err != nil {
		return nil, err
	}
	begin := sqlite
	if db.shared != nil {
		begin = postgres + unhurried
	}
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &side{conn: conn, close: func() error {
		// refused if all was committed
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(conn.Close(), db.Close())
	}}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// insert writes a statement that inserts some rows.
func (t table) insert(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", t.name, t.list())
	for i := range rows * len(t.columns) {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%len(t.columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteString(")")
	return b.String()
}
