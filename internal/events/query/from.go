package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
)

// addSources translates FROM.
func (s *scope) addSources(e parser.Expr) error {
	leave, err := s.t.enter()
	if err != nil {
		return err
	}
	defer leave()
	join, isJoin := e.(*parser.JoinExpr)
	if !isJoin {
		return s.addTable(e, "", nil)
	}
	if err := s.addSources(join.Left); err != nil {
		return err
	}
	// Joins nest to the right: each has what it joins to those before it on its left.
	for rest := join.Right; rest != nil; {
		next, more := rest.(*parser.JoinExpr)
		if !more {
			return s.join(nil, rest, nil)
		}
		if err := s.join(next.Modifiers, next.Left, next.Constraints); err != nil {
			return err
		}
		rest = next.Right
	}
	return nil
}

// join adds one side of a join.
func (s *scope) join(modifiers []string, table, constraint parser.Expr) error {
	words := slices.DeleteFunc(slices.Clone(modifiers), func(w string) bool {
		return strings.EqualFold(w, "JOIN") || strings.EqualFold(w, "OUTER") ||
			strings.EqualFold(w, "ALL")
	})
	how := strings.ToUpper(strings.Join(words, " "))
	switch how {
	case "ARRAY", "LEFT ARRAY":
		return s.arrayJoins(table, how == "LEFT ARRAY")
	case "":
		if constraint == nil { // a comma
			return s.addTable(table, "CROSS JOIN", nil)
		}
		return s.addTable(table, "INNER JOIN", constraint)
	case "INNER":
		return s.addTable(table, "INNER JOIN", constraint)
	case "LEFT", "RIGHT", "FULL":
		return s.addTable(table, how+" JOIN", constraint)
	case "CROSS", ",":
		return s.addTable(table, "CROSS JOIN", constraint)
	}
	return unsupported("A " + how + " JOIN")
}

// addTable adds a table or subquery, joined to those before it if there are any.
func (s *scope) addTable(e parser.Expr, how string, constraint parser.Expr) error {
	src, text, err := s.source(e)
	if err != nil {
		return err
	}
	if how == "" && s.from != "" {
		how = "CROSS JOIN"
	}
	if how == "" {
		s.from, s.sources = text, []*source{src}
		return nil
	}
	before := len(s.sources)
	s.sources = append(s.sources, src)
	on, err := s.constraint(constraint, src, how)
	if err != nil {
		return err
	}
	s.from += " " + how + " " + text + on
	// What has no match has zeros, not NULL.
	if how == "LEFT JOIN" || how == "FULL JOIN" {
		src.orZero()
	}
	if how == "RIGHT JOIN" || how == "FULL JOIN" {
		for _, left := range s.sources[:before] {
			left.orZero()
		}
		for _, c := range s.shared {
			c.left.sql = fmt.Sprintf("coalesce(%s, %s)", c.leftSQL, c.rightSQL)
		}
	}
	s.shared = nil
	return nil
}

// sharedColumn is a column of USING: that of the left side, or of the right one where there is
// no left one.
type sharedColumn struct {
	left              *sourceColumn
	leftSQL, rightSQL string
}

func (src *source) orZero() {
	for i := range src.columns {
		c := &src.columns[i]
		c.sql = fmt.Sprintf("ifnull(%s, %s)", c.sql, c.typ.zero())
	}
}

// constraint translates ON or USING.
func (s *scope) constraint(e parser.Expr, right *source, how string) (string, error) {
	if how == "CROSS JOIN" {
		if e != nil {
			return "", invalid("A CROSS JOIN has no ON")
		}
		return "", nil
	}
	var on, using *parser.ColumnExprList
	switch e := e.(type) {
	case *parser.OnClause:
		on = e.On
	case *parser.UsingClause:
		using = e.Using
	case *parser.JoinConstraintClause:
		on, using = e.On, e.Using
	default:
		return "", invalid("A JOIN needs ON or USING")
	}
	var conditions []string
	if on != nil {
		for _, item := range on.Items {
			c, err := s.condition(item)
			if err != nil {
				return "", err
			}
			if c.aggregate {
				return "", invalid("An aggregate function can't be in ON")
			}
			conditions = append(conditions, c.sql)
		}
	}
	if using != nil {
		for _, item := range using.Items {
			names := exprs(unwrap(item))
			for _, name := range names {
				c, err := s.using(unwrap(name), right)
				if err != nil {
					return "", err
				}
				conditions = append(conditions, c)
			}
		}
	}
	return " ON " + strings.Join(conditions, " AND "), nil
}

// using equates a column of the right side with that of the left.
func (s *scope) using(e parser.Expr, right *source) (string, error) {
	name, isName := e.(*parser.Ident)
	if !isName {
		return "", invalid("USING needs names of columns")
	}
	mine := right.column(name.Name)
	for _, left := range s.sources[:len(s.sources)-1] {
		if theirs := left.column(name.Name); theirs != nil && mine != nil {
			s.shared = append(s.shared, sharedColumn{theirs, theirs.sql, mine.sql})
			return compare("=",
				expr{sql: theirs.sql, typ: theirs.typ}, expr{sql: mine.sql, typ: mine.typ})
		}
	}
	return "", invalid("USING: there is no column %s on both sides", name.Name)
}

func (src *source) column(name string) *sourceColumn {
	for i := range src.columns {
		if src.columns[i].name == name {
			return &src.columns[i]
		}
	}
	return nil
}

