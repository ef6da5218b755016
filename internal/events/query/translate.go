package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
	"github.com/latchkeyhq/latchkey/internal/events"
)

const (
	maxQuery   = 16384    // bytes
	maxColumns = 64       // projected, over all selects
	maxNodes   = 2000     // of the tree
	maxDepth   = 60       // of nested expressions and subqueries
	maxWritten = 16 << 20 // see translator.written
	maxSources = 200      // tables and subqueries, those of WITH each time that they are used
)

// translator writes a ClickHouse query as SQL for SQLite. It knows the type of each
// expression, because types decide what comparisons, intervals and defaults mean.
type translator struct {
	kind    events.Kind
	now     int64 // unix ms
	ctes    []map[string]*parser.SelectQuery
	sources int // numbered so far
	columns int // projected so far
	depth   int
	written int // bytes of all expressions, with 64 for the work on each
	// constants returns the value of an expression of SQLite without columns.
	constants func(text string) (int64, error)
}

// fill is WITH FILL of the outermost select.
type fill struct {
	column     int
	descending bool
	from, to   *int64 // in units of the column
	step       int64  // in units of the column, or months
	months     bool
}

// translated is a query for SQLite.
type translated struct {
	sql     string
	columns []column
	fill    *fill
	limit   *page // of a query with fill, which is applied afterwards
}

// page is LIMIT and OFFSET.
type page struct{ limit, offset int64 }

// translate parses a query and translates it. The result has at most maxRows rows.
func (t *translator) translate(query string, maxRows int) (*translated, error) {
	sel, err := parse(query)
	if err != nil {
		return nil, err
	}
	return t.query(sel, &page{limit: int64(maxRows)})
}

// parse parses one SELECT.
func parse(query string) (sel *parser.SelectQuery, err error) {
	if len(query) > maxQuery {
		return nil, invalid("The query has %d bytes; at most %d are allowed", len(query), maxQuery)
	}
	if strings.Contains(query, "\x00") {
		return nil, invalid("The query contains a zero byte")
	}
	defer func() { // the parser isn't ours
		if recover() != nil {
			sel, err = nil, invalid("The query can't be parsed")
		}
	}()
	statements, err := parser.NewParser(query).ParseStmts()
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return nil, invalid("The query can't be parsed: %s", line)
	}
	if len(statements) != 1 {
		return nil, invalid("The query has %d statements; send exactly one SELECT", len(statements))
	}
	switch s := statements[0].(type) {
	case *parser.SelectQuery:
		sel = s
	case *parser.SubQuery:
		sel = s.Select
	default:
		return nil, refuse(NotSelect, "Only SELECT statements are allowed")
	}
	nodes := 0
	parser.Walk(sel, func(parser.Expr) bool { nodes++; return nodes <= maxNodes })
	if nodes > maxNodes {
		return nil, invalid("The query is too complex: it has more than %d parts", maxNodes)
	}
	return sel, nil
}

// enter bounds the nesting. Its result ends it.
func (t *translator) enter() (leave func(), err error) {
	if t.depth++; t.depth > maxDepth {
		return nil, invalid("The query is nested more than %d deep", maxDepth)
	}
	return func() { t.depth-- }, nil
}

// query translates a select and the set operations behind it. Outer is the bound of the
// outermost query, nil for others.
func (t *translator) query(sel *parser.SelectQuery, outer *page) (*translated, error) {
	leave, err := t.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := t.pushCTEs(sel.With); err != nil {
		return nil, err
	}
	defer func() { t.ctes = t.ctes[:len(t.ctes)-1] }()
	next, operator := setOperation(sel)
	if next == nil {
		return t.selection(sel, outer)
	}
	first, err := t.selection(sel, nil)
	if err != nil {
		return nil, err
	}
	second, err := t.query(next, nil)
	if err != nil {
		return nil, err
	}
	if len(first.columns) != len(second.columns) {
		return nil, invalid("Both sides of %s must have the same number of columns", operator)
	}
	both := &translated{columns: slices.Clone(first.columns)}
	for i := range both.columns {
		if both.columns[i].typ, err = unify(first.columns[i].typ, second.columns[i].typ); err != nil {
			return nil, err
		}
	}
	both.sql = combine(operator, len(both.columns),
		recast(first, both.columns), recast(second, both.columns))
	if outer != nil {
		both.sql = fmt.Sprintf("SELECT * FROM (%s) LIMIT %d", both.sql, outer.limit)
	}
	return both, nil
}

