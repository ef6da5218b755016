package query

import (
	"fmt"
	"strconv"
	"strings"
)

// unify returns the type that values of both types can have.
func unify(a, b typ) (typ, error) {
	rank := func(k kind) int { return int(k) }
	switch {
	case a == b || b.kind == null:
		return a, nil
	case a.kind == null:
		return b, nil
	case a.kind.isNumber() && b.kind.isNumber(),
		a.kind.isTime() && b.kind.isTime():
		if rank(a.kind) < rank(b.kind) {
			a, b = b, a
		}
		if a.kind == unsigned && b.kind == integer {
			return b, nil
		}
		return a, nil
	case a.kind == array && b.kind == array:
		elem, err := unify(plainType(a.elem), plainType(b.elem))
		return typ{kind: array, elem: elem.kind}, err
	}
	return typ{}, invalid("%s and %s have no common type", a, b)
}

// convert converts an expression to a type that unify returned for it.
func convert(e expr, to typ) expr {
	if e.typ == to || !e.typ.kind.isTime() || !to.kind.isTime() {
		return of(to, e.sql, e)
	}
	factor := perDay(to.kind) / perDay(e.typ.kind)
	if factor <= 1 {
		return of(to, e.sql, e)
	}
	return of(to, fmt.Sprintf("(%s * %d)", e.sql, factor), e)
}

// comparable converts two expressions to a common type.
func comparable(a, b expr) (expr, expr, error) {
	if moment, err := textAsMoment(b, a.typ.kind); err != nil {
		return a, b, err
	} else if moment != nil {
		return a, *moment, nil
	}
	if moment, err := textAsMoment(a, b.typ.kind); err != nil {
		return a, b, err
	} else if moment != nil {
		return *moment, b, nil
	}
	for _, pair := range [][2]expr{{a, b}, {b, a}} {
		// a DateTime can be compared with unix seconds
		if pair[0].typ.kind == dateTime && pair[1].typ.kind.isNumber() {
			return a, b, nil
		}
	}
	common, err := unify(a.typ, b.typ)
	if err != nil || common.kind == interval {
		return a, b, invalid("%s and %s can't be compared", a.typ, b.typ)
	}
	return convert(a, common), convert(b, common), nil
}

// textAsMoment reads a text constant as a point in time. It returns nil for others.
func textAsMoment(e expr, k kind) (*expr, error) {
	if e.literal == nil || !k.isTime() {
		return nil, nil
	}
	n, err := parseMoment(*e.literal, k)
	if err != nil {
		return nil, invalid("%v", err)
	}
	moment := ofKind(k, strconv.FormatInt(n, 10))
	return &moment, nil
}

// compare writes a comparison.
func compare(op string, a, b expr) (string, error) {
	switch op {
	case "==":
		op = "="
	case "<>":
		op = "!="
	}
	if sql := compareDays(op, a, b); sql != "" {
		return sql, nil
	}
	if sql := compareDays(mirrored[op], b, a); sql != "" {
		return sql, nil
	}
	a, b, err := comparable(a, b)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("(%s %s %s)", a.sql, op, b.sql), nil
}

// mirrored are the comparisons with their sides exchanged.
var mirrored = map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<="}

// compareDays compares a Date with a constant DateTime in days, so that the bound of a column
// stays one. It returns "" for others.
func compareDays(op string, a, b expr) string {
	if a.typ.kind != date || a.bare == "" || b.bare != "" || b.aggregate ||
		b.typ.kind != dateTime && b.typ.kind != dateTime64 {
		return ""
	}
	perDay := perDay(b.typ.kind)
	switch op {
	case "<", ">=": // from the first day that begins then or later
		return fmt.Sprintf("(%s %s %s)", a.sql, op,
			floored(fmt.Sprintf("(%s + %d)", b.sql, perDay-1), perDay))
	case ">", "<=":
		return fmt.Sprintf("(%s %s %s)", a.sql, op, floored(b.sql, perDay))
	}
	return ""
}

