package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
)

// maxSQL bounds the translation of an expression: aliases that use aliases twice could make it
// grow without end.
const maxSQL = 256 << 10

// expr is an expression for SQLite.
type expr struct {
	sql       string
	typ       typ
	name      string  // of a column of the result
	literal   *string // the text of a text constant
	aggregate bool    // contains an aggregate function
	bare      string  // a column outside of aggregate functions and keys of groups; "" for none
}

// of returns an expression made of others.
func of(t typ, sql string, parts ...expr) expr {
	e := expr{sql: sql, typ: t}
	for _, p := range parts {
		e.aggregate = e.aggregate || p.aggregate
		if e.bare == "" {
			e.bare = p.bare
		}
	}
	return e
}

func ofKind(k kind, sql string, parts ...expr) expr { return of(plainType(k), sql, parts...) }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func textLiteral(s string) expr {
	return expr{sql: quote(s), typ: plainType(text), literal: &s}
}

// expr translates an expression.
func (s *scope) expr(e parser.Expr) (expr, error) {
	leave, err := s.t.enter()
	if err != nil {
		return expr{}, err
	}
	defer leave()
	out, err := s.translate(unwrap(e))
	if err != nil {
		return expr{}, err
	}
	s.t.written += 64 + len(out.sql)
	if len(out.sql) > maxSQL || s.t.written > maxWritten {
		return expr{}, invalid("The query is too complex: an expression becomes too long")
	}
	if s.keys[out.sql] && !s.nested {
		out.bare = ""
	}
	return out, nil
}

func (s *scope) translate(e parser.Expr) (expr, error) {
	switch e := e.(type) {
	case *parser.Ident:
		return s.identifier(e.Name)
	case *parser.Path:
		return s.path(e)
	case *parser.NestedIdentifier:
		if e.DotIdent == nil {
			return s.identifier(e.Ident.Name)
		}
		return s.qualified(e.Ident.Name, e.DotIdent.Name)
	case *parser.NumberLiteral:
		return number(e.Literal)
	case *parser.StringLiteral:
		return textLiteral(unescape(e.Literal)), nil
	case *parser.BoolLiteral:
		value := "0"
		if strings.EqualFold(e.Literal, "true") {
			value = "1"
		}
		return ofKind(boolean, value), nil
	case *parser.NullLiteral:
		return ofKind(null, "NULL"), nil
	case *parser.ParamExprList:
		return s.list(e.Items.Items)
	case *parser.ArrayParamList:
		return s.arrayOf(e.Items.Items)
	case *parser.BinaryOperation:
		return s.binary(e)
	case *parser.UnaryExpr:
		return s.unary(string(e.Kind), e.Expr)
	case *parser.NegateExpr:
		return s.unary("-", e.Expr)
	case *parser.NotExpr:
		return s.unary("NOT", e.Expr)
	case *parser.IsNullExpr:
		return s.isNull(e.Expr, "IS NULL")
	case *parser.IsNotNullExpr:
		return s.isNull(e.Expr, "IS NOT NULL")
	case *parser.BetweenClause:
		return s.between(e)
	case *parser.CaseExpr:
		return s.caseOf(e)
	case *parser.TernaryOperation:
		return s.choose([]parser.Expr{e.Condition, e.TrueExpr}, e.FalseExpr)
	case *parser.CastExpr:
		return s.cast(e)
	case *parser.IntervalExpr:
		return s.interval(e.Expr, e.Unit.Name)
	case *parser.ObjectParams:
		return s.element(e)
	case *parser.FunctionExpr:
		return s.call(e)
	case *parser.SubQuery:
		return s.scalar(e.Select)
	case *parser.SelectQuery:
		return s.scalar(e)
	case *parser.ColumnExpr: // (expression AS name)
		return s.aliased(e.Expr, e.Alias.Name)
	case *parser.AliasExpr:
		return s.aliased(e.Expr, nameOf(e.Alias))
	case *parser.WindowFunctionExpr:
		return expr{}, unsupported("A window function")
	case *parser.GlobalInOperation:
		return expr{}, unsupported("GLOBAL IN")
	}
	return expr{}, unsupported(fmt.Sprintf("An expression of the kind %s",
		strings.TrimPrefix(fmt.Sprintf("%T", e), "*parser.")))
}

