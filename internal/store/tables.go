package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// table is one table of the schema, as the migrations make it.
type table struct {
	name    string
	columns []field
	key     []string // the columns of the primary key, in its order
}

// field is one column: its kind is TEXT, BIGINT, BOOLEAN or BYTEA.
type field struct{ name, kind string }

// notCopied are the tables that belong to one installation alone. The heads,
// which are not among what is copied either, have a rule of their own.
var notCopied = []string{"schema_migrations", "heads", "changes", "nodes"}

// tables reads what tables there are from a database in memory that the
// migrations have made, so that no second list has to be kept.
func tables(ctx context.Context) (all []table, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	if err := migrate(ctx, db, embedded); err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT t.name, c.name, c.type, c.pk
		FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' ORDER BY t.name, c.cid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if all, err = addColumn(all, rows); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// addColumn reads one column of the catalog into the table that it belongs to.
func addColumn(all []table, rows *sql.Rows) ([]table, error) {
	var name string
	var c field
	var place int // in the primary key, from 1
	if err := rows.Scan(&name, &c.name, &c.kind, &place); err != nil {
		return nil, err
	}
	if slices.Contains(notCopied, name) {
		return all, nil
	}
	if len(all) == 0 || all[len(all)-1].name != name {
		all = append(all, table{name: name})
	}
	t := &all[len(all)-1]
	t.columns = append(t.columns, c)
	if place > 0 {
		t.key = slices.Grow(t.key, place)[:max(place, len(t.key))]
		t.key[place-1] = c.name
	}
	return all, nil
}

func (t table) list() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

func (t table) count(ctx context.Context, on *sql.Conn) (n int64, err error) {
	err = on.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&n)
	return n, err
}

// scan gives each row, in the order of the primary key, to visit, and returns
// the number and the hash of all.
func (t table) scan(
	ctx context.Context, on *sql.Conn, visit func(row []any) error,
) (CopiedTable, error) {
	c := CopiedTable{Name: t.name}
	rows, err := on.QueryContext(ctx,
		fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", t.list(), t.name, strings.Join(t.key, ", ")))
	if err != nil {
		return CopiedTable{}, err
	}
	defer rows.Close()
	sum := sha256.New()
	for rows.Next() {
		row := t.row()
		if err := rows.Scan(row...); err != nil {
			return CopiedTable{}, err
		}
		for _, value := range row {
			digest(sum, value)
		}
		if err := visit(row); err != nil {
			return CopiedTable{}, err
		}
		c.Rows++
	}
	if err := rows.Err(); err != nil {
		return CopiedTable{}, err
	}
	c.Hash = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// row makes the variables that a row is scanned into, which can then be
// arguments of an insert.
func (t table) row() []any {
	row := make([]any, len(t.columns))
	for i, c := range t.columns {
		switch c.kind {
		case "BIGINT":
			row[i] = new(sql.NullInt64)
		case "BOOLEAN":
			row[i] = new(sql.NullBool)
		case "BYTEA":
			row[i] = new(blob)
		default:
			row[i] = new(sql.NullString)
		}
	}
	return row
}

// blob is a value of type BYTEA. Drivers give and take empty ones as nil at
// times, which is not NULL.
type blob struct{ sql.Null[[]byte] }

// Value returns the bytes, which are not nil if there is a value.
func (b blob) Value() (driver.Value, error) {
	if !b.Valid {
		return nil, nil
	}
	return append([]byte{}, b.V...), nil
}

// digest adds a value to a hash: a byte for its kind, then its bytes behind
// their number, so that no two rows have the same writing.
func digest(sum hash.Hash, value any) {
	switch v := value.(type) {
	case *sql.NullInt64:
		writeValue(sum, 'i', v.Valid, binary.BigEndian.AppendUint64(nil, uint64(v.Int64)))
	case *sql.NullBool:
		writeValue(sum, 'b', v.Valid, fmt.Appendf(nil, "%t", v.Bool))
	case *blob:
		writeValue(sum, 'x', v.Valid, v.V)
	case *sql.NullString:
		writeValue(sum, 't', v.Valid, []byte(v.String))
	}
}

func writeValue(sum hash.Hash, kind byte, valid bool, value []byte) {
	if !valid {
		sum.Write([]byte{'-'})
		return
	}
	sum.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(value))))
	sum.Write(value)
}
