package query

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
)

// callOf is a call of a function whose arguments are translated.
type callOf struct {
	name  string // in lower case
	args  []expr
	scope *scope
}

// functions are the functions that queries can call, by their names in lower case, with how
// many arguments they take at least and at most. Those of aggregates, lambdas and arrayJoin
// are in call.
var functions = map[string]struct {
	least, most int
	translate   func(c *callOf) (expr, error)
}{
	"now":                      {0, 0, now},
	"now64":                    {0, 1, now64},
	"today":                    {0, 0, today},
	"todate":                   {1, 1, toKind(date)},
	"todatetime":               {1, 1, toKind(dateTime)},
	"todatetime64":             {1, 2, toKind(dateTime64)},
	"tostartofminute":          {1, 1, startOf("minute")},
	"tostartofhour":            {1, 1, startOf("hour")},
	"tostartofday":             {1, 1, startOf("day")},
	"tostartofweek":            {1, 2, startOfWeek},
	"tostartofmonth":           {1, 1, startOf("month")},
	"tostartofquarter":         {1, 1, startOf("quarter")},
	"tostartofyear":            {1, 1, startOf("year")},
	"date_trunc":               {2, 2, dateTrunc},
	"formatdatetime":           {2, 2, formatDateTime},
	"fromunixtimestamp64milli": {1, 1, fromMilli},
	"tounixtimestamp64milli":   {1, 1, toMilli},
	"lower":                    {1, 1, onText("lower(%s)")},
	"upper":                    {1, 1, onText("upper(%s)")},
	"trim":                     {1, 1, onText("trim(%s)")},
	"substring":                {2, 3, substring},
	"concat":                   {1, 64, func(c *callOf) (expr, error) { return concat(c.args) }},
	"length":                   {1, 1, length},
	"startswith":               {2, 2, affix("ch_starts")},
	"endswith":                 {2, 2, affix("ch_ends")},
	"jsonextractstring":        {1, 20, jsonExtract},
	"round":                    {1, 2, rounding("ch_round")},
	"floor":                    {1, 2, rounding("ch_floor")},
	"ceil":                     {1, 2, rounding("ch_ceil")},
	"abs":                      {1, 1, absolute},
	"if":                       {3, 3, choice},
	"coalesce":                 {1, 64, coalesce},
	"tostring":                 {1, 1, func(c *callOf) (expr, error) { return toText(c.args[0]) }},
	"toint32":                  {1, 1, toInt},
	"toint64":                  {1, 1, toInt},
	"tofloat64":                {1, 1, func(c *callOf) (expr, error) { return toFloat(c.args[0]) }},
	"has":                      {2, 2, has},
	"hasany":                   {2, 2, hasSome("ch_has_any")},
	"hasall":                   {2, 2, hasSome("ch_has_all")},
	"not":                      {1, 1, not},
	"tointervalnanosecond":     {1, 1, toInterval},
	"tointervalmicrosecond":    {1, 1, toInterval},
	"tointervalmillisecond":    {1, 1, toInterval},
	"tointervalsecond":         {1, 1, toInterval},
	"tointervalminute":         {1, 1, toInterval},
	"tointervalhour":           {1, 1, toInterval},
	"tointervalday":            {1, 1, toInterval},
	"tointervalweek":           {1, 1, toInterval},
	"tointervalmonth":          {1, 1, toInterval},
	"tointervalquarter":        {1, 1, toInterval},
	"tointervalyear":           {1, 1, toInterval},
}

// aggregates are the aggregate functions, with how many arguments they take.
var aggregates = map[string]struct{ least, most int }{
	"count": {0, 1}, "countif": {1, 1}, "sum": {1, 1}, "sumif": {2, 2}, "avg": {1, 1},
	"min": {1, 1}, "max": {1, 1}, "any": {1, 1}, "grouparray": {1, 1}, "groupuniqarray": {1, 1},
	"uniq": {1, 64}, "uniqexact": {1, 64}, "quantile": {1, 1},
}

