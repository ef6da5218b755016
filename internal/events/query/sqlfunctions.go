package query

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// register adds the functions that SQLite doesn't have.
func register(d *sqlite.Driver) error {
	scalars := map[string]struct {
		args int32
		f    func(args []driver.Value) (driver.Value, error)
	}{
		"ch_text":       {2, chText},
		"ch_fold":       {1, chFold},
		"ch_integer":    {1, chInteger},
		"ch_float":      {1, chFloat},
		"ch_moment":     {2, chMoment},
		"ch_add_months": {3, chAddMonths},
		"ch_start_of":   {2, chStartOf},
		"ch_format":     {3, chFormat},
		"ch_substring":  {-1, chSubstring},
		"ch_starts":     {2, onTexts(strings.HasPrefix)},
		"ch_ends":       {2, onTexts(strings.HasSuffix)},
		"ch_json":       {-1, chJSON},
		"ch_round":      {2, rounded(math.RoundToEven)},
		"ch_floor":      {2, rounded(math.Floor)},
		"ch_ceil":       {2, rounded(math.Ceil)},
		"ch_has_any":    {2, hasElements(false)},
		"ch_has_all":    {2, hasElements(true)},
	}
	for name, s := range scalars {
		err := d.RegisterFunction(name, &sqlite.FunctionImpl{
			NArgs: s.args, Deterministic: true,
			Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
				if slices.Contains(args, nil) {
					return nil, nil
				}
				return s.f(args)
			},
		})
		if err != nil {
			return err
		}
	}
	return d.RegisterFunction("ch_quantile", &sqlite.FunctionImpl{
		NArgs: 2,
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
			return &quantile{random: rand.New(rand.NewPCG(1, 2))}, nil
		},
	})
}

func asFloat(v driver.Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

func asInt(v driver.Value) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

func asText(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

func chText(args []driver.Value) (driver.Value, error) {
	switch k := kind(asInt(args[0])); k {
	case boolean:
		return strconv.FormatBool(asInt(args[1]) != 0), nil
	case float:
		return strconv.FormatFloat(asFloat(args[1]), 'g', -1, 64), nil
	case date:
		return pointOf(k, asInt(args[1])).Format("2006-01-02"), nil
	case dateTime:
		return pointOf(k, asInt(args[1])).Format("2006-01-02 15:04:05"), nil
	case dateTime64:
		return pointOf(k, asInt(args[1])).Format("2006-01-02 15:04:05.000"), nil
	case null, integer, unsigned, text, array, tuple, interval:
	}
	return asText(args[1]), nil
}

// chFold makes texts equal that differ in their case only.
func chFold(args []driver.Value) (driver.Value, error) {
	return strings.ToLower(asText(args[0])), nil
}

func chInteger(args []driver.Value) (driver.Value, error) {
	n, err := strconv.ParseInt(asText(args[0]), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a whole number", asText(args[0]))
	}
	return n, nil
}

func chFloat(args []driver.Value) (driver.Value, error) {
	f, err := strconv.ParseFloat(asText(args[0]), 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", asText(args[0]))
	}
	return f, nil
}

func chMoment(args []driver.Value) (driver.Value, error) {
	return parseMoment(asText(args[1]), kind(asInt(args[0])))
}

// chAddMonths keeps the day of the month, or takes the last one if the month is shorter.
func chAddMonths(args []driver.Value) (driver.Value, error) {
	k := kind(asInt(args[0]))
	return addMonths(k, asInt(args[1]), asInt(args[2])), nil
}

func addMonths(k kind, at, months int64) int64 {
	const most = 12 * 5000
	t := pointOf(k, at)
	months = max(-most, min(months, most))
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	whole := time.Date(first.Year(), first.Month(), min(t.Day(), last), t.Hour(), t.Minute(),
		t.Second(), t.Nanosecond(), time.UTC)
	return numberOf(k, whole)
}

func chStartOf(args []driver.Value) (driver.Value, error) {
	t := pointOf(date, asInt(args[1]))
	year, month, day := t.Date()
	switch asText(args[0]) {
	case "sunday":
		day -= int(t.Weekday())
	case "week":
		day -= int(t.Weekday()+6) % 7
	case "month":
		day = 1
	case "quarter":
		day, month = 1, (month-1)/3*3+1
	case "year":
		day, month = 1, 1
	}
	return numberOf(date, time.Date(year, month, day, 0, 0, 0, 0, time.UTC)), nil
}

// chFormat is formatDateTime, which has the letters of MySQL.
func chFormat(args []driver.Value) (driver.Value, error) {
	t := pointOf(kind(asInt(args[0])), asInt(args[1]))
	format := asText(args[2])
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		switch c := format[i]; c {
		case '%':
			out.WriteByte('%')
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'C':
			fmt.Fprintf(&out, "%02d", t.Year()/100)
		case 'j':
			fmt.Fprintf(&out, "%03d", t.YearDay())
		case 'Q':
			fmt.Fprint(&out, (int(t.Month())+2)/3)
		case 'u':
			fmt.Fprint(&out, (int(t.Weekday())+6)%7+1)
		case 'w':
			fmt.Fprint(&out, int(t.Weekday()))
		case 'V':
			_, week := t.ISOWeek()
			fmt.Fprintf(&out, "%02d", week)
		case 'G':
			year, _ := t.ISOWeek()
			fmt.Fprint(&out, year)
		default:
			layout, known := layouts[c]
			if !known {
				return nil, fmt.Errorf("formatDateTime doesn't know %%%c", c)
			}
			out.WriteString(t.Format(layout))
		}
	}
	return out.String(), nil
}

// layouts are the letters that Go's layouts have.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'h': "03", 'I': "03",
	'i': "04", 'M': "January", 'S': "05", 's': "05", 'F': "2006-01-02", 'T': "15:04:05",
	'R': "15:04", 'D': "01/02/06", 'a': "Mon", 'W': "Monday", 'b': "Jan", 'p': "PM", 'r': "03:04 PM",
	'f': "000000", 'k': "15", 'l': "3", 'c': "1",
}

