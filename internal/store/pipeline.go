package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// maxQueued is how many writes a pipeline queues before it sends them.
const maxQueued = 256

// errQueued is about a write that was queued and failed when it was sent: the server has
// rolled the transaction back, and which change it belongs to isn't known.
var errQueued = errors.New("a queued write failed")

// pipeline runs the statements of a transaction on PostgreSQL in few round trips. A write is
// queued. It travels with the next statement whose result is needed, or with COMMIT, so its
// error can be that of a later statement. The result of a read is kept, and used until
// something writes to a table that the read names, unless both name one row by its id.
//
// It is a connection of database/sql, because only that can make an [sql.Rows].
type pipeline struct {
	notPrepared
	on      func(func(*pgx.Conn) error) error // runs a function on the connection
	writes  []*statement                      // of the transaction, in order
	sent    int                               // how many of them were sent
	written map[string]*tableWrites
	results map[string]*statement // reads, by text and arguments
	missing map[string]*statement // reads that a rehearsal asked for
	texts   map[string]*meaning
}

// statement is a statement with its result.
type statement struct {
	text     string
	args     []any
	means    *meaning
	writes   int // how many there were before, for a read
	affected int64
	columns  []string
	rows     [][]driver.Value
}

// meaning is what a text does to tables.
type meaning struct {
	writesTo []string
	words    map[string]bool // the names of all tables are among them
	rowOf    string          // the table of which it names one row by its id, or ""
	rowArg   int             // the index of the argument that is the id
}

// tableWrites are the writes to a table. Each number is how many writes to any table there
// were after the last one.
type tableWrites struct {
	any, unnamed int            // to any rows, to rows that aren't named by their id
	rows         map[string]int // by id
}

// last returns that number for the last write that a statement can see.
func (w *tableWrites) last(s *statement, table string) int {
	if id, named := s.row(table); named {
		return max(w.unnamed, w.rows[id])
	}
	return w.any
}

// row returns the id of the row that a statement names, if it names one of that table.
func (s *statement) row(table string) (id string, named bool) {
	if s.means.rowOf != table {
		return "", false
	}
	id, named = s.args[s.means.rowArg].(string)
	return id, named
}

var (
	// One row named by its id: inserted, changed or deleted, and read. No text with a subquery or
	// a function in these places matches.
	oneInserted = regexp.MustCompile(
		`^\s*INSERT INTO (\w+) \(id,[^()]*\)\s+VALUES \(\$(1),[^()]*\)\s*$`)
	oneChanged = regexp.MustCompile(
		`^\s*(?:UPDATE|DELETE FROM) (\w+) (?:SET [^()]*? )?WHERE id = \$(\d+)(?: AND [^()]*)?\s*$`)
	oneRead = regexp.MustCompile(`^\s*SELECT [^;]*?\sFROM (\w+) (\w+)\s`)

	sqlComment = regexp.MustCompile(`(?m)^--.*$`)
	sqlWord    = regexp.MustCompile(`\w+`)
	sqlWrite   = regexp.MustCompile(`\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)`)
)

func newPipeline(on func(func(*pgx.Conn) error) error) *pipeline {
	p := &pipeline{on: on, texts: map[string]*meaning{}}
	p.reset()
	return p
}

// reset forgets everything about the last transaction.
func (p *pipeline) reset() {
	p.writes, p.sent, p.written = nil, 0, map[string]*tableWrites{}
	p.results, p.missing = map[string]*statement{}, map[string]*statement{}
}

// truncate drops the writes after the first ones, unless they were sent.
func (p *pipeline) truncate(first int) {
	clear(p.written)
	p.writes = p.writes[:max(first, p.sent)]
	for i, w := range p.writes {
		p.note(w, i+1)
	}
}

// note notes that a write is one of so many.
func (p *pipeline) note(w *statement, writes int) {
	for _, table := range w.means.writesTo {
		to := p.written[table]
		if to == nil {
			to = &tableWrites{rows: map[string]int{}}
			p.written[table] = to
		}
		to.any = writes
		if id, named := w.row(table); named {
			to.rows[id] = writes
		} else {
			to.unnamed = writes
		}
	}
}