// call translates a call of a function.
func (s *scope) call(e *parser.FunctionExpr) (expr, error) {
	name := strings.ToLower(e.Name.Name)
	var args []parser.Expr
	if e.Params != nil && e.Params.Items != nil {
		args = e.Params.Items.Items
	}
	switch name {
	case "arrayjoin":
		return s.arrayJoin(args)
	case "arrayfilter":
		return s.arrayFilter(args)
	case "case":
		return expr{}, unsupported("case as a function")
	case "exists":
		if len(args) == 1 && subquery(unwrap(args[0])) != nil {
			sub, err := s.t.query(subquery(unwrap(args[0])), nil)
			if err != nil {
				return expr{}, err
			}
			return ofKind(unsigned, "EXISTS ("+sub.sql+")"), nil
		}
	}
	if arity, known := aggregates[name]; known {
		return s.aggregate(name, e, args, arity.least, arity.most)
	}
	f, known := functions[name]
	if !known {
		return expr{}, refuse(UnknownFunction, "The function %s isn't allowed", e.Name.Name)
	}
	if e.Params != nil && e.Params.ColumnArgList != nil {
		return expr{}, invalid("%s has no parameters", e.Name.Name)
	}
	if len(args) < f.least || len(args) > f.most {
		return expr{}, invalid("%s can't have %d arguments", e.Name.Name, len(args))
	}
	translated, err := s.all(args)
	if err != nil {
		return expr{}, err
	}
	for _, arg := range translated {
		if arg.typ.kind == tuple {
			return expr{}, unsupported("A tuple outside of IN")
		}
	}
	result, err := f.translate(&callOf{name, translated, s})
	if err != nil {
		return expr{}, err
	}
	return of(result.typ, result.sql, translated...), nil
}

// aggregate translates a call of an aggregate function.
func (s *scope) aggregate(
	name string, e *parser.FunctionExpr, args []parser.Expr, least, most int,
) (expr, error) {
	if s.nested {
		return expr{}, invalid("%s is an aggregate function inside of another one", e.Name.Name)
	}
	level := "0.5"
	distinct := e.Params != nil && e.Params.Items != nil && e.Params.Items.HasDistinct
	if e.Params != nil && e.Params.ColumnArgList != nil {
		parameters := args
		args, distinct = e.Params.ColumnArgList.Items, e.Params.ColumnArgList.Distinct
		if name != "quantile" || len(parameters) != 1 {
			return expr{}, unsupported("A parameter of " + e.Name.Name)
		}
		n, isNumber := unwrap(parameters[0]).(*parser.NumberLiteral)
		if !isNumber {
			return expr{}, unsupported("A parameter of " + e.Name.Name)
		}
		if f, err := strconv.ParseFloat(n.Literal, 64); err != nil || f < 0 || f > 1 {
			return expr{}, invalid("The level of quantile must be between 0 and 1")
		}
		level = n.Literal
	}
	if len(args) < least || len(args) > most {
		return expr{}, invalid("%s can't have %d arguments", e.Name.Name, len(args))
	}
	s.nested = true
	defer func() { s.nested = false }()
	if name == "count" && len(args) == 1 {
		if star, isName := unwrap(args[0]).(*parser.Ident); isName && star.Name == "*" {
			args = nil
		}
	}
	x, err := s.all(args)
	if err != nil {
		return expr{}, err
	}
	result, err := aggregateOf(name, x, level, distinct)
	result.aggregate = true
	return result, err
}

func aggregateOf(name string, x []expr, level string, distinct bool) (expr, error) {
	only := ""
	if distinct {
		only = "DISTINCT "
	}
	switch name {
	case "count":
		if len(x) == 0 {
			return ofKind(unsigned, "count(*)"), nil
		}
		return ofKind(unsigned, fmt.Sprintf("count(%s%s)", only, x[0].sql)), nil
	case "countif":
		if !x[0].typ.kind.isNumber() {
			return expr{}, invalid("countIf needs a condition, not a %s", x[0].typ)
		}
		return ofKind(unsigned, fmt.Sprintf("count(CASE WHEN %s THEN 1 END)", x[0].sql)), nil
	case "sum", "sumif", "avg", "quantile":
		return numeric(name, x, level, only)
	case "min", "max", "any":
		if name == "any" {
			name = "min"
		}
		if x[0].typ.kind == tuple {
			return expr{}, unsupported("A tuple outside of IN")
		}
		return of(x[0].typ, fmt.Sprintf("ifnull(%s(%s), %s)", name, x[0].sql, x[0].typ.zero())), nil
	case "grouparray", "groupuniqarray":
		if name == "groupuniqarray" {
			only = "DISTINCT "
		}
		if k := x[0].typ.kind; k == array || k == tuple {
			return expr{}, unsupported("An array of arrays")
		}
		return of(typ{kind: array, elem: x[0].typ.kind},
			fmt.Sprintf("json_group_array(%s%s)", only, x[0].sql)), nil
	}
	if len(x) == 1 {
		return ofKind(unsigned, "count(DISTINCT "+x[0].sql+")"), nil
	}
	return ofKind(unsigned, "count(DISTINCT json_array("+join(x)+"))"), nil
}