// combine writes a set operation. EXCEPT and INTERSECT keep equal rows of the first member.
func combine(operator string, columns int, first, second string) string {
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	row := "(" + strings.Join(names, ", ") + ")"
	switch operator {
	case "EXCEPT":
		return fmt.Sprintf("SELECT * FROM (%s) WHERE %s NOT IN (%s)", first, row, second)
	case "INTERSECT":
		return fmt.Sprintf("SELECT * FROM (%s) WHERE %s IN (%s)", first, row, second)
	}
	return fmt.Sprintf("SELECT * FROM (%s) %s SELECT * FROM (%s)", first, operator, second)
}

// recast converts the columns of a member to those of the whole.
func recast(q *translated, to []column) string {
	items := make([]string, len(to))
	for i, c := range q.columns {
		items[i] = convert(expr{sql: fmt.Sprintf("c%d", i), typ: c.typ}, to[i].typ).sql +
			fmt.Sprintf(" AS c%d", i)
	}
	return fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(items, ", "), q.sql)
}

// setOperation returns the select behind a set operation, and the operation.
func setOperation(sel *parser.SelectQuery) (next *parser.SelectQuery, operator string) {
	switch {
	case sel.UnionAll != nil:
		return sel.UnionAll, "UNION ALL"
	case sel.UnionDistinct != nil:
		return sel.UnionDistinct, "UNION"
	case sel.Except != nil:
		return sel.Except, "EXCEPT"
	case sel.Intersect != nil:
		return sel.Intersect, "INTERSECT"
	}
	return nil, ""
}

// pushCTEs makes the subqueries of WITH known. Expressions of WITH are aliases of the select.
func (t *translator) pushCTEs(with *parser.WithClause) error {
	named := map[string]*parser.SelectQuery{}
	t.ctes = append(t.ctes, named)
	if with == nil {
		return nil
	}
	for _, cte := range with.CTEs {
		// WITH name AS (SELECT …)
		name, isName := cte.Expr.(*parser.Ident)
		if sub := subquery(cte.Alias); isName && sub != nil {
			if slices.ContainsFunc(tables, func(d *tableDef) bool { return d.name == name.Name }) {
				return refuse(UnknownTable, "The subquery %q of WITH has the name of a table",
					name.Name)
			}
			named[name.Name] = sub
		}
	}
	return nil
}

func subquery(e parser.Expr) *parser.SelectQuery {
	switch e := e.(type) {
	case *parser.SelectQuery:
		return e
	case *parser.SubQuery:
		return e.Select
	}
	return nil
}

// source is a table or subquery of FROM.
type source struct {
	alias, table string // how the query can name it
	columns      []sourceColumn
}

// sourceColumn is a column of a source, and its SQL.
type sourceColumn struct {
	name string
	typ  typ
	sql  string
}

// scope is what names mean in a select.
type scope struct {
	t         *translator
	from      string // the SQL of FROM
	sources   []*source
	shared    []sharedColumn // of the USING under way
	aliases   map[string]parser.Expr
	expanding []string          // aliases that are being replaced now
	lambdas   []map[string]expr // parameters of functions
	joined    map[string]expr   // of arrayJoin, by the SQL of the array
	keys      map[string]bool   // SQL of the keys of GROUP BY, once they are known
	items     []expr            // of the select, once they are known
	nested    bool              // inside of an aggregate function
}

// selection translates one select without its set operations.
func (t *translator) selection(sel *parser.SelectQuery, outer *page) (*translated, error) {
	if err := refuseClauses(sel); err != nil {
		return nil, err
	}
	s := &scope{t: t, aliases: map[string]parser.Expr{}, joined: map[string]expr{}}
	if err := s.addSources(sel.From.Expr); err != nil {
		return nil, err
	}
	s.addAliases(sel)
	where, err := s.where(sel)
	if err != nil {
		return nil, err
	}
	keys, err := s.groupBy(sel)
	if err != nil {
		return nil, err
	}
	if err := s.project(sel); err != nil {
		return nil, err
	}
	if sel.GroupBy != nil && sel.GroupBy.AggregateType == "ALL" {
		keys = s.groupByAll()
	}
	having, err := s.having(sel)
	if err != nil {
		return nil, err
	}
	order, filled, err := s.orderBy(sel)
	if err != nil {
		return nil, err
	}
	if err := s.checkGroups(keys, having); err != nil {
		return nil, err
	}
	limit, err := s.limit(sel, outer)
	if err != nil {
		return nil, err
	}
	if filled != nil && outer == nil {
		return nil, unsupported("WITH FILL in a subquery")
	}
	return s.assemble(sel, where, keys, having, order, filled, limit, outer)
}

