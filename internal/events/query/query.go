// Package query answers questions about events in the SQL of ClickHouse.
//
// A query is parsed, checked and written as SQL for SQLite, and runs in an empty database in
// memory that has only virtual tables over the events. The tables are bound to one workspace,
// and to what the caller can see in it; no text of a query can get out of that.
package query

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// Engine runs queries. It is safe for concurrent use.
type Engine struct {
	log    *events.Log
	driver *sqlite.Driver
	module *module
}

// Bounds bound a query.
type Bounds struct {
	Timeout time.Duration
	Rows    int // of the result; more are cut off
	Bytes   int // of the values of the result
}

// Question is a query of a caller.
type Question struct {
	SQL    string
	Kind   events.Kind // which tables can be read
	Scope  Scope
	Now    time.Time
	Bounds Bounds
}

// Result is the answer to a query.
type Result struct {
	Columns []string
	Rows    [][]any // values that JSON has, one for each column
}

// New returns an engine for the events of a log.
func New(log *events.Log) (*Engine, error) {
	e := &Engine{log: log, driver: &sqlite.Driver{}, module: &module{runs: map[string]*run{}}}
	if err := register(e.driver); err != nil {
		return nil, err
	}
	return e, e.driver.RegisterModule("events", e.module)
}

// maxValue bounds a value within a query, and so what an aggregate function collects.
const maxValue = 4 << 20

// Run answers a question. Its error is an [Error], events.ErrUnavailable, or one of the
// context or the service.
func (e *Engine) Run(ctx context.Context, q *Question) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Bounds.Timeout)
	defer cancel()
	t := &translator{
		kind: q.Kind, now: q.Now.UnixMilli(),
		constants: func(text string) (int64, error) { return e.constant(ctx, text) },
	}
	translated, err := t.translate(q.SQL, q.Bounds.Rows)
	if err != nil {
		return nil, tooSlow(err, q)
	}
	if err := e.log.Flush(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	snapshot, err := e.log.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = snapshot.Close() }() // it only reads
	r := &run{
		ctx: ctx, kind: q.Kind, scope: q.Scope, snapshot: snapshot, now: q.Now,
		retention: e.log.Retention(q.Kind),
	}
	if q.Scope.Spaces != nil {
		r.spaces = map[string]bool{}
		for _, space := range q.Scope.Spaces {
			r.spaces[space] = true
		}
	}
	result, err := e.run(ctx, r, translated, q)
	if r.err != nil {
		err = r.err
	}
	var refused *Error
	if err != nil && ctx.Err() != nil && !errors.As(err, &refused) {
		err = ctx.Err() // whatever the drivers made of it
	}
	return result, tooSlow(err, q)
}

// tooSlow turns the end of the time into its refusal.
func tooSlow(err error, q *Question) error {
	var refused *Error
	switch {
	case err == nil || errors.As(err, &refused):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(TooSlow, "The query took longer than %v. Ask for a shorter time or a coarser "+
			"table", q.Bounds.Timeout)
	}
	return err
}

// connector opens connections of a driver of our own.
type connector struct{ driver *sqlite.Driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	return c.driver.Open(":memory:")
}

func (c connector) Driver() driver.Driver { return c.driver }