func arithmetic(op string, a, b expr) (expr, error) {
	ak, bk := a.typ.kind, b.typ.kind
	switch {
	case ak == null || bk == null:
		return ofKind(null, "NULL", a, b), nil
	case ak == interval && bk.isTime() && op == "+":
		return shift(b, a, op)
	case bk == interval && ak.isTime() && (op == "+" || op == "-"):
		return shift(a, b, op)
	case ak.isTime() && bk.isTime() && op == "-":
		return difference(a, b)
	case (ak == date || ak == dateTime) && bk.isNumber() && bk != float && (op == "+" || op == "-"):
		return of(a.typ, fmt.Sprintf("(%s %s %s)", a.sql, op, b.sql), a, b), nil
	case !ak.isNumber() || !bk.isNumber():
		return expr{}, invalid("%s %s %s isn't possible", a.typ, op, b.typ)
	}
	result := integer
	switch {
	case ak == float || bk == float || op == "/":
		result = float
	case ak != integer && bk != integer && op != "-":
		result = unsigned
	}
	if op == "/" || op == "%" && result == float {
		if op == "%" {
			return ofKind(float, fmt.Sprintf("mod(%s, %s)", a.sql, b.sql), a, b), nil
		}
		return ofKind(float, fmt.Sprintf("(CAST(%s AS REAL) / %s)", a.sql, b.sql), a, b), nil
	}
	return ofKind(result, fmt.Sprintf("(%s %s %s)", a.sql, op, b.sql), a, b), nil
}

func difference(a, b expr) (expr, error) {
	common, err := unify(a.typ, b.typ)
	if err != nil {
		return expr{}, err
	}
	sql := fmt.Sprintf("(%s - %s)", convert(a, common).sql, convert(b, common).sql)
	if common.kind == dateTime64 {
		return ofKind(float, "("+sql+" / 1000.0)", a, b), nil
	}
	return ofKind(integer, sql, a, b), nil
}

// seconds are the units of intervals of fixed length, in seconds.
var seconds = map[string]int64{
	"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400,
}

// monthsOf are the units of intervals of months.
var monthsOf = map[string]int64{"month": 1, "quarter": 3, "year": 12}

// shift adds an interval to a point in time.
func shift(at, by expr, op string) (expr, error) {
	if months := monthsOf[by.typ.unit]; months > 0 {
		n := fmt.Sprintf("%s(%s) * %d", strings.TrimPrefix(op, "+"), by.sql, months)
		return of(at.typ, fmt.Sprintf("ch_add_months(%d, %s, %s)", at.typ.kind, at.sql, n), at, by), nil
	}
	result, ms := at.typ.kind, seconds[by.typ.unit]*1000
	if ms == 0 {
		result = dateTime64
		if ms = map[string]int64{"millisecond": 1}[by.typ.unit]; ms == 0 {
			return expr{}, unsupported("An interval of " + by.typ.unit + "s")
		}
	}
	if result == date && ms%86400_000 != 0 {
		result = dateTime
	}
	unit := 86400_000 / perDay(result)
	sql := fmt.Sprintf("(%s %s (%s) * %d)",
		convert(at, plainType(result)).sql, op, by.sql, ms/unit)
	return ofKind(result, sql, at, by), nil
}

func concat(parts []expr) (expr, error) {
	texts := make([]string, len(parts))
	for i, p := range parts {
		s, err := toText(p)
		if err != nil {
			return expr{}, err
		}
		texts[i] = s.sql
	}
	return ofKind(text, "("+strings.Join(texts, " || ")+")", parts...), nil
}

func like(op string, x, pattern expr) (expr, error) {
	if x.typ.kind != text || pattern.typ.kind != text {
		return expr{}, invalid("%s needs texts, not %s and %s", op, x.typ, pattern.typ)
	}
	a, b := x.sql, pattern.sql
	if strings.HasSuffix(op, "ILIKE") {
		a, b = "ch_fold("+a+")", "ch_fold("+b+")"
	}
	sql := fmt.Sprintf(`(%s LIKE %s ESCAPE '\')`, a, b)
	if strings.HasPrefix(op, "NOT ") {
		sql = "(NOT " + sql + ")"
	}
	return ofKind(unsigned, sql, x, pattern), nil
}