// refuseClauses refuses what isn't supported.
func refuseClauses(sel *parser.SelectQuery) error {
	switch {
	case sel.From == nil:
		return invalid("The query needs a FROM clause")
	case sel.Settings != nil:
		return invalid("SETTINGS isn't allowed")
	case sel.WithTotal || sel.GroupBy != nil && sel.GroupBy.WithTotals:
		return unsupported("WITH TOTALS")
	case sel.GroupBy != nil && (sel.GroupBy.WithCube || sel.GroupBy.WithRollup ||
		sel.GroupBy.AggregateType != "" && sel.GroupBy.AggregateType != "ALL"):
		return unsupported("GROUP BY with CUBE, ROLLUP or GROUPING SETS")
	case sel.DistinctOn != nil:
		return unsupported("DISTINCT ON")
	case sel.Top != nil:
		return unsupported("TOP")
	case sel.Window != nil:
		return unsupported("WINDOW")
	case sel.LimitBy != nil && sel.LimitBy.ByExpr != nil:
		return unsupported("LIMIT BY")
	case sel.OrderBy != nil && sel.OrderBy.Interpolate != nil:
		return unsupported("INTERPOLATE")
	}
	return nil
}

// assemble puts the clauses together.
func (s *scope) assemble(
	sel *parser.SelectQuery, where string, keys []expr, having string, order []string,
	filled *fill, limit *page, outer *page,
) (*translated, error) {
	result := &translated{fill: filled}
	items := make([]string, len(s.items))
	for i, item := range s.items {
		items[i] = fmt.Sprintf("%s AS c%d", item.sql, i)
		result.columns = append(result.columns, column{name: item.name, typ: item.typ})
	}
	var out strings.Builder
	out.WriteString("SELECT ")
	if sel.HasDistinct {
		out.WriteString("DISTINCT ")
	}
	out.WriteString(strings.Join(items, ", ") + " FROM " + s.from)
	if where != "" {
		out.WriteString(" WHERE " + where)
	}
	if len(keys) > 0 {
		texts := make([]string, len(keys))
		for i, key := range keys {
			texts[i] = key.groupSQL()
		}
		out.WriteString(" GROUP BY " + strings.Join(texts, ", "))
	}
	if having != "" {
		out.WriteString(" HAVING " + having)
	}
	if len(order) > 0 {
		out.WriteString(" ORDER BY " + strings.Join(order, ", "))
	}
	switch {
	case filled != nil:
		result.limit = limit
		fmt.Fprintf(&out, " LIMIT %d", outer.limit)
	case limit != nil:
		fmt.Fprintf(&out, " LIMIT %d OFFSET %d", limit.limit, limit.offset)
	}
	result.sql = out.String()
	return result, nil
}

// groupSQL is the expression as a key of GROUP BY or ORDER BY, where a bare number would be a
// position.
func (e expr) groupSQL() string {
	if _, err := strconv.ParseFloat(e.sql, 64); err == nil {
		return "(0 + " + e.sql + ")"
	}
	return e.sql
}

// limit returns LIMIT and OFFSET, within the bound of the outermost query.
func (s *scope) limit(sel *parser.SelectQuery, outer *page) (*page, error) {
	p := &page{limit: -1}
	if outer != nil {
		p.limit = outer.limit
	}
	clause := sel.Limit
	if clause == nil {
		if outer == nil {
			return nil, nil
		}
		return p, nil
	}
	n, err := wholeNumber(clause.Limit, "LIMIT")
	if err != nil {
		return nil, err
	}
	if p.limit < 0 || n < p.limit {
		p.limit = n
	}
	if clause.Offset != nil {
		p.offset, err = wholeNumber(clause.Offset, "OFFSET")
	}
	return p, err
}