// source translates a table, the name of a subquery, or a subquery.
func (s *scope) source(e parser.Expr) (*source, string, error) {
	src := &source{}
	for {
		switch inner := e.(type) {
		case *parser.JoinTableExpr:
			if inner.HasFinal || inner.SampleRatio != nil {
				return nil, "", unsupported("FINAL and SAMPLE")
			}
			e = inner.Table
		case *parser.TableExpr:
			if inner.HasFinal {
				return nil, "", unsupported("FINAL")
			}
			if inner.Alias != nil {
				src.alias = nameOf(inner.Alias.Alias)
			}
			e = inner.Expr
		case *parser.AliasExpr:
			src.alias = nameOf(inner.Alias)
			e = inner.Expr
		case *parser.TableIdentifier:
			return s.named(inner, src)
		case *parser.SubQuery:
			return s.subselect(inner.Select, src)
		case *parser.SelectQuery:
			return s.subselect(inner, src)
		case *parser.TableFunctionExpr:
			return nil, "", refuse(UnknownFunction, "Table functions aren't allowed")
		default:
			return nil, "", unsupported("This form of FROM")
		}
	}
}

func nameOf(e parser.Expr) string {
	if name, isName := e.(*parser.Ident); isName {
		return name.Name
	}
	return ""
}

// named translates the name of a table or of a subquery of WITH.
func (s *scope) named(id *parser.TableIdentifier, src *source) (*source, string, error) {
	name := id.Table.Name
	if id.Database != nil {
		return nil, "", refuse(UnknownTable, "The table %s.%s isn't allowed", id.Database.Name, name)
	}
	src.table = name
	for i := len(s.t.ctes) - 1; i >= 0; i-- {
		if sel := s.t.ctes[i][name]; sel != nil {
			return s.withSelect(i, name, sel, src)
		}
	}
	def := tableNamed(name, s.t.kind)
	if def == nil {
		var allowed []string
		for _, d := range tables {
			if d.kind == s.t.kind {
				allowed = append(allowed, d.name)
			}
		}
		return nil, "", refuse(UnknownTable, "The table %q isn't allowed. Allowed are %s",
			name, strings.Join(allowed, ", "))
	}
	as, err := s.t.newSource()
	if err != nil {
		return nil, "", err
	}
	for _, c := range def.columns {
		src.columns = append(src.columns, sourceColumn{c.name, c.typ, as + "." + quoteName(c.name)})
	}
	return src, def.name + " AS " + as, nil
}

// withSelect translates a subquery of WITH, in which it and those after it are unknown.
func (s *scope) withSelect(
	level int, name string, sel *parser.SelectQuery, src *source,
) (*source, string, error) {
	hidden := s.t.ctes
	outer := map[string]*parser.SelectQuery{}
	for other, sub := range hidden[level] {
		if sub.Pos() < sel.Pos() && other != name {
			outer[other] = sub
		}
	}
	s.t.ctes = append(slices.Clone(hidden[:level]), outer)
	defer func() { s.t.ctes = hidden }()
	return s.subselect(sel, src)
}

func (s *scope) subselect(sel *parser.SelectQuery, src *source) (*source, string, error) {
	sub, err := s.t.query(sel, nil)
	if err != nil {
		return nil, "", err
	}
	as, err := s.t.newSource()
	if err != nil {
		return nil, "", err
	}
	for i, c := range sub.columns {
		src.columns = append(src.columns, sourceColumn{c.name, c.typ, fmt.Sprintf("%s.c%d", as, i)})
	}
	return src, "(" + sub.sql + ") AS " + as, nil
}

// newSource returns the name of another table or subquery.
func (t *translator) newSource() (string, error) {
	if t.sources++; t.sources > maxSources {
		return "", invalid("The query is too complex: it reads more than %d tables", maxSources)
	}
	return fmt.Sprintf("s%d", t.sources), nil
}

// arrayJoins translates ARRAY JOIN.
func (s *scope) arrayJoins(e parser.Expr, left bool) error {
	for _, item := range exprs(e) {
		alias := ""
		if c, isColumn := item.(*parser.ColumnExpr); isColumn && c.Alias != nil {
			alias, item = c.Alias.Name, c.Expr
		}
		list, err := s.expr(item)
		if err != nil {
			return err
		}
		element, err := s.joinArray(list, left)
		if err != nil {
			return err
		}
		if alias == "" {
			alias = nameOf(unwrap(item))
		}
		// It stands before the columns of the same name.
		s.sources = slices.Insert(s.sources, 0, &source{columns: []sourceColumn{
			{alias, element.typ, element.sql},
		}})
	}
	return nil
}

// joinArray adds a row for each element of an array, and returns the element.
func (s *scope) joinArray(list expr, left bool) (expr, error) {
	if list.typ.kind != array {
		return expr{}, invalid("arrayJoin needs an array, not a %s", list.typ)
	}
	if element, known := s.joined[list.sql]; known {
		return element, nil
	}
	as, err := s.t.newSource()
	if err != nil {
		return expr{}, err
	}
	element := expr{sql: as + ".value", typ: plainType(list.typ.elem), bare: "arrayJoin"}
	if left {
		s.from += fmt.Sprintf(" LEFT JOIN json_each(%s) AS %s", list.sql, as)
		element.sql = fmt.Sprintf("ifnull(%s, %s)", element.sql, element.typ.zero())
	} else {
		s.from += fmt.Sprintf(" JOIN json_each(%s) AS %s", list.sql, as)
	}
	s.joined[list.sql] = element
	return element, nil
}
