package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite/vtab"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// Scope is what the caller of a query can see.
type Scope struct {
	Workspace string
	// Spaces are the keyspaces, or the namespaces, that can be seen; nil is all.
	Spaces []string
}

// run is one query under way. Its virtual tables show what is in its scope, so no text of a
// query can get out of it.
type run struct {
	ctx       context.Context
	kind      events.Kind
	scope     Scope
	spaces    map[string]bool // of scope; nil is all
	snapshot  *events.Snapshot
	now       time.Time
	retention time.Duration // of single events
	err       error         // the first failure of a table
}

func (r *run) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// sees reports whether the caller can see events of the subject.
func (r *run) sees(s *events.Subject) bool {
	return s.Workspace == r.scope.Workspace && (r.spaces == nil || r.spaces[s.Space])
}

// module makes the virtual tables of the runs: CREATE VIRTUAL TABLE name USING events(run).
type module struct {
	mu   sync.Mutex
	runs map[string]*run
}

func (m *module) add(token string, r *run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[token] = r
}

func (m *module) remove(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.runs, token)
}

// Create implements vtab.Module.
func (m *module) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	m.mu.Lock()
	r := m.runs[args[3]]
	m.mu.Unlock()
	if r == nil {
		return nil, fmt.Errorf("unknown run")
	}
	t := &table{run: r, def: tableNamed(args[2], r.kind)}
	names := make([]string, len(t.def.columns))
	for i, c := range t.def.columns {
		names[i] = quoteName(c.name)
	}
	return t, ctx.Declare("CREATE TABLE t (" + strings.Join(names, ", ") + ")")
}

// Connect implements vtab.Module.
func (m *module) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return m.Create(ctx, args)
}

// table is a virtual table of a run.
type table struct {
	run *run
	def *tableDef
}

// Disconnect and Destroy implement vtab.Table.
func (t *table) Disconnect() error { return nil }
func (t *table) Destroy() error    { return nil }

// bounds are the operators of constraints on the time that a table uses, as letters.
var bounds = map[vtab.ConstraintOp]string{
	vtab.OpEQ: "=", vtab.OpGE: "g", vtab.OpGT: "G", vtab.OpLE: "l", vtab.OpLT: "L",
}

// BestIndex implements vtab.Table: constraints on the time become arguments of the scan.
func (t *table) BestIndex(info *vtab.IndexInfo) error {
	info.EstimatedCost, info.EstimatedRows = 1e9, 1e6
	args := 0
	for i := range info.Constraints {
		c := &info.Constraints[i]
		letter, known := bounds[c.Op]
		if c.Usable && known && t.def.columns[max(c.Column, 0)].name == "time" && c.Column >= 0 {
			c.ArgIndex = args
			args++
			info.IdxStr += letter
			info.EstimatedCost /= 4
		}
	}
	info.IdxNum = int64(info.ColUsed)
	return nil
}

// Open implements vtab.Table.
func (t *table) Open() (vtab.Cursor, error) { return &cursor{table: t}, nil }

// cursor scans a table.
type cursor struct {
	*table
	columns  events.Columns
	from, to int64 // unix ms, both inclusive
	parts    []events.Part
	block    *events.Block // nil at the end
	visible  []bool        // by subject of the block
	tagTexts []string      // by tag set, in JSON
	at       int           // the row in the block
	rows     int64
}

// timeUnit is how many ms a unit of the time of the table has.
func (t *table) timeUnit() int64 {
	switch t.def.columns[timeOf(t.def)].typ.kind {
	case date:
		return 86400_000
	case dateTime:
		return 1000
	case null, boolean, integer, unsigned, float, text, dateTime64, array, tuple, interval:
	}
	return 1
}

func timeOf(d *tableDef) int {
	for i, c := range d.columns {
		if c.name == "time" {
			return i
		}
	}
	return 0
}

// Filter implements vtab.Cursor: it begins a scan.
func (c *cursor) Filter(idxNum int, ops string, vals []vtab.Value) error {
	r := c.run
	c.columns = events.ColSubject | events.ColTime
	for i, column := range c.def.columns {
		if idxNum&(1<<i) != 0 {
			c.columns |= column.from
		}
	}
	if c.def.step != events.Raw {
		c.columns |= events.ColOutcome | events.ColTags | events.ColCount | events.ColAmount
	}
	kept := r.now.Add(-c.def.retention(r.retention)).UnixMilli()
	c.from, c.to = events.Start(kept, c.def.step), 1<<60
	unit := c.timeUnit()
	for i, op := range ops {
		bound, whole := vals[i].(int64)
		if f, isFloat := vals[i].(float64); isFloat {
			bound, whole = int64(f), true
			if op == 'g' || op == 'L' { // of integers, these are the next one's
				bound = ceil(f)
			}
		}
		if !whole {
			continue
		}
		if err := c.bound(byte(op), bound, unit, kept); err != nil {
			return r.fail(err)
		}
	}
	var err error
	c.parts, err = r.snapshot.Parts(r.ctx, events.Query{
		Kind: c.def.kind, Step: c.def.step, From: c.from, To: c.to + longest[c.def.step],
	})
	if err != nil {
		return r.fail(err)
	}
	c.block, c.at, c.rows = nil, -1, 0
	return c.Next()
}

// longest is how long a step can be, in ms: events at its end are in the row of its start.
var longest = map[events.Step]int64{
	events.Minute: 60_000, events.Hour: 3600_000, events.Day: 86400_000,
	events.Month: 31 * 86400_000,
}

func ceil(f float64) int64 {
	n := int64(f)
	if float64(n) < f {
		n++
	}
	return n
}

