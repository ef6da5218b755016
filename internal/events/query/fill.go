package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/AfterShip/clickhouse-sql-parser/parser"
)

// fill translates WITH FILL of an expression of ORDER BY.
func (s *scope) fill(o *parser.OrderExpr, by expr) (*fill, error) {
	f := &fill{column: -1, step: 1, descending: o.Direction == parser.OrderDirectionDesc}
	for i, item := range s.items {
		if item.sql == by.sql {
			f.column = i
		}
	}
	k := by.typ.kind
	if f.column < 0 {
		return nil, invalid("WITH FILL needs an expression that is in the result")
	}
	if !k.isTime() && k != integer && k != unsigned {
		return nil, invalid("WITH FILL needs whole numbers or times, not a %s", by.typ)
	}
	if o.Fill.Staleness != nil {
		return nil, unsupported("STALENESS")
	}
	var err error
	if f.from, err = s.fillBound(o.Fill.From, by); err != nil {
		return nil, err
	}
	if f.to, err = s.fillBound(o.Fill.To, by); err != nil {
		return nil, err
	}
	if f.descending {
		f.step = -1
	}
	return f, s.fillStep(f, o.Fill.Step, k)
}

// fillBound evaluates a constant.
func (s *scope) fillBound(e parser.Expr, by expr) (*int64, error) {
	if e == nil {
		return nil, nil
	}
	x, err := s.expr(e)
	if err != nil {
		return nil, err
	}
	k := by.typ.kind
	_, x, err = comparable(by, x)
	if err != nil {
		return nil, err
	}
	if x.typ.kind.isTime() && x.typ.kind != k {
		if x, err = toMoment(x, k); err != nil {
			return nil, err
		}
	}
	n, err := s.t.evaluate(x)
	return &n, err
}

func (s *scope) fillStep(f *fill, e parser.Expr, k kind) error {
	if e == nil {
		return nil
	}
	x, err := s.expr(e)
	if err != nil {
		return err
	}
	n, err := s.t.evaluate(x)
	if err != nil {
		return err
	}
	switch {
	case x.typ.kind == interval && !k.isTime():
		return invalid("The STEP must be a number")
	case x.typ.kind == interval && monthsOf[x.typ.unit] > 0:
		f.months, n = true, n*monthsOf[x.typ.unit]
	case x.typ.kind == interval:
		ms := n * seconds[x.typ.unit] * 1000
		if n = ms / (86400_000 / perDay(k)); ms == 0 || n == 0 {
			return invalid("The STEP is smaller than the type of the column")
		}
	case x.typ.kind != integer && x.typ.kind != unsigned:
		return invalid("The STEP must be a whole number or an interval")
	}
	if f.step = n; n == 0 || n < 0 != f.descending {
		return invalid("The STEP must be positive, with DESC negative")
	}
	return nil
}

// evaluate returns the value of a constant expression.
func (t *translator) evaluate(x expr) (int64, error) {
	if x.bare != "" || x.aggregate {
		return 0, invalid("A constant is needed, not the column %s", x.bare)
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(x.sql), 10, 64); err == nil {
		return n, nil
	}
	return t.constants(x.sql)
}

// after returns the next value.
func (f *fill) after(k kind, at int64) int64 {
	if f.months {
		return addMonths(k, at, f.step)
	}
	return at + f.step
}

func (f *fill) before(a, b int64) bool {
	if f.descending {
		return a > b
	}
	return a < b
}

// apply adds the missing rows, at most as many as allowed.
func (f *fill) apply(rows [][]any, zeros []any, k kind, most int) ([][]any, error) {
	var out [][]any
	add := func(row []any) error {
		if out = append(out, row); len(out) > most {
			return refuse(TooManyRows, "The result has more than %d rows", most)
		}
		return nil
	}
	missing := func(at int64) []any {
		row := append([]any(nil), zeros...)
		row[f.column] = at
		return row
	}
	next, started := int64(0), false
	if f.from != nil {
		next, started = *f.from, true
	}
	for _, row := range rows {
		at, isNumber := row[f.column].(int64)
		if !isNumber {
			continue
		}
		for started && f.before(next, at) && (f.to == nil || f.before(next, *f.to)) {
			if err := add(missing(next)); err != nil {
				return nil, err
			}
			if next = f.after(k, next); next > math.MaxInt64/4 {
				break
			}
		}
		if err := add(row); err != nil {
			return nil, err
		}
		if !started || !f.before(at, next) {
			next, started = f.after(k, at), true
		}
	}
	for started && f.to != nil && f.before(next, *f.to) {
		if err := add(missing(next)); err != nil {
			return nil, err
		}
		next = f.after(k, next)
	}
	return out, nil
}
