package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// The types of this file are flags as people write them. Each is a field of a request
// and encodes itself as the API wants it.

// instant is a time: a date, or a time from now. Its zero value is left out.
type instant struct{ latchkey.Opt[latchkey.Time] }

// UnmarshalText reads 90d, 2027-01-31, 2027-01-31T12:00:00Z or never.
func (t *instant) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		t.Opt = latchkey.Null[latchkey.Time]()
		return nil
	}
	at, err := parseTime(string(text), time.Now())
	if err != nil {
		return err
	}
	if at.Before(time.Now()) {
		return fmt.Errorf("%s is in the past", text)
	}
	t.Opt = latchkey.Set(latchkey.At(at))
	return nil
}

// moment is a time in the past or the future. Its zero value is left out.
type moment struct{ latchkey.Time }

// UnmarshalText reads 7d, -90d, 2027-01-31 or 2027-01-31T12:00:00Z.
func (m *moment) UnmarshalText(text []byte) error {
	now := time.Now()
	past, ago := strings.CutPrefix(string(text), "-")
	t, err := parseTime(past, now)
	if ago {
		t = now.Add(-t.Sub(now))
	}
	m.Time = latchkey.At(t)
	return err
}

// parseTime reads a date, a time of RFC 3339, or how long it is from now.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	d, err := parseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf(
			"%q is not a time like 90d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z", text)
	}
	return now.Add(d), nil
}

// units are the units of durations besides those of package time.
var units = map[string]time.Duration{
	"second": time.Second, "sec": time.Second, "minute": time.Minute, "min": time.Minute,
	"hour": time.Hour, "d": day, "day": day, "w": 7 * day, "week": 7 * day, "mo": 30 * day,
	"month": 30 * day, "y": 365 * day, "year": 365 * day,
}

const day = 24 * time.Hour

var numberAndUnit = regexp.MustCompile(`^([0-9]{0,6})\s?([a-z]+?)s?$`)

// parseDuration reads a duration: 90d, 12h, 1h30m, day. It is never negative.
func parseDuration(text string) (time.Duration, error) {
	const most = 100 * 365 * day
	if parts := numberAndUnit.FindStringSubmatch(text); parts != nil && units[parts[2]] > 0 {
		count := 1
		if parts[1] != "" {
			count, _ = strconv.Atoi(parts[1]) // it has digits only
		}
		if count > int(most/units[parts[2]]) {
			return 0, fmt.Errorf("%q is longer than 100 years", text)
		}
		return time.Duration(count) * units[parts[2]], nil
	}
	if strings.Trim(text, "smh") == "" {
		text = "1" + text
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration like 30s, 12h or 7d", text)
	}
	return d, nil
}

// grace is a duration that is sent in milliseconds.
type grace time.Duration

// UnmarshalText reads a duration.
func (g *grace) UnmarshalText(text []byte) error {
	d, err := parseDuration(string(text))
	if string(text) == "0" {
		d, err = 0, nil
	}
	*g = grace(d)
	return err
}

// MarshalJSON writes milliseconds.
func (g grace) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Duration(g).Milliseconds(), 10), nil
}

// month is a calendar month in UTC.
type month struct{ latchkey.UsageMonth }

// UnmarshalText reads 2026-10.
func (m *month) UnmarshalText(text []byte) error {
	t, err := time.Parse("2006-01", string(text))
	if err != nil {
		return fmt.Errorf("%q is not a month like 2026-10", text)
	}
	m.Year, m.Month = t.Year(), int(t.Month())
	return nil
}

// limit is a rate limit of a key or an identity, which every verification checks.
type limit struct{ latchkey.RatelimitRequest }

// UnmarshalText reads 10/s, 100/5m or name=10/s.
func (l *limit) UnmarshalText(text []byte) error {
	name, per, named := strings.Cut(string(text), "=")
	if !named {
		name, per = "requests", name
	}
	var r rate
	if err := r.UnmarshalText([]byte(per)); err != nil {
		return err
	}
	l.RatelimitRequest = latchkey.RatelimitRequest{
		Name: name, Limit: r.limit, Duration: r.duration, AutoApply: latchkey.Set(true),
	}
	return nil
}

// rate is a number of calls in a time.
type rate struct {
	limit    int64
	duration latchkey.Duration
}

// UnmarshalText reads 10/s or 100/5m.
func (r *rate) UnmarshalText(text []byte) error {
	count, per, found := strings.Cut(string(text), "/")
	n, err := parseCount(count)
	d, wrong := parseDuration(per)
	if !found || err != nil || wrong != nil {
		return fmt.Errorf("%q is not a rate like 10/s, 100/min or 5000/30d", text)
	}
	r.limit, r.duration = n, latchkey.Per(d)
	return nil
}

// credits are a balance and its refill.
type credits struct {
	set    bool
	remove bool
	amount int64
	refill *latchkey.Refill
}