func chSubstring(args []driver.Value) (driver.Value, error) {
	s, from, size := asText(args[0]), asInt(args[1]), int64(math.MaxInt64)
	if len(args) == 3 {
		size = asInt(args[2])
	}
	n := int64(len(s))
	switch {
	case from > 0:
		from--
	case from < 0:
		from = max(0, n+from)
	default:
		return "", nil
	}
	from = min(from, n)
	end := n
	if size < 0 {
		end = max(from, n+size)
	} else if size < n-from {
		end = from + size
	}
	return s[from:end], nil
}

func onTexts(f func(string, string) bool) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		return truth(f(asText(args[0]), asText(args[1]))), nil
	}
}

func truth(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// chJSON returns the text at a path of names and positions, "" if there is none.
func chJSON(args []driver.Value) (driver.Value, error) {
	var v any
	if json.Unmarshal([]byte(asText(args[0])), &v) != nil {
		return "", nil
	}
	for _, step := range args[1:] {
		switch at := v.(type) {
		case map[string]any:
			name, isName := step.(string)
			if !isName {
				return "", nil
			}
			v = at[name]
		case []any:
			i, isNumber := step.(int64)
			if isNumber && i < 0 {
				i += int64(len(at)) + 1
			}
			if !isNumber || i < 1 || i > int64(len(at)) {
				return "", nil
			}
			v = at[i-1]
		default:
			return "", nil
		}
	}
	s, _ := v.(string)
	return s, nil
}

func rounded(round func(float64) float64) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		x, digits := asFloat(args[0]), asInt(args[1])
		if digits < -300 || digits > 300 {
			return nil, errors.New("too many digits to round to")
		}
		scale := math.Pow10(int(digits))
		if result := round(x*scale) / scale; !math.IsNaN(result) && !math.IsInf(result, 0) {
			return result, nil
		}
		return x, nil
	}
}

// hasElements reports whether the first array has one, or all, of the elements of the second.
func hasElements(all bool) func([]driver.Value) (driver.Value, error) {
	return func(args []driver.Value) (driver.Value, error) {
		var have, want []any
		err := errors.Join(json.Unmarshal([]byte(asText(args[0])), &have),
			json.Unmarshal([]byte(asText(args[1])), &want))
		if err != nil {
			return nil, err
		}
		known := make(map[any]bool, len(have))
		for _, h := range have {
			if isScalar(h) {
				known[h] = true
			}
		}
		for _, w := range want {
			if (isScalar(w) && known[w]) != all {
				return truth(!all), nil
			}
		}
		return truth(all), nil
	}
}

// isScalar reports whether a value of JSON can be compared.
func isScalar(v any) bool {
	switch v.(type) {
	case nil, bool, string, float64:
		return true
	}
	return false
}

// quantile is ClickHouse's: exact up to 8,192 values, then of a sample of so many.
type quantile struct {
	level  float64
	sample []float64
	seen   int
	random *rand.Rand
}

const sampleSize = 8192

// Step implements sqlite.AggregateFunction.
func (q *quantile) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	if args[1] == nil {
		return nil
	}
	q.level = asFloat(args[0])
	q.seen++
	if len(q.sample) < sampleSize {
		q.sample = append(q.sample, asFloat(args[1]))
	} else if at := q.random.IntN(q.seen); at < sampleSize {
		q.sample[at] = asFloat(args[1])
	}
	return nil
}

// WindowInverse implements sqlite.AggregateFunction. Queries have no windows.
func (q *quantile) WindowInverse(*sqlite.FunctionContext, []driver.Value) error {
	return errors.New("quantile can't be used in a window")
}

// WindowValue implements sqlite.AggregateFunction.
func (q *quantile) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if len(q.sample) == 0 {
		return nil, nil
	}
	slices.Sort(q.sample)
	at := q.level * float64(len(q.sample)-1)
	low := int(at)
	high := min(low+1, len(q.sample)-1)
	return q.sample[low] + (q.sample[high]-q.sample[low])*(at-float64(low)), nil
}

// Final implements sqlite.AggregateFunction.
func (q *quantile) Final(*sqlite.FunctionContext) {}