func (p *pipeline) statement(text string, named []driver.NamedValue) *statement {
	s := &statement{text: text, args: make([]any, len(named)), means: p.texts[text]}
	for i, arg := range named {
		s.args[i] = arg.Value
	}
	if s.means == nil {
		s.means = meaningOf(text)
		p.texts[text] = s.means
	}
	return s
}

func meaningOf(text string) *meaning {
	text = sqlComment.ReplaceAllString(text, "")
	m := &meaning{words: map[string]bool{}}
	for _, found := range sqlWrite.FindAllStringSubmatch(text, -1) {
		m.writesTo = append(m.writesTo, found[1])
	}
	count := map[string]int{}
	for _, word := range sqlWord.FindAllString(text, -1) {
		m.words[word] = true
		count[word]++
	}
	table, arg := rowNamed(text)
	if count[table] == 1 && count["SELECT"] <= 1 && count["OR"] == 0 {
		m.rowOf, m.rowArg = table, arg
	}
	return m
}

// rowNamed returns the table of which a text with at most one SELECT names one row by its id,
// and the index of the argument that is the id.
func rowNamed(text string) (table string, arg int) {
	for _, form := range []*regexp.Regexp{oneInserted, oneChanged} {
		if found := form.FindStringSubmatch(text); found != nil {
			arg, _ = strconv.Atoi(found[2]) // digits
			return found[1], arg - 1
		}
	}
	from := oneRead.FindStringSubmatch(text)
	if from == nil {
		return "", 0
	}
	where := regexp.MustCompile(`\sWHERE ` + from[2] + `\.id = \$(\d+)(?:\s+AND\s|\s*$)`)
	found := where.FindStringSubmatch(text)
	if found == nil {
		return "", 0
	}
	arg, _ = strconv.Atoi(found[1])
	return from[1], arg - 1
}

// key identifies a read: its text and its arguments.
func (s *statement) key() string {
	key := []byte(s.text)
	for _, arg := range s.args {
		key = fmt.Appendf(key, "\x00%T %#v", arg, arg)
	}
	return string(key)
}

// result returns the kept result of a read, or nil if there is none, or it may have changed.
func (p *pipeline) result(key string) *statement {
	s := p.results[key]
	if s == nil {
		return nil
	}
	for table, to := range p.written {
		if s.means.words[table] && to.last(s, table) > s.writes {
			return nil
		}
	}
	return s
}

// ExecContext queues a write.
func (p *pipeline) ExecContext(
	ctx context.Context, text string, args []driver.NamedValue,
) (driver.Result, error) {
	s := p.statement(text, args)
	if len(s.means.writesTo) == 0 {
		clear(p.results) // it can do anything: it can undo what they saw
	}
	p.writes = append(p.writes, s)
	p.note(s, len(p.writes))
	if len(p.writes)-p.sent >= maxQueued {
		return queuedResult{p, s}, p.flush(ctx)
	}
	return queuedResult{p, s}, nil
}

// QueryContext returns the result of a read. It sends what is queued first, unless the result
// is known.
func (p *pipeline) QueryContext(
	ctx context.Context, text string, args []driver.NamedValue,
) (driver.Rows, error) {
	s := p.statement(text, args)
	if len(s.means.writesTo) > 0 {
		p.writes = append(p.writes, s)
		p.note(s, len(p.writes))
		if err := p.flush(ctx); err != nil {
			return nil, err
		}
		return &knownRows{s.columns, s.rows}, nil
	}
	key := s.key()
	if known := p.result(key); known != nil {
		return &knownRows{known.columns, known.rows}, nil
	}
	if err := p.fetch(ctx, map[string]*statement{key: s}); err != nil {
		return nil, err
	}
	return &knownRows{s.columns, s.rows}, nil
}

// flush sends the writes that are queued.
func (p *pipeline) flush(ctx context.Context) error { return p.fetch(ctx, nil) }