// bound narrows the scan. It refuses a lower bound before what is kept.
func (c *cursor) bound(op byte, bound, unit, kept int64) error {
	const most = 1 << 55
	bound = max(-most/unit, min(bound, most/unit))
	ms, next := bound*unit, (bound+1)*unit
	if op == 'g' || op == 'G' || op == '=' {
		if ms < events.Start(kept, c.def.step) {
			days := c.def.retention(c.run.retention) / day
			return refuse(TooOld, "The query reads events from before they are kept: rows of %s "+
				"are kept for %d days. Use a later time", c.def.name, days)
		}
	}
	switch op {
	case '=':
		c.from, c.to = max(c.from, ms), min(c.to, next-1)
	case 'g':
		c.from = max(c.from, ms)
	case 'G':
		c.from = max(c.from, next)
	case 'l':
		c.to = min(c.to, next-1)
	case 'L':
		c.to = min(c.to, ms-1)
	}
	return nil
}

// Next implements vtab.Cursor.
func (c *cursor) Next() error {
	for {
		if c.block != nil {
			for c.at++; c.at < c.block.Rows; c.at++ {
				if c.keeps(c.block, c.at, c.visible) {
					c.rows++
					return nil
				}
			}
		}
		more, err := c.load()
		if err != nil {
			return c.run.fail(err)
		}
		if !more {
			c.block = nil
			return nil
		}
	}
}

// keeps reports whether a row is in the scope and the time of the scan.
func (c *cursor) keeps(b *events.Block, row int, visible []bool) bool {
	at := events.Start(b.Time[row], c.def.step)
	return visible[b.Subject[row]] && at >= c.from && at <= c.to
}

// sumRows is up to how many rows of sums are joined before they are shown, so that a group is
// one row in all but large tables.
const sumRows = 131072

// load reads the next rows. It ends a scan whose query has ended.
func (c *cursor) load() (more bool, err error) {
	c.block, c.at = nil, -1
	for len(c.parts) > 0 {
		if err := c.run.ctx.Err(); err != nil {
			return false, err
		}
		part := c.parts[0]
		c.parts = c.parts[1:]
		b, err := c.run.snapshot.Read(c.run.ctx, part, c.columns, c.run.sees)
		if err != nil {
			return false, err
		}
		if b == nil {
			continue
		}
		visible := c.visibleIn(b)
		if c.def.step == events.Raw {
			c.show(b, visible)
			return true, nil
		}
		b = events.RollUp(b, c.def.step, func(row int) bool { return c.keeps(b, row, visible) })
		if c.block != nil {
			b = events.Join(c.block, b, c.def.step)
		}
		if c.block = b; b.Rows >= sumRows {
			break
		}
	}
	if c.block == nil {
		return false, nil
	}
	c.show(c.block, c.visibleIn(c.block))
	return true, nil
}

func (c *cursor) visibleIn(b *events.Block) []bool {
	visible := make([]bool, len(b.Subjects))
	for i := range b.Subjects {
		visible[i] = c.run.sees(&b.Subjects[i])
	}
	return visible
}

func (c *cursor) show(b *events.Block, visible []bool) {
	c.block, c.visible, c.at = b, visible, -1
	c.tagTexts = make([]string, len(b.TagSets))
	for i, set := range b.TagSets {
		c.tagTexts[i] = "[]"
		if len(set) > 0 {
			data, _ := json.Marshal(set) // texts can't fail
			c.tagTexts[i] = string(data)
		}
	}
}

// Eof implements vtab.Cursor.
func (c *cursor) Eof() bool { return c.block == nil }

// Rowid implements vtab.Cursor.
func (c *cursor) Rowid() (int64, error) { return c.rows, nil }

// Close implements vtab.Cursor.
func (c *cursor) Close() error {
	c.block, c.parts = nil, nil
	return nil
}

// Column implements vtab.Cursor.
func (c *cursor) Column(i int) (vtab.Value, error) {
	b, row := c.block, c.at
	subject := &b.Subjects[b.Subject[row]]
	switch name := c.def.columns[i].name; name {
	case "time":
		return events.Start(b.Time[row], c.def.step) / c.timeUnit(), nil
	case "workspace_id":
		return subject.Workspace, nil
	case "key_space_id", "namespace_id":
		return subject.Space, nil
	case "key_id", "identifier":
		return subject.Key, nil
	case "identity_id":
		return subject.Identity, nil
	case "external_id":
		return subject.External, nil
	case "override_id":
		return subject.Override, nil
	case "source":
		return "api", nil
	case "region", "app_id":
		return "", nil
	case "tags":
		return c.tagTexts[b.Tags[row]], nil
	case "outcome":
		if o := int(b.Outcome[row]); o < len(events.Outcomes) {
			return events.Outcomes[o], nil
		}
		return "", nil
	case "request_id":
		return b.Request[row], nil
	case "latency":
		return float64(b.Latency[row]) / 1000, nil
	case "limit":
		return b.Limit[row], nil
	case "remaining":
		return b.Left[row], nil
	case "reset_at":
		return b.Reset[row], nil
	case "spent_credits", "tokens", "total_tokens":
		return b.Amount[row], nil
	case "count", "total":
		return b.Of(row), nil
	case "passed":
		if c.def.step == events.Raw {
			return int64(b.Outcome[row]), nil
		}
		return b.Of(row) * int64(b.Outcome[row]), nil
	case "passed_tokens":
		return b.Amount[row] * int64(b.Outcome[row]), nil
	default:
		return nil, fmt.Errorf("no column %s", name)
	}
}

// quoteName writes a name for SQLite.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