// numeric translates the aggregate functions of numbers.
func numeric(name string, x []expr, level, only string) (expr, error) {
	k := x[0].typ.kind
	if !k.isNumber() && !(name == "quantile" && k.isTime()) {
		return expr{}, invalid("%s needs a number, not a %s", name, x[0].typ)
	}
	switch name {
	case "avg":
		return ofKind(float, fmt.Sprintf("avg(%s%s)", only, x[0].sql)), nil
	case "quantile":
		if k.isTime() {
			return ofKind(k, fmt.Sprintf("CAST(ch_quantile(%s, %s) AS INTEGER)", level, x[0].sql)), nil
		}
		return ofKind(float, fmt.Sprintf("ch_quantile(%s, %s)", level, x[0].sql)), nil
	}
	value := x[0].sql
	if name == "sumif" {
		if !x[1].typ.kind.isNumber() {
			return expr{}, invalid("sumIf needs a condition, not a %s", x[1].typ)
		}
		value = fmt.Sprintf("CASE WHEN %s THEN %s END", x[1].sql, value)
	}
	if k == boolean {
		k = unsigned
	}
	return ofKind(k, fmt.Sprintf("ifnull(sum(%s%s), %s)", only, value, plainType(k).zero())), nil
}

// arrayJoin translates arrayJoin(array): the select has a row for each element.
func (s *scope) arrayJoin(args []parser.Expr) (expr, error) {
	if len(args) != 1 {
		return expr{}, invalid("arrayJoin can't have %d arguments", len(args))
	}
	list, err := s.expr(args[0])
	if err != nil {
		return expr{}, err
	}
	if list.aggregate {
		return expr{}, unsupported("arrayJoin of an aggregate function")
	}
	return s.joinArray(list, false)
}

// arrayFilter translates arrayFilter(x -> condition, array).
func (s *scope) arrayFilter(args []parser.Expr) (expr, error) {
	if len(args) != 2 {
		return expr{}, unsupported("arrayFilter with another number of arguments than two")
	}
	lambda, isBinary := unwrap(args[0]).(*parser.BinaryOperation)
	if !isBinary || lambda.Operation != "->" {
		return expr{}, invalid("arrayFilter needs a function x -> … and an array")
	}
	parameter := nameOf(unwrap(lambda.LeftExpr))
	list, err := s.expr(args[1])
	if err != nil {
		return expr{}, err
	}
	if list.typ.kind != array || parameter == "" {
		return expr{}, invalid("arrayFilter needs a function x -> … and an array")
	}
	as := fmt.Sprintf("l%d", len(s.lambdas)) // equal calls have equal texts, for GROUP BY
	s.lambdas = append(s.lambdas, map[string]expr{
		parameter: ofKind(list.typ.elem, as+".value"),
	})
	condition, err := s.condition(lambda.RightExpr)
	s.lambdas = s.lambdas[:len(s.lambdas)-1]
	if err != nil {
		return expr{}, err
	}
	return of(list.typ, fmt.Sprintf(
		"(SELECT json_group_array(%[1]s.value) FROM json_each(%[2]s) AS %[1]s WHERE %[3]s)",
		as, list.sql, condition.sql), list, condition), nil
}

func now(c *callOf) (expr, error) {
	return ofKind(dateTime, strconv.FormatInt(c.scope.t.now/1000, 10)), nil
}

func now64(c *callOf) (expr, error) {
	return ofKind(dateTime64, strconv.FormatInt(c.scope.t.now, 10)), nil
}

func today(c *callOf) (expr, error) {
	return ofKind(date, strconv.FormatInt(floorDiv(c.scope.t.now, 86400_000), 10)), nil
}