// run runs a translated query in a database of its own.
func (e *Engine) run(
	ctx context.Context, r *run, translated *translated, q *Question,
) (*Result, error) {
	db := sql.OpenDB(connector{e.driver})
	defer func() { _ = db.Close() }() // it is in memory
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	token := "run" + rand.Text() // a name can't begin with a digit
	e.module.add(token, r)
	defer e.module.remove(token)
	if err := prepare(ctx, conn, token, q.Kind, len(translated.columns)); err != nil {
		return nil, err
	}
	// One statement makes all rows: of a query, the driver looks at the context only until
	// the first one.
	if _, err := conn.ExecContext(ctx, "INSERT INTO result "+translated.sql); err != nil {
		return nil, explained(ctx, err)
	}
	rows, err := conn.QueryContext(ctx, "SELECT * FROM result ORDER BY rowid")
	if err != nil {
		return nil, explained(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	values, err := read(ctx, rows, len(translated.columns), q.Bounds.Bytes)
	if err != nil {
		return nil, err
	}
	return finish(translated, values, q.Bounds)
}

const (
	limitLength   = 0 // of SQLite: the longest value
	limitCompound = 4 // the most members of a UNION
	limitVDBE     = 5 // the longest program
	limitLike     = 8 // the longest pattern of LIKE
)

// prepare creates the tables of events, and the one for the result, whose pages are bounded
// to 16 MB.
func prepare(
	ctx context.Context, conn *sql.Conn, token string, kind events.Kind, columns int,
) error {
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	statements := []string{
		"PRAGMA temp_store = FILE", "PRAGMA cache_size = -8000", "PRAGMA case_sensitive_like = ON",
		"PRAGMA max_page_count = 4096",
		"CREATE TABLE result (" + strings.Join(names, ", ") + ")",
	}
	for _, d := range tables {
		if d.kind == kind {
			statements = append(statements,
				fmt.Sprintf("CREATE VIRTUAL TABLE %s USING events(%s)", d.name, token))
		}
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	for id, most := range map[int]int{
		limitLength: maxValue, limitCompound: 100, limitVDBE: 1 << 20, limitLike: 1000,
	} {
		if _, err := sqlite.Limit(conn, id, most); err != nil {
			return err
		}
	}
	return nil
}

// read reads all rows, up to a bound in bytes.
func read(ctx context.Context, rows *sql.Rows, columns, most int) ([][]any, error) {
	var all [][]any
	bytes := 0
	for rows.Next() {
		row := make([]any, columns)
		targets := make([]any, columns)
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for _, v := range row {
			bytes += 16 + size(v)
		}
		if bytes > most {
			return nil, refuse(TooLarge, "The result is larger than %d bytes. Ask for fewer rows or "+
				"columns", most)
		}
		all = append(all, row)
	}
	return all, explained(ctx, rows.Err())
}

func size(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	}
	return 0
}

// explained turns an error of SQLite into a refusal: the text was ours, so what fails is a
// value of the query.
func explained(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	message := err.Error()
	if strings.Contains(message, "too big") || strings.Contains(message, "out of memory") {
		return refuse(TooLarge, "A value of the query is larger than %d bytes", maxValue)
	}
	if strings.Contains(message, "is full") {
		return refuse(TooLarge, "The result is too large. Ask for fewer rows or columns")
	}
	message = strings.TrimPrefix(message, "SQL logic error: ")
	return refuse(Invalid, "The query can't be run: %s", message)
}

// finish fills in missing rows and converts the values.
func finish(q *translated, rows [][]any, bounds Bounds) (*Result, error) {
	if f := q.fill; f != nil {
		zeros := make([]any, len(q.columns))
		for i, c := range q.columns {
			zeros[i] = nothing(c.typ)
		}
		var err error
		rows, err = f.apply(rows, zeros, q.columns[f.column].typ.kind, bounds.Rows)
		if err != nil {
			return nil, err
		}
		from := min(q.limit.offset, int64(len(rows)))
		rows = rows[from:min(int64(len(rows)), plus(from, q.limit.limit))]
	}
	result := &Result{Rows: rows}
	for _, c := range q.columns {
		result.Columns = append(result.Columns, c.name)
	}
	for _, row := range rows {
		for i := range row {
			v, err := q.columns[i].typ.value(row[i])
			if err != nil {
				return nil, err
			}
			row[i] = v
		}
	}
	return result, nil
}

func plus(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// nothing is the value of a column in a row that WITH FILL adds.
func nothing(t typ) any {
	switch t.kind {
	case text:
		return ""
	case array:
		return "[]"
	case null:
		return nil
	case float:
		return float64(0)
	case boolean, integer, unsigned, date, dateTime, dateTime64, tuple, interval:
	}
	return int64(0)
}

// constant returns the value of an expression of SQLite without columns.
func (e *Engine) constant(ctx context.Context, text string) (int64, error) {
	db := sql.OpenDB(connector{e.driver})
	defer func() { _ = db.Close() }() // it is in memory
	var n sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT "+text).Scan(&n)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil || !n.Valid {
		return 0, invalid("A constant is needed, which %s isn't", strconv.Quote(text))
	}
	return n.Int64, nil
}