func wholeNumber(e parser.Expr, of string) (int64, error) {
	if n, isNumber := e.(*parser.NumberLiteral); isNumber {
		if v, err := strconv.ParseInt(n.Literal, 0, 64); err == nil && v >= 0 {
			return v, nil
		}
	}
	return 0, invalid("%s must be a whole number that isn't negative", of)
}

// where translates WHERE and PREWHERE.
func (s *scope) where(sel *parser.SelectQuery) (string, error) {
	var conditions []string
	add := func(e parser.Expr) error {
		c, err := s.condition(e)
		if err == nil && c.aggregate {
			err = invalid("An aggregate function can't be in WHERE; use HAVING")
		}
		conditions = append(conditions, c.sql)
		return err
	}
	if sel.Prewhere != nil {
		if err := add(sel.Prewhere.Expr); err != nil {
			return "", err
		}
	}
	if sel.Where != nil {
		if err := add(sel.Where.Expr); err != nil {
			return "", err
		}
	}
	return strings.Join(conditions, " AND "), nil
}

func (s *scope) having(sel *parser.SelectQuery) (string, error) {
	if sel.Having == nil {
		return "", nil
	}
	c, err := s.condition(sel.Having.Expr)
	if err == nil && c.bare != "" && s.keys != nil {
		err = notAggregated(c.bare)
	}
	if err == nil && s.keys == nil && !c.aggregate {
		err = invalid("HAVING needs GROUP BY or an aggregate function")
	}
	return c.sql, err
}

func notAggregated(column string) error {
	return invalid("The column %s is neither in GROUP BY nor in an aggregate function", column)
}

// groupBy translates the keys of GROUP BY. From then on they are known.
func (s *scope) groupBy(sel *parser.SelectQuery) ([]expr, error) {
	if sel.GroupBy == nil || sel.GroupBy.AggregateType == "ALL" {
		return nil, nil
	}
	var keys []expr
	for _, e := range exprs(sel.GroupBy.Expr) {
		if at, isPosition := position(e, len(sel.SelectItems)); isPosition {
			e = sel.SelectItems[at].Expr
		}
		key, err := s.expr(e)
		if err != nil {
			return nil, err
		}
		if key.aggregate {
			return nil, invalid("An aggregate function can't be in GROUP BY")
		}
		keys = append(keys, key)
	}
	s.keys = map[string]bool{}
	for _, key := range keys {
		s.keys[key.sql] = true
	}
	return keys, nil
}

// groupByAll returns the items of the select that have no aggregate function.
func (s *scope) groupByAll() (keys []expr) {
	s.keys = map[string]bool{}
	for i := range s.items {
		if item := &s.items[i]; !item.aggregate {
			keys = append(keys, *item)
			s.keys[item.sql] = true
			item.bare = ""
		}
	}
	return keys
}

// position returns the index of a number that stands for an item of the select.
func position(e parser.Expr, items int) (at int, isPosition bool) {
	n, isNumber := unwrap(e).(*parser.NumberLiteral)
	if !isNumber {
		return 0, false
	}
	v, err := strconv.Atoi(n.Literal)
	return v - 1, err == nil && v >= 1 && v <= items
}

// checkGroups refuses columns that are neither grouped nor aggregated. SQLite would return
// that of any row.
func (s *scope) checkGroups(keys []expr, having string) error {
	aggregates := len(keys) > 0 || having != ""
	for _, item := range s.items {
		aggregates = aggregates || item.aggregate
	}
	if !aggregates {
		return nil
	}
	for _, item := range s.items {
		if item.bare != "" {
			return notAggregated(item.bare)
		}
	}
	return nil
}

// addAliases notes the expressions that have names.
func (s *scope) addAliases(sel *parser.SelectQuery) {
	if sel.With != nil {
		for _, cte := range sel.With.CTEs {
			// WITH expression AS name
			if name, isName := cte.Alias.(*parser.Ident); isName {
				s.aliases[name.Name] = cte.Expr
			}
		}
	}
	for _, item := range sel.SelectItems {
		if item.Alias != nil {
			s.aliases[item.Alias.Name] = item.Expr
		}
	}
}