func (s *scope) aliased(e parser.Expr, name string) (expr, error) {
	if s.aliases[name] == nil {
		s.aliases[name] = e
	}
	return s.expr(e)
}

// identifier resolves a name: a parameter of a function, an alias, or a column. As in
// ClickHouse, an alias hides a column.
func (s *scope) identifier(name string) (expr, error) {
	for i := len(s.lambdas) - 1; i >= 0; i-- {
		if e, known := s.lambdas[i][name]; known {
			return e, nil
		}
	}
	if aliased := s.aliases[name]; aliased != nil && !slices.Contains(s.expanding, name) {
		s.expanding = append(s.expanding, name)
		defer func() { s.expanding = s.expanding[:len(s.expanding)-1] }()
		return s.expr(aliased)
	}
	for _, src := range s.sources {
		if c := src.column(name); c != nil {
			return expr{sql: c.sql, typ: c.typ, bare: name}, nil
		}
	}
	if strings.EqualFold(name, "null") {
		return ofKind(null, "NULL"), nil
	}
	return expr{}, invalid("There is no column %q%s", name, s.hint())
}

func (s *scope) hint() string {
	var names []string
	for _, src := range s.sources {
		for _, c := range src.columns {
			names = append(names, c.name)
		}
	}
	return ". Columns are " + strings.Join(names, ", ")
}

func (s *scope) path(p *parser.Path) (expr, error) {
	if len(p.Fields) == 1 {
		return s.identifier(p.Fields[0].Name)
	}
	if len(p.Fields) != 2 {
		return expr{}, invalid("A column can be written as table.column")
	}
	return s.qualified(p.Fields[0].Name, p.Fields[1].Name)
}

func (s *scope) qualified(table, name string) (expr, error) {
	for _, src := range s.sources {
		if src.alias != table && (src.alias != "" || src.table != table) {
			continue
		}
		if c := src.column(name); c != nil {
			return expr{sql: c.sql, typ: c.typ, bare: name}, nil
		}
	}
	return expr{}, invalid("There is no column %s.%s", table, name)
}

func number(literal string) (expr, error) {
	if n, err := strconv.ParseInt(literal, 0, 64); err == nil && !octal(literal) {
		k := unsigned
		if n < 0 {
			k = integer
		}
		return ofKind(k, strconv.FormatInt(n, 10)), nil
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return expr{}, invalid("%s is not a number that can be used", literal)
	}
	sql := strconv.FormatFloat(f, 'e', -1, 64)
	return ofKind(float, sql), nil
}

// octal reports whether a number begins with a zero, which doesn't make it octal here.
func octal(literal string) bool {
	digits := strings.TrimLeft(literal, "+-")
	return len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'
}

