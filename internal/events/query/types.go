package query

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// kind is a type of ClickHouse, as far as queries can tell types apart. The comment says how
// SQLite holds its values.
type kind uint8

const (
	null       kind = iota
	boolean         // 0 or 1
	integer         // Int64
	unsigned        // UInt64, up to 2^63-1
	float           // Float64; NULL for what isn't finite
	text            // String
	date            // days since 1970
	dateTime        // seconds since 1970
	dateTime64      // milliseconds since 1970
	array           // JSON
	tuple           // only beside IN
	interval        // a number of units
)

// typ is the type of an expression.
type typ struct {
	kind kind
	elem kind   // of arrays
	unit string // of intervals: second, month and so on
}

func (k kind) String() string {
	return [...]string{
		"Nothing", "Bool", "Int64", "UInt64", "Float64", "String", "Date", "DateTime",
		"DateTime64(3)", "Array", "Tuple", "Interval",
	}[k]
}

func (t typ) String() string {
	switch t.kind {
	case array:
		return fmt.Sprintf("Array(%s)", t.elem)
	case interval:
		return "Interval" + strings.ToUpper(t.unit[:1]) + t.unit[1:]
	case null, boolean, integer, unsigned, float, text, date, dateTime, dateTime64, tuple:
	}
	return t.kind.String()
}

func (k kind) isNumber() bool {
	return k == boolean || k == integer || k == unsigned || k == float
}

func (k kind) isTime() bool { return k == date || k == dateTime || k == dateTime64 }

// zero is the SQL of the value that ClickHouse has for nothing.
func (t typ) zero() string {
	switch t.kind {
	case text:
		return "''"
	case array:
		return "'[]'"
	case null:
		return "NULL"
	case float:
		return "0.0"
	case boolean, integer, unsigned, date, dateTime, dateTime64, tuple, interval:
	}
	return "0"
}

// unit is how many units of a point in time make a day.
func perDay(k kind) int64 {
	switch k {
	case dateTime:
		return 86400
	case dateTime64:
		return 86400_000
	case null, boolean, integer, unsigned, float, text, date, array, tuple, interval:
	}
	return 1
}

// value converts what SQLite returned for an expression of the type to what is sent.
func (t typ) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int64:
		return t.number(v), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, nil
		}
		if t.kind == integer || t.kind == unsigned {
			return int64(v), nil
		}
		return v, nil
	case []byte:
		return t.text(string(v))
	case string:
		return t.text(v)
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func (t typ) number(n int64) any {
	switch t.kind {
	case boolean:
		return n != 0
	case float:
		return float64(n)
	case date, dateTime, dateTime64:
		return moment(t.kind, n)
	case null, integer, unsigned, text, array, tuple, interval:
	}
	return n
}

// moment writes a point in time as RFC 3339.
func moment(k kind, n int64) string {
	return pointOf(k, n).Format("2006-01-02T15:04:05.999Z07:00")
}

// pointOf returns a point in time, in UTC.
func pointOf(k kind, n int64) time.Time {
	switch k {
	case date:
		return time.Unix(n*86400, 0).UTC()
	case dateTime64:
		return time.UnixMilli(n).UTC()
	case null, boolean, integer, unsigned, float, text, dateTime, array, tuple, interval:
	}
	return time.Unix(n, 0).UTC()
}

// numberOf is the inverse of pointOf.
func numberOf(k kind, t time.Time) int64 {
	switch k {
	case date:
		return floorDiv(t.Unix(), 86400)
	case dateTime64:
		return t.UnixMilli()
	case null, boolean, integer, unsigned, float, text, dateTime, array, tuple, interval:
	}
	return t.Unix()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (t typ) text(s string) (any, error) {
	if t.kind != array {
		return strings.ToValidUTF8(s, "\uFFFD"), nil
	}
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var items []any
	if err := decoder.Decode(&items); err != nil {
		return nil, fmt.Errorf("array: %w", err)
	}
	if items == nil {
		items = []any{}
	}
	for i, item := range items {
		n, isNumber := item.(json.Number)
		if !isNumber {
			continue
		}
		if whole, err := n.Int64(); err == nil {
			items[i] = typ{kind: t.elem}.number(whole)
		}
	}
	return items, nil
}

// parseMoment reads a text as a point in time of a kind.
func parseMoment(s string, k kind) (int64, error) {
	for _, layout := range []string{
		"2006-01-02", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
		"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z07:00",
		"2006-01-02 15:04",
	} {
		if t, err := time.ParseInLocation(layout, strings.TrimSpace(s), time.UTC); err == nil {
			return numberOf(k, t), nil
		}
	}
	return 0, fmt.Errorf("%q is not a %s such as %s", s, k, map[kind]string{
		date: "2026-10-31", dateTime: "2026-10-31 14:02:00", dateTime64: "2026-10-31 14:02:00.123",
	}[k])
}