// project translates the items of the select.
func (s *scope) project(sel *parser.SelectQuery) error {
	for _, item := range sel.SelectItems {
		if len(item.Modifiers) > 0 {
			return unsupported("EXCEPT, APPLY and REPLACE behind a column")
		}
		if all, isAll := s.asterisk(item.Expr); isAll {
			s.items = append(s.items, all...)
			continue
		}
		if item.Alias != nil {
			s.expanding = append(s.expanding, item.Alias.Name)
		}
		e, err := s.expr(item.Expr)
		if err != nil {
			return err
		}
		e.name = columnName(item.Expr)
		if item.Alias != nil {
			s.expanding = s.expanding[:len(s.expanding)-1]
			e.name = item.Alias.Name
		}
		if e.typ.kind == tuple || e.typ.kind == interval {
			return unsupported("A " + e.typ.kind.String() + " in the result")
		}
		s.items = append(s.items, e)
	}
	if s.t.columns += len(s.items); s.t.columns > maxColumns {
		return invalid("The query has more than %d columns in its results", maxColumns)
	}
	return nil
}

// asterisk returns all columns for *, or those of a table for table.*.
func (s *scope) asterisk(e parser.Expr) (all []expr, isAll bool) {
	of := ""
	switch e := e.(type) {
	case *parser.Ident:
		if e.Name != "*" {
			return nil, false
		}
	case *parser.NestedIdentifier:
		if e.DotIdent == nil || e.DotIdent.Name != "*" {
			return nil, false
		}
		of = e.Ident.Name
	case *parser.Path:
		last := len(e.Fields) - 1
		if e.Fields[last].Name != "*" {
			return nil, false
		}
		of = e.Fields[0].Name
	default:
		return nil, false
	}
	for _, src := range s.sources {
		if of != "" && of != src.alias && of != src.table {
			continue
		}
		for _, c := range src.columns {
			e := expr{sql: c.sql, typ: c.typ, name: c.name, bare: c.name}
			if s.keys[e.sql] {
				e.bare = ""
			}
			all = append(all, e)
		}
	}
	return all, true
}

// orderBy translates ORDER BY.
func (s *scope) orderBy(sel *parser.SelectQuery) (order []string, filled *fill, err error) {
	if sel.OrderBy == nil {
		return nil, nil, nil
	}
	grouped := s.keys != nil || slices.ContainsFunc(s.items, func(e expr) bool { return e.aggregate })
	for _, item := range sel.OrderBy.Items {
		o, isOrder := item.(*parser.OrderExpr)
		if !isOrder {
			return nil, nil, unsupported("This form of ORDER BY")
		}
		var e expr
		at, isPosition := position(o.Expr, len(s.items))
		if isPosition {
			e = s.items[at]
		} else if e, err = s.expr(o.Expr); err != nil {
			return nil, nil, err
		}
		if e.bare != "" && grouped {
			return nil, nil, notAggregated(e.bare)
		}
		if e.aggregate && !grouped {
			return nil, nil, invalid("An aggregate function in ORDER BY needs GROUP BY")
		}
		text := e.groupSQL()
		if o.Direction == parser.OrderDirectionDesc {
			text += " DESC"
		}
		order = append(order, text+" NULLS LAST")
		if o.Fill == nil {
			continue
		}
		if len(sel.OrderBy.Items) > 1 {
			return nil, nil, unsupported("WITH FILL beside another expression of ORDER BY")
		}
		if filled, err = s.fill(o, e); err != nil {
			return nil, nil, err
		}
	}
	return order, filled, nil
}

// unwrap removes what only groups an expression.
func unwrap(e parser.Expr) parser.Expr {
	for {
		switch inner := e.(type) {
		case *parser.ColumnExpr:
			if inner.Alias != nil {
				return e
			}
			e = inner.Expr
		case *parser.ParamExprList:
			if inner.Items == nil || len(inner.Items.Items) != 1 || inner.ColumnArgList != nil {
				return e
			}
			e = inner.Items.Items[0]
		default:
			return e
		}
	}
}

// exprs returns the expressions of a list.
func exprs(e parser.Expr) []parser.Expr {
	switch e := e.(type) {
	case *parser.ColumnExprList:
		return e.Items
	case *parser.ParamExprList:
		return e.Items.Items
	}
	return []parser.Expr{e}
}