// unescape reads the escapes of a text.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\'`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
			out.WriteByte('\'')
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch at := strings.IndexByte("nrtbf0", s[i]); {
			case at >= 0:
				out.WriteByte("\n\r\t\b\f "[at])
			case s[i] == '\\' || s[i] == '\'':
				out.WriteByte(s[i])
			default:
				out.WriteByte('\\')
				out.WriteByte(s[i])
			}
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// all translates expressions.
func (s *scope) all(list []parser.Expr) ([]expr, error) {
	out := make([]expr, len(list))
	for i, e := range list {
		var err error
		if out[i], err = s.expr(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// list translates (a, b, …), which only stands beside IN.
func (s *scope) list(items []parser.Expr) (expr, error) {
	parts, err := s.all(items)
	if err != nil {
		return expr{}, err
	}
	return of(typ{kind: tuple}, "("+join(parts)+")", parts...), nil
}

func join(parts []expr) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.sql
	}
	return strings.Join(texts, ", ")
}

func (s *scope) arrayOf(items []parser.Expr) (expr, error) {
	parts, err := s.all(items)
	if err != nil {
		return expr{}, err
	}
	elem := typ{}
	for _, p := range parts {
		if elem, err = unify(elem, p.typ); err != nil {
			return expr{}, err
		}
	}
	if elem.kind == array {
		return expr{}, unsupported("An array of arrays")
	}
	return of(typ{kind: array, elem: elem.kind}, "json_array("+join(parts)+")", parts...), nil
}

// element translates array[index].
func (s *scope) element(e *parser.ObjectParams) (expr, error) {
	list, err := s.expr(e.Object)
	if err != nil {
		return expr{}, err
	}
	if list.typ.kind != array || len(e.Params.Items.Items) != 1 {
		return expr{}, invalid("Only arrays have elements, not a %s", list.typ)
	}
	index, err := s.expr(e.Params.Items.Items[0])
	if err != nil {
		return expr{}, err
	}
	elem := plainType(list.typ.elem)
	sql := fmt.Sprintf("ifnull(json_extract(%s, CASE WHEN %[2]s > 0 THEN '$[' || (%[2]s - 1) || ']' "+
		"ELSE '$[#' || %[2]s || ']' END), %[3]s)", list.sql, index.sql, elem.zero())
	return of(elem, sql, list, index), nil
}

func (s *scope) isNull(e parser.Expr, test string) (expr, error) {
	x, err := s.expr(e)
	return ofKind(unsigned, "("+x.sql+" "+test+")", x), err
}

func (s *scope) between(e *parser.BetweenClause) (expr, error) {
	x, err := s.all([]parser.Expr{e.Expr, e.Between, e.And})
	if err != nil {
		return expr{}, err
	}
	from, err := compare(">=", x[0], x[1])
	if err != nil {
		return expr{}, err
	}
	to, err := compare("<=", x[0], x[2])
	if err != nil {
		return expr{}, err
	}
	sql := fmt.Sprintf("(%s AND %s)", from, to)
	if e.Not {
		sql = "(NOT " + sql + ")"
	}
	return ofKind(unsigned, sql, x...), nil
}

// condition translates an expression that is true or false.
func (s *scope) condition(e parser.Expr) (expr, error) {
	c, err := s.expr(e)
	if err == nil && !c.typ.kind.isNumber() && c.typ.kind != null {
		err = invalid("A condition is needed, not a %s", c.typ)
	}
	return c, err
}

// binaryWords are operators written as words.
func (s *scope) binary(e *parser.BinaryOperation) (expr, error) {
	op := strings.ToUpper(string(e.Operation))
	if e.HasGlobal {
		return expr{}, unsupported("GLOBAL IN")
	}
	if e.HasNot && !strings.HasPrefix(op, "NOT ") {
		op = "NOT " + op
	}
	switch op {
	case "AND", "OR":
		return s.logical(e, op)
	case "IN", "NOT IN":
		return s.in(e.LeftExpr, e.RightExpr, op)
	case "::":
		x, err := s.expr(e.LeftExpr)
		if err != nil {
			return expr{}, err
		}
		return castTo(x, typeName(e.RightExpr))
	case "->":
		return expr{}, invalid("A function x -> … is only allowed in arrayFilter")
	}
	x, err := s.all([]parser.Expr{e.LeftExpr, e.RightExpr})
	if err != nil {
		return expr{}, err
	}
	for _, side := range x {
		if side.typ.kind == tuple {
			return expr{}, unsupported("A tuple outside of IN")
		}
	}
	switch op {
	case "=", "==", "!=", "<>", "<", ">", "<=", ">=":
		sql, err := compare(op, x[0], x[1])
		return ofKind(unsigned, sql, x...), err
	case "+", "-", "*", "/", "%":
		return arithmetic(op, x[0], x[1])
	case "||":
		return concat(x)
	case "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE":
		return like(op, x[0], x[1])
	}
	return expr{}, unsupported("The operator " + op)
}

// logical translates AND and OR. Long chains nest to the left, so they are taken apart first.
func (s *scope) logical(e *parser.BinaryOperation, op string) (expr, error) {
	var parts []parser.Expr
	for {
		parts = append(parts, e.RightExpr)
		left, isBinary := e.LeftExpr.(*parser.BinaryOperation)
		if !isBinary || !strings.EqualFold(string(left.Operation), op) {
			parts = append(parts, e.LeftExpr)
			break
		}
		e = left
	}
	slices.Reverse(parts)
	texts, conditions := make([]string, len(parts)), make([]expr, len(parts))
	for i, p := range parts {
		c, err := s.condition(p)
		if err != nil {
			return expr{}, err
		}
		conditions[i], texts[i] = c, c.sql
	}
	return ofKind(unsigned, "("+strings.Join(texts, " "+op+" ")+")", conditions...), nil
}

func (s *scope) unary(op string, e parser.Expr) (expr, error) {
	if strings.EqualFold(op, "NOT") {
		c, err := s.condition(e)
		return ofKind(unsigned, "(NOT "+c.sql+")", c), err
	}
	x, err := s.expr(e)
	if err != nil {
		return expr{}, err
	}
	if !x.typ.kind.isNumber() || op != "-" && op != "+" {
		return expr{}, invalid("%s needs a number, not a %s", op, x.typ)
	}
	k := integer
	if x.typ.kind == float {
		k = float
	}
	return ofKind(k, "("+op+x.sql+")", x), nil
}

// in translates IN with a list or a subquery.
func (s *scope) in(left, right parser.Expr, op string) (expr, error) {
	x, err := s.expr(left)
	if err != nil {
		return expr{}, err
	}
	if sel := subquery(right); sel != nil {
		return s.inSelect(x, sel, op)
	}
	var items []parser.Expr
	switch r := right.(type) {
	case *parser.ParamExprList:
		items = r.Items.Items
	case *parser.ArrayParamList:
		items = r.Items.Items
	case *parser.Ident, *parser.Path, *parser.NestedIdentifier, *parser.TableIdentifier:
		return expr{}, invalid("IN needs a list or a subquery; the name of a table isn't allowed")
	default:
		items = []parser.Expr{right}
	}
	if len(items) == 1 { // ((SELECT …))
		if sel := subquery(unwrap(items[0])); sel != nil {
			return s.inSelect(x, sel, op)
		}
	}
	list, err := s.all(items)
	if err != nil {
		return expr{}, err
	}
	if x.typ.kind == tuple {
		return inTuples(x, list, op)
	}
	texts := make([]string, len(list))
	for i, item := range list {
		a, b, err := comparable(x, item)
		if err != nil {
			return expr{}, err
		}
		if a.sql != x.sql {
			return expr{}, invalid("%s and %s can't be compared in a list", x.typ, item.typ)
		}
		texts[i] = b.sql
	}
	parts := append([]expr{x}, list...)
	return ofKind(unsigned,
		fmt.Sprintf("(%s %s (%s))", x.sql, op, strings.Join(texts, ", ")), parts...), nil
}

func inTuples(x expr, list []expr, op string) (expr, error) {
	texts := make([]string, len(list))
	for i, item := range list {
		if item.typ.kind != tuple {
			return expr{}, invalid("A tuple can only be compared with tuples")
		}
		texts[i] = item.sql
	}
	parts := append([]expr{x}, list...)
	return ofKind(unsigned,
		fmt.Sprintf("(%s %s (VALUES %s))", x.sql, op, strings.Join(texts, ", ")), parts...), nil
}

func (s *scope) inSelect(x expr, sel *parser.SelectQuery, op string) (expr, error) {
	sub, err := s.t.query(sel, nil)
	if err != nil {
		return expr{}, err
	}
	if x.typ.kind != tuple {
		if len(sub.columns) != 1 {
			return expr{}, invalid("The subquery of IN must have one column")
		}
		if x.typ.kind != sub.columns[0].typ.kind &&
			!(x.typ.kind.isNumber() && sub.columns[0].typ.kind.isNumber()) {
			return expr{}, invalid("%s and %s can't be compared in IN", x.typ, sub.columns[0].typ)
		}
	}
	return ofKind(unsigned, fmt.Sprintf("(%s %s (%s))", x.sql, op, sub.sql), x), nil
}

// scalar translates a subquery as a value.
func (s *scope) scalar(sel *parser.SelectQuery) (expr, error) {
	sub, err := s.t.query(sel, nil)
	if err != nil {
		return expr{}, err
	}
	if len(sub.columns) != 1 {
		return expr{}, invalid("A subquery that is a value must have one column")
	}
	return of(sub.columns[0].typ, "("+sub.sql+")"), nil
}

func (s *scope) caseOf(e *parser.CaseExpr) (expr, error) {
	var branches []parser.Expr
	for _, w := range e.Whens {
		when := w.When
		if e.Expr != nil {
			when = &parser.BinaryOperation{LeftExpr: e.Expr, Operation: "=", RightExpr: w.When}
		}
		branches = append(branches, when, w.Then)
	}
	return s.choose(branches, e.Else)
}

// choose translates pairs of conditions and values, and a value for otherwise, which can be nil.
func (s *scope) choose(branches []parser.Expr, otherwise parser.Expr) (expr, error) {
	x, err := s.all(branches)
	if err != nil {
		return expr{}, err
	}
	last := ofKind(null, "NULL")
	if otherwise != nil {
		if last, err = s.expr(otherwise); err != nil {
			return expr{}, err
		}
	}
	result := last.typ
	for i := 1; i < len(x); i += 2 {
		if result, err = unify(result, x[i].typ); err != nil {
			return expr{}, err
		}
	}
	var out strings.Builder
	out.WriteString("CASE")
	for i := 0; i < len(x); i += 2 {
		if k := x[i].typ.kind; !k.isNumber() && k != null {
			return expr{}, invalid("A condition is needed, not a %s", x[i].typ)
		}
		fmt.Fprintf(&out, " WHEN %s THEN %s", x[i].sql, convert(x[i+1], result).sql)
	}
	fmt.Fprintf(&out, " ELSE %s END", convert(last, result).sql)
	return of(result, "("+out.String()+")", append(x, last)...), nil
}

func (s *scope) cast(e *parser.CastExpr) (expr, error) {
	x, err := s.expr(e.Expr)
	if err != nil {
		return expr{}, err
	}
	return castTo(x, typeName(e.AsType))
}

// typeName returns the name of a type.
func typeName(e parser.Expr) string {
	switch e := e.(type) {
	case *parser.Ident:
		return e.Name
	case *parser.ScalarType:
		return e.Name.Name
	case *parser.StringLiteral:
		return e.Literal
	case *parser.TypeWithParams:
		return e.Name.Name
	case *parser.FunctionExpr:
		return e.Name.Name
	case *parser.ColumnTypeExpr:
		return e.Name.Name
	}
	return "this type"
}

// units are the names of intervals.
var units = []string{
	"nanosecond", "microsecond", "millisecond", "second", "minute", "hour", "day", "week",
	"month", "quarter", "year",
}

func (s *scope) interval(e parser.Expr, unit string) (expr, error) {
	x, err := s.expr(e)
	if err != nil {
		return expr{}, err
	}
	return intervalOf(x, strings.TrimSuffix(strings.ToLower(unit), "s"))
}

func intervalOf(x expr, unit string) (expr, error) {
	if !slices.Contains(units, unit) {
		return expr{}, invalid("%q is not a unit of time", unit)
	}
	if x.literal != nil {
		n, err := strconv.ParseInt(*x.literal, 10, 64)
		if err != nil {
			return expr{}, invalid("An interval needs a whole number")
		}
		x = ofKind(integer, strconv.FormatInt(n, 10))
	}
	if k := x.typ.kind; k != integer && k != unsigned {
		return expr{}, invalid("An interval needs a whole number, not a %s", x.typ)
	}
	return of(typ{kind: interval, unit: unit}, x.sql, x), nil
}