func toKind(k kind) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) { return toMoment(c.args[0], k) }
}

// moment checks that an argument is a point in time.
func (c *callOf) moment(i int) (expr, error) {
	x := c.args[i]
	if !x.typ.kind.isTime() {
		hint := ""
		if x.typ.kind == integer {
			hint = "; fromUnixTimestamp64Milli converts milliseconds"
		}
		return x, invalid("%s needs a DateTime, not a %s%s", c.name, x.typ, hint)
	}
	return x, nil
}

// startOf returns the translation of toStartOf….
func startOf(unit string) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) {
		x, err := c.moment(0)
		if err != nil {
			return expr{}, err
		}
		return truncated(x, unit)
	}
}

// truncated returns the beginning of the unit that a point in time is in.
func truncated(x expr, unit string) (expr, error) {
	if n := seconds[unit]; n > 0 && unit != "week" {
		at, err := toMoment(x, dateTime)
		if err != nil || n == 1 {
			return at, err
		}
		return ofKind(dateTime, fmt.Sprintf("(%s * %d)", floored(at.sql, n), n)), nil
	}
	at, err := toMoment(x, date)
	if err != nil {
		return expr{}, err
	}
	return ofKind(date, fmt.Sprintf("ch_start_of(%s, %s)", quote(unit), at.sql)), nil
}

// startOfWeek is toStartOfWeek: weeks begin on Sunday, with an odd mode on Monday.
func startOfWeek(c *callOf) (expr, error) {
	x, err := c.moment(0)
	if err != nil {
		return expr{}, err
	}
	unit := "sunday"
	if len(c.args) == 2 {
		mode, err := strconv.Atoi(c.args[1].sql)
		if err != nil {
			return expr{}, invalid("The mode of toStartOfWeek must be a number")
		}
		if mode%2 == 1 {
			unit = "week"
		}
	}
	return truncated(x, unit)
}

func dateTrunc(c *callOf) (expr, error) {
	x, err := c.moment(1)
	if err != nil {
		return expr{}, err
	}
	if c.args[0].literal == nil {
		return expr{}, invalid("The unit of date_trunc must be a text such as 'hour'")
	}
	switch unit := strings.ToLower(*c.args[0].literal); unit {
	case "second", "minute", "hour", "day", "week", "month", "quarter", "year":
		return truncated(x, unit)
	default:
		return expr{}, invalid("date_trunc doesn't know the unit %q", unit)
	}
}

func formatDateTime(c *callOf) (expr, error) {
	x, err := c.moment(0)
	if err != nil {
		return expr{}, err
	}
	if c.args[1].typ.kind != text {
		return expr{}, invalid("The format of formatDateTime must be a text")
	}
	return ofKind(text, fmt.Sprintf("ch_format(%d, %s, %s)", x.typ.kind, x.sql, c.args[1].sql)), nil
}

func fromMilli(c *callOf) (expr, error) {
	x := c.args[0]
	if k := x.typ.kind; k != integer && k != unsigned {
		return expr{}, invalid("%s needs whole milliseconds, not a %s", c.name, x.typ)
	}
	return ofKind(dateTime64, x.sql), nil
}

func toMilli(c *callOf) (expr, error) {
	x := c.args[0]
	if x.typ.kind != dateTime64 {
		return expr{}, invalid("%s needs a DateTime64, not a %s", c.name, x.typ)
	}
	return ofKind(integer, x.sql), nil
}

// text checks that an argument is a text.
func (c *callOf) text(i int) (expr, error) {
	x := c.args[i]
	if x.typ.kind != text {
		return x, invalid("%s needs a text, not a %s", c.name, x.typ)
	}
	return x, nil
}

func onText(format string) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) {
		x, err := c.text(0)
		return ofKind(text, fmt.Sprintf(format, x.sql)), err
	}
}

// substring counts bytes, as ClickHouse does.
func substring(c *callOf) (expr, error) {
	if _, err := c.text(0); err != nil {
		return expr{}, err
	}
	for _, n := range c.args[1:] {
		if k := n.typ.kind; k != integer && k != unsigned {
			return expr{}, invalid("substring needs whole numbers, not a %s", n.typ)
		}
	}
	return ofKind(text, "ch_substring("+join(c.args)+")"), nil
}