// UnmarshalText reads 1000, 1000/day, 1000/month or 1000/month@15; unlimited removes them.
func (c *credits) UnmarshalText(text []byte) error {
	*c = credits{set: true, remove: string(text) == "unlimited"}
	if c.remove {
		return nil
	}
	count, per, refilled := strings.Cut(string(text), "/")
	var err error
	if c.amount, err = parseCount(count); err == nil && refilled {
		c.refill, err = parseRefill(per, c.amount)
	}
	if err != nil {
		return fmt.Errorf("%q is not credits like 1000, 1000/day, 1000/month@15 or unlimited", text)
	}
	return nil
}

func parseRefill(per string, amount int64) (*latchkey.Refill, error) {
	interval, onDay, chosen := strings.Cut(per, "@")
	r := &latchkey.Refill{Amount: amount}
	switch interval {
	case "day", "d":
		r.Interval = latchkey.Daily
	case "month", "mo":
		r.Interval, r.RefillDay = latchkey.Monthly, 1
	}
	if chosen {
		var err error
		if r.RefillDay, err = strconv.Atoi(onDay); err != nil || r.Interval != latchkey.Monthly {
			return nil, errors.ErrUnsupported
		}
	}
	if r.Interval == "" {
		return nil, errors.ErrUnsupported
	}
	return r, nil
}

// IsZero reports whether the flag was not given.
func (c credits) IsZero() bool { return !c.set }

// MarshalJSON writes balance and refill, or null.
func (c credits) MarshalJSON() ([]byte, error) {
	if c.remove {
		return []byte("null"), nil
	}
	return json.Marshal(latchkey.Credits{Remaining: latchkey.Set(c.amount), Refill: c.refill})
}

// parseCount reads a whole number, with k and m for thousands and millions.
func parseCount(text string) (int64, error) {
	factor := int64(1)
	switch {
	case strings.HasSuffix(text, "k"):
		text, factor = text[:len(text)-1], 1000
	case strings.HasSuffix(text, "m"):
		text, factor = text[:len(text)-1], 1_000_000
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<62/factor {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n * factor, nil
}

// object is a JSON object.
type object string

// UnmarshalText reads a JSON object.
func (o *object) UnmarshalText(text []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return errors.New(`it must be a JSON object; quote it for the shell: '{"plan":"pro"}'`)
	}
	*o = object(text)
	return nil
}

// MarshalJSON writes the object.
func (o object) MarshalJSON() ([]byte, error) { return []byte(o), nil }

// textList is a list that is sent even if it is empty.
type textList []string

// MarshalJSON writes the list.
func (l textList) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]string{}, l...))
}

// amount is a whole number, with k and m for thousands and millions.
type amount int64

// UnmarshalText reads the number.
func (a *amount) UnmarshalText(text []byte) error {
	n, err := parseCount(string(text))
	*a = amount(n)
	return err
}

// whole is a whole number that can be left out, with k and m for thousands and millions.
type whole struct{ latchkey.Opt[int64] }

// UnmarshalText reads 1000, 5k or -5k.
func (w *whole) UnmarshalText(text []byte) error {
	digits, negative := strings.CutPrefix(string(text), "-")
	n, err := parseCount(digits)
	if negative {
		n = -n
	}
	w.Opt = latchkey.Set(n)
	return err
}

var periodText = regexp.MustCompile(`^(?:(hour|day)|(week|month)(?:@([1-9][0-9]?))?)$`)

// every is the period of a budget. Its zero value is left out.
type every struct {
	latchkey.Opt[latchkey.BudgetPeriod]
}

// UnmarshalText reads hour, day, week@1 or month@15.
func (e *every) UnmarshalText(text []byte) error {
	parts := periodText.FindStringSubmatch(string(text))
	if parts == nil {
		return fmt.Errorf("%q is not a period like hour, day, week@1 or month@15", text)
	}
	p := latchkey.BudgetPeriod{Every: latchkey.BudgetEvery(parts[1] + parts[2])}
	if parts[3] != "" {
		p.Anchor, _ = strconv.Atoi(parts[3]) // it has digits only
	}
	e.Opt = latchkey.Set(p)
	return nil
}

// cost is an amount of a budget.
type cost latchkey.BudgetCost

// UnmarshalText reads team=500, or team for 1.
func (c *cost) UnmarshalText(text []byte) error {
	c.Budget = string(text)
	at := strings.LastIndexByte(c.Budget, '=')
	if at < 0 {
		return nil
	}
	n, err := parseCount(c.Budget[at+1:])
	if err != nil || at == 0 {
		return fmt.Errorf("%q is not a cost like team=500, or team for 1", text)
	}
	c.Budget, c.Cost = c.Budget[:at], latchkey.Set(n)
	return nil
}

// costs are amounts of budgets as requests have them.
func costs(flags []cost) (all []latchkey.BudgetCost) {
	for _, c := range flags {
		all = append(all, latchkey.BudgetCost(c))
	}
	return all
}
