package query

import (
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
)

// operators are the functions that ClickHouse names columns by.
var operators = map[string]string{
	"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "%": "modulo", "=": "equals",
	"==": "equals", "!=": "notEquals", "<>": "notEquals", "<": "less", ">": "greater",
	"<=": "lessOrEquals", ">=": "greaterOrEquals", "AND": "and", "OR": "or", "LIKE": "like",
	"NOT LIKE": "notLike", "ILIKE": "ilike", "NOT ILIKE": "notILike", "IN": "in",
	"NOT IN": "notIn", "||": "concat",
}

// columnName returns the name of an expression without an alias, as ClickHouse names it.
func columnName(e parser.Expr) string {
	switch e := unwrap(e).(type) {
	case *parser.Ident:
		return e.Name
	case *parser.Path:
		return e.Fields[len(e.Fields)-1].Name
	case *parser.NestedIdentifier:
		if e.DotIdent != nil {
			return e.DotIdent.Name
		}
		return e.Ident.Name
	case *parser.NumberLiteral:
		return e.Literal
	case *parser.StringLiteral:
		return "'" + e.Literal + "'"
	case *parser.NullLiteral:
		return "NULL"
	case *parser.BoolLiteral:
		return strings.ToLower(e.Literal)
	case *parser.FunctionExpr:
		return functionName(e)
	case *parser.BinaryOperation:
		op := strings.ToUpper(string(e.Operation))
		if op == "::" {
			return "CAST(" + columnName(e.LeftExpr) + ", '" + typeName(e.RightExpr) + "')"
		}
		if e.HasNot && !strings.HasPrefix(op, "NOT ") {
			op = "NOT " + op
		}
		return operators[op] + "(" + columnName(e.LeftExpr) + ", " + columnName(e.RightExpr) + ")"
	case *parser.UnaryExpr:
		if strings.EqualFold(string(e.Kind), "NOT") {
			return "not(" + columnName(e.Expr) + ")"
		}
		return "negate(" + columnName(e.Expr) + ")"
	case *parser.NegateExpr:
		return "negate(" + columnName(e.Expr) + ")"
	case *parser.CastExpr:
		return "CAST(" + columnName(e.Expr) + ", '" + typeName(e.AsType) + "')"
	case *parser.ArrayParamList:
		return "[" + names(e.Items.Items) + "]"
	case *parser.ParamExprList:
		return "(" + names(e.Items.Items) + ")"
	case *parser.ObjectParams:
		return "arrayElement(" + columnName(e.Object) + ", " + names(e.Params.Items.Items) + ")"
	case *parser.TernaryOperation:
		return "if(" + names([]parser.Expr{e.Condition, e.TrueExpr, e.FalseExpr}) + ")"
	case *parser.IntervalExpr:
		unit := strings.TrimSuffix(strings.ToLower(e.Unit.Name), "s")
		return "toInterval" + strings.ToUpper(unit[:1]) + unit[1:] + "(" + columnName(e.Expr) + ")"
	case *parser.CaseExpr:
		return caseName(e)
	case *parser.IsNullExpr:
		return "isNull(" + columnName(e.Expr) + ")"
	case *parser.IsNotNullExpr:
		return "isNotNull(" + columnName(e.Expr) + ")"
	case *parser.SubQuery, *parser.SelectQuery:
		return "_subquery1"
	case *parser.BetweenClause:
		x := columnName(e.Expr)
		return "and(greaterOrEquals(" + x + ", " + columnName(e.Between) + "), lessOrEquals(" + x +
			", " + columnName(e.And) + "))"
	default:
		return parser.Format(e)
	}
}

func names(list []parser.Expr) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = columnName(e)
	}
	return strings.Join(texts, ", ")
}

func functionName(e *parser.FunctionExpr) string {
	if e.Params == nil || e.Params.Items == nil {
		return e.Name.Name + "()"
	}
	args := names(e.Params.Items.Items)
	if args == "*" {
		args = ""
	}
	name := e.Name.Name
	if e.Params.Items.HasDistinct && strings.EqualFold(name, "count") {
		name = "countDistinct"
	}
	if e.Params.ColumnArgList != nil {
		return name + "(" + args + ")(" + names(e.Params.ColumnArgList.Items) + ")"
	}
	return name + "(" + args + ")"
}

func caseName(e *parser.CaseExpr) string {
	var list []parser.Expr
	name := "multiIf("
	if e.Expr != nil {
		name, list = "caseWithExpression(", append(list, e.Expr)
	} else if len(e.Whens) == 1 {
		name = "if("
	}
	for _, w := range e.Whens {
		list = append(list, w.When, w.Then)
	}
	text := name + names(list)
	if e.Else != nil {
		return text + ", " + columnName(e.Else) + ")"
	}
	return text + ", NULL)"
}
