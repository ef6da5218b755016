package ui

import (
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ui/chart"
)

// window is a range of time that charts show.
type window struct {
	Name   string // in the URL
	table  string // of sums
	step   time.Duration
	steps  int
	bucket string // in words
}

// windows are the ranges to choose from.
var windows = []window{
	{"1 h", "key_verifications_per_minute_v1", time.Minute, 60, "minute"},
	{"6 h", "key_verifications_per_minute_v1", 5 * time.Minute, 72, "5 min"},
	{"24 h", "key_verifications_per_hour_v1", time.Hour, 24, "hour"},
	{"7 d", "key_verifications_per_hour_v1", 2 * time.Hour, 84, "2 h"},
	{"30 d", "key_verifications_per_day_v1", 24 * time.Hour, 30, "day"},
}

// outcomes are in the order in which charts stack them, with their words.
var outcomes = []struct {
	code latchkey.Code
	text string
}{
	{latchkey.Valid, "Valid"}, {latchkey.RateLimited, "Rate limited"},
	{latchkey.UsageExceeded, "Out of credits"},
	{latchkey.InsufficientPermissions, "Not permitted"}, {latchkey.Expired, "Expired"},
	{latchkey.Disabled, "Disabled"}, {latchkey.Forbidden, "Forbidden"},
	{latchkey.NotFound, "Unknown key"},
}

// outcomeText returns an outcome in words.
func outcomeText(code string) string {
	for _, o := range outcomes {
		if string(o.code) == code {
			return o.text
		}
	}
	return code
}

// usageView is what happened in a range of time.
type usageView struct {
	Windows []choice
	Window  string
	Chart   template.HTML // "" if nothing happened
	Total   int64
	Refused int64
	Failure *failure // why nothing is shown
}

// windowOf returns the range that the URL asks for, a day by default.
func (v *visit) windowOf() window {
	for _, w := range windows {
		if w.Name == v.r.URL.Query().Get("range") {
			return w
		}
	}
	return windows[2]
}

// condition is what verifications are selected by, in the dialect of the API.
type condition string

// keyID are texts that can be in a condition.
var keyID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// usage returns the verifications that satisfy a condition. What goes wrong is part of the view,
// so that the rest of the page is shown.
func (v *visit) usage(where condition, refusedApart bool) usageView {
	w := v.windowOf()
	view := usageView{Window: w.Name}
	for _, other := range windows {
		view.Windows = append(view.Windows, choice{
			other.Name, v.with("range", other.Name), other.Name == w.Name,
		})
	}
	end := v.Now().UTC().Truncate(w.step).Add(w.step)
	start := end.Add(-time.Duration(w.steps) * w.step)
	rows, err := v.client.Analytics.GetVerifications(v.ctx(), latchkey.AnalyticsRequest{
		Query: fmt.Sprintf("SELECT time, outcome, sum(count) AS n FROM %s WHERE time >= '%s'%s "+
			"GROUP BY time, outcome", w.table, start.Format(layoutOf(w)), where),
	})
	if err != nil {
		view.Failure = v.partly(err)
		return view
	}
	sums := map[string][]float64{}
	for _, row := range rows {
		at, _ := time.Parse(time.RFC3339, fmt.Sprint(row["time"]))
		i := int(at.Sub(start) / w.step)
		if at.Before(start) || i >= w.steps {
			continue
		}
		outcome := fmt.Sprint(row["outcome"])
		if sums[outcome] == nil {
			sums[outcome] = make([]float64, w.steps)
		}
		n := float64(whole(row["n"]))
		sums[outcome][i] += n
		view.Total += int64(n)
		if outcome != string(latchkey.Valid) {
			view.Refused += int64(n)
		}
	}
	if view.Total > 0 {
		view.Chart, err = drawn(w, start, end, sums, refusedApart && view.Refused > 0)
		if err != nil {
			view.Failure = v.partly(err)
		}
	}
	return view
}

func layoutOf(w window) string {
	if strings.Contains(w.table, "day") {
		return time.DateOnly
	}
	return time.DateTime
}

// drawn returns the chart of sums by outcome, with what was refused on a scale of its own.
func drawn(
	w window, start, end time.Time, sums map[string][]float64, refusedApart bool,
) (template.HTML, error) {
	c := chart.Chart{
		ID: "usage", Label: "Verifications by outcome", End: end, Running: true,
		Plots: []chart.Plot{{Caption: "verifications per " + w.bucket}},
	}
	for i := range w.steps {
		c.Times = append(c.Times, start.Add(time.Duration(i)*w.step))
	}
	refused := chart.Plot{Caption: "refused only, by reason, per " + w.bucket, Low: true}
	for _, o := range outcomes {
		values := sums[string(o.code)]
		if values == nil {
			continue
		}
		s := chart.Series{Class: string(o.code), Name: o.text, Values: values}
		c.Plots[0].Series = append(c.Plots[0].Series, s)
		if o.code != latchkey.Valid {
			refused.Series = append(refused.Series, s)
		}
	}
	if refusedApart {
		c.Plots = append(c.Plots, refused)
	}
	return c.HTML()
}

// whole returns a number of an answer.
func whole(value any) int64 {
	switch n := value.(type) {
	case int64:
		return n
	case uint64:
		return int64(min(n, 1<<62))
	case float64:
		return int64(n)
	case int:
		return int64(n)
	}
	return 0
}

// partly returns why a part of a page isn't shown.
func (u *UI) partly(err error) *failure {
	if errors.Is(err, latchkey.ErrPreconditionFailed) {
		return &failure{
			Title: "No events", Icon: "info",
			Text: "The service records none: it was started with --events off.",
		}
	}
	_, f := u.failureOf(err)
	return &f
}

// verification is one that happened.
type verification struct {
	At        latchkey.Time
	Code      string
	Text      string
	Spent     int64
	Tags      []string
	RequestID string
}

// recent returns the last verifications of a key.
func (v *visit) recent(keyID string) ([]verification, *failure) {
	rows, err := v.client.Analytics.GetVerifications(v.ctx(), latchkey.AnalyticsRequest{
		Query: "SELECT time, outcome, spent_credits, tags, request_id FROM key_verifications_v1 " +
			"WHERE key_id = '" + keyID + "' ORDER BY time DESC LIMIT 20",
	})
	if err != nil {
		return nil, v.partly(err)
	}
	var all []verification
	for _, row := range rows {
		code := fmt.Sprint(row["outcome"])
		one := verification{
			At: latchkey.AtMilli(whole(row["time"])), Code: code, Text: outcomeText(code),
			Spent: whole(row["spent_credits"]), RequestID: fmt.Sprint(row["request_id"]),
		}
		switch tags := row["tags"].(type) {
		case []string:
			one.Tags = tags
		case []any:
			for _, tag := range tags {
				one.Tags = append(one.Tags, fmt.Sprint(tag))
			}
		}
		all = append(all, one)
	}
	return all, nil
}