func length(c *callOf) (expr, error) {
	if c.args[0].typ.kind == array {
		return ofKind(unsigned, "json_array_length("+c.args[0].sql+")"), nil
	}
	x, err := c.text(0)
	return ofKind(unsigned, "length(CAST("+x.sql+" AS BLOB))"), err
}

func affix(function string) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) {
		if _, err := c.text(0); err != nil {
			return expr{}, err
		}
		_, err := c.text(1)
		return ofKind(unsigned, function+"("+join(c.args)+")"), err
	}
}

func jsonExtract(c *callOf) (expr, error) {
	_, err := c.text(0)
	return ofKind(text, "ch_json("+join(c.args)+")"), err
}

// rounding returns the translation of round, floor or ceil. Without digits a whole number
// stays as it is.
func rounding(function string) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) {
		x := c.args[0]
		if !x.typ.kind.isNumber() {
			return expr{}, invalid("%s needs a number, not a %s", c.name, x.typ)
		}
		digits := "0"
		if len(c.args) == 2 {
			if k := c.args[1].typ.kind; k != integer && k != unsigned {
				return expr{}, invalid("The digits of %s must be a whole number", c.name)
			}
			digits = c.args[1].sql
		}
		if x.typ.kind != float && len(c.args) == 1 {
			return x, nil
		}
		sql := fmt.Sprintf("%s(%s, %s)", function, x.sql, digits)
		if x.typ.kind != float {
			sql = "CAST(" + sql + " AS INTEGER)"
		}
		return of(x.typ, sql), nil
	}
}

func absolute(c *callOf) (expr, error) {
	x := c.args[0]
	if !x.typ.kind.isNumber() {
		return expr{}, invalid("abs needs a number, not a %s", x.typ)
	}
	k := x.typ.kind
	if k == integer {
		k = unsigned
	}
	return ofKind(k, "abs("+x.sql+")"), nil
}

func choice(c *callOf) (expr, error) {
	if !c.args[0].typ.kind.isNumber() {
		return expr{}, invalid("A condition is needed, not a %s", c.args[0].typ)
	}
	t, err := unify(c.args[1].typ, c.args[2].typ)
	return of(t, fmt.Sprintf("(CASE WHEN %s THEN %s ELSE %s END)", c.args[0].sql,
		convert(c.args[1], t).sql, convert(c.args[2], t).sql)), err
}

func coalesce(c *callOf) (expr, error) {
	t, err := typ{}, error(nil)
	for _, x := range c.args {
		if t, err = unify(t, x.typ); err != nil {
			return expr{}, err
		}
	}
	if len(c.args) == 1 {
		return c.args[0], nil
	}
	converted := make([]expr, len(c.args))
	for i, x := range c.args {
		converted[i] = convert(x, t)
	}
	return of(t, "coalesce("+join(converted)+")"), nil
}

func toInt(c *callOf) (expr, error) { return toInteger(c.args[0], integer) }

func not(c *callOf) (expr, error) {
	if !c.args[0].typ.kind.isNumber() {
		return expr{}, invalid("A condition is needed, not a %s", c.args[0].typ)
	}
	return ofKind(unsigned, "(NOT "+c.args[0].sql+")"), nil
}

func toInterval(c *callOf) (expr, error) {
	return intervalOf(c.args[0], strings.TrimPrefix(c.name, "tointerval"))
}

func has(c *callOf) (expr, error) {
	list, x := c.args[0], c.args[1]
	if list.typ.kind != array {
		return expr{}, invalid("has needs an array, not a %s", list.typ)
	}
	if _, err := unify(plainType(list.typ.elem), x.typ); err != nil {
		return expr{}, err
	}
	return ofKind(unsigned, fmt.Sprintf("ch_has_any(%s, json_array(%s))", list.sql, x.sql)), nil
}

func hasSome(function string) func(*callOf) (expr, error) {
	return func(c *callOf) (expr, error) {
		for _, x := range c.args {
			if x.typ.kind != array {
				return expr{}, invalid("%s needs arrays, not a %s", c.name, x.typ)
			}
		}
		if _, err := unify(c.args[0].typ, c.args[1].typ); err != nil {
			return expr{}, err
		}
		return ofKind(unsigned, function+"("+join(c.args)+")"), nil
	}
}