// fetch sends the writes that are queued, and then reads.
func (p *pipeline) fetch(ctx context.Context, reads map[string]*statement) error {
	all := p.queued()
	p.sent = len(p.writes)
	for _, s := range reads {
		s.writes = len(p.writes)
		all = append(all, s)
	}
	if _, err := p.exchange(ctx, all); err != nil {
		return err
	}
	for key, s := range reads {
		p.results[key] = s
	}
	return nil
}

// queued returns the writes that weren't sent.
func (p *pipeline) queued() []*statement { return append([]*statement(nil), p.writes[p.sent:]...) }

// exchange sends statements in one round trip, and returns how many of them were done. No
// statement after one that fails is done.
func (p *pipeline) exchange(ctx context.Context, all []*statement) (done int, err error) {
	if len(all) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	batch := &pgx.Batch{}
	for _, s := range all {
		batch.Queue(s.text, s.args...)
	}
	err = p.on(func(conn *pgx.Conn) error {
		if err := prepareAll(ctx, conn, all); err != nil {
			return err
		}
		results := conn.SendBatch(ctx, batch)
		for _, s := range all {
			if err := s.receive(results); err != nil {
				_ = results.Close() // it returns the same error
				return leave(conn, err)
			}
			done++
		}
		return results.Close()
	})
	return done, err
}

// prepareAll prepares statements that aren't yet, if this server's are. The driver would lose
// sight of those that it prepares together with one that fails.
func prepareAll(ctx context.Context, conn *pgx.Conn, all []*statement) error {
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil
	}
	for _, s := range all {
		if _, err := conn.Prepare(ctx, s.text, s.text); err != nil {
			return err
		}
	}
	return nil
}

// leave closes a connection whose prepared statements are out of date, because somebody has
// changed the schema. The driver would keep them.
func leave(conn *pgx.Conn, err error) error {
	if state := sqlState(err); state == "0A000" || state == "26000" {
		ctx, cancel := context.WithTimeout(context.Background(), roundTripTimeout)
		defer cancel()
		_ = conn.Close(ctx) // the error says enough
	}
	return err
}

// receive reads the result of a statement.
func (s *statement) receive(results pgx.BatchResults) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, column := range rows.FieldDescriptions() {
		s.columns = append(s.columns, column.Name)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		row := make([]driver.Value, len(values))
		for i, value := range values {
			row[i] = value
		}
		s.rows = append(s.rows, row)
	}
	s.affected = rows.CommandTag().RowsAffected()
	return rows.Err()
}

// queuedResult is the result of a write, which is sent when somebody asks for it.
type queuedResult struct {
	p *pipeline
	s *statement
}

// LastInsertId is part of [driver.Result].
func (queuedResult) LastInsertId() (int64, error) { return 0, errors.ErrUnsupported }

// RowsAffected returns the number of rows that were written.
func (r queuedResult) RowsAffected() (int64, error) {
	err := r.p.flush(context.Background())
	return r.s.affected, err
}

// knownRows are rows in memory.
type knownRows struct {
	columns []string
	rows    [][]driver.Value
}

// Columns is part of [driver.Rows].
func (r *knownRows) Columns() []string { return r.columns }

// Close is part of [driver.Rows].
func (r *knownRows) Close() error { return nil }

// Next returns the next row.
func (r *knownRows) Next(row []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(row, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// notPrepared has what else a [driver.Conn] must have.
type notPrepared struct{}

// Prepare is part of [driver.Conn].
func (notPrepared) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }

// Begin is part of [driver.Conn].
func (notPrepared) Begin() (driver.Tx, error) { return nil, errors.ErrUnsupported }

// Close is part of [driver.Conn].
func (notPrepared) Close() error { return nil }

// connector gives database/sql the one connection that there is.
type connector struct{ driver.Conn }

// Connect is part of [driver.Connector].
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Conn, nil }

// Driver is part of [driver.Connector].
func (connector) Driver() driver.Driver { return nil }