// castTo converts to a type by its name.
func castTo(x expr, name string) (expr, error) {
	switch strings.ToLower(name) {
	case "string":
		return toText(x)
	case "int8", "int16", "int32", "int64":
		return toInteger(x, integer)
	case "uint8", "uint16", "uint32", "uint64":
		return toInteger(x, unsigned)
	case "float32", "float64":
		return toFloat(x)
	case "date", "date32":
		return toMoment(x, date)
	case "datetime":
		return toMoment(x, dateTime)
	case "datetime64":
		return toMoment(x, dateTime64)
	case "bool", "boolean":
		if x.typ.kind.isNumber() {
			return ofKind(boolean, "("+x.sql+" != 0)", x), nil
		}
	}
	return expr{}, invalid("A %s can't be converted to %s", x.typ, name)
}

func toText(x expr) (expr, error) {
	switch x.typ.kind {
	case text:
		return x, nil
	case null, array, tuple, interval:
		return expr{}, invalid("A %s can't be converted to String", x.typ)
	case boolean, integer, unsigned, float, date, dateTime, dateTime64:
	}
	return ofKind(text, fmt.Sprintf("ch_text(%d, %s)", x.typ.kind, x.sql), x), nil
}

func toInteger(x expr, to kind) (expr, error) {
	switch x.typ.kind {
	case boolean, integer, unsigned, date, dateTime:
		return ofKind(to, x.sql, x), nil
	case float:
		return ofKind(to, "CAST("+x.sql+" AS INTEGER)", x), nil
	case dateTime64:
		return ofKind(to, "("+x.sql+" / 1000)", x), nil
	case text:
		return ofKind(to, "ch_integer("+x.sql+")", x), nil
	case null, array, tuple, interval:
	}
	return expr{}, invalid("A %s can't be converted to a number", x.typ)
}

func toFloat(x expr) (expr, error) {
	switch x.typ.kind {
	case boolean, integer, unsigned, float, date, dateTime:
		return ofKind(float, "CAST("+x.sql+" AS REAL)", x), nil
	case dateTime64:
		return ofKind(float, "("+x.sql+" / 1000.0)", x), nil
	case text:
		return ofKind(float, "ch_float("+x.sql+")", x), nil
	case null, array, tuple, interval:
	}
	return expr{}, invalid("A %s can't be converted to a number", x.typ)
}

// toMoment converts to a Date, a DateTime or a DateTime64.
func toMoment(x expr, to kind) (expr, error) {
	if x.literal != nil {
		moment, err := textAsMoment(x, to)
		if err != nil {
			return expr{}, err
		}
		return *moment, nil
	}
	switch k := x.typ.kind; k {
	case text:
		return ofKind(to, fmt.Sprintf("ch_moment(%d, %s)", to, x.sql), x), nil
	case date, dateTime, dateTime64:
		if perDay(to) >= perDay(k) {
			return convert(x, plainType(to)), nil
		}
		return ofKind(to, floored(x.sql, perDay(k)/perDay(to)), x), nil
	case boolean, integer, unsigned, float:
		n := x.sql
		if k == float {
			n = "CAST(" + n + " AS INTEGER)"
		}
		switch to {
		case date: // small numbers are days, others seconds
			n = fmt.Sprintf("CASE WHEN %[1]s < 65536 THEN %[1]s ELSE %[1]s / 86400 END", n)
		case dateTime64:
			n = "CAST(" + x.sql + " * 1000 AS INTEGER)"
		case null, boolean, integer, unsigned, float, text, dateTime, array, tuple, interval:
		}
		return ofKind(to, "("+n+")", x), nil
	case null, array, tuple, interval:
	}
	return expr{}, invalid("A %s can't be converted to a %s", x.typ, to)
}

// floored divides and rounds down, also before 1970.
func floored(sql string, by int64) string {
	return fmt.Sprintf("(%[1]s / %[2]d - (%[1]s %% %[2]d < 0))", sql, by)
}
