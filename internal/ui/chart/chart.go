// Package chart draws what happened over time, as HTML that needs no script: SVG for the
// marks, HTML for the words, and a table with the same numbers. It knows nothing of what
// it draws. Colors and sizes are those of chart.css.
package chart

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"
)

// MaxBuckets is the most points in time that a chart shows.
const MaxBuckets = 120

// Chart is one or more plots above one another, with the same times.
type Chart struct {
	// ID is the id of the chart's table, which is unique in the page.
	ID string
	// Label says what the chart shows, such as "Verifications by outcome".
	Label string
	// Times are the beginnings of the buckets, in the time zone in which they are shown.
	Times []time.Time
	// End is the end of the last bucket.
	End time.Time
	// Running is true if the last bucket isn't over. It is drawn paler.
	Running bool
	Plots   []Plot
}

// Plot is one set of axes. The axis of values begins at 0.
type Plot struct {
	// Caption says what is counted, with the unit and the length of a bucket, such as
	// "verifications per 15 min".
	Caption string
	// Lines is true if each series is a line, and false if they are bars, stacked from
	// below in their order.
	Lines bool
	// Low is true for a plot that is less high than others.
	Low    bool
	Series []Series
}

// Series has one value for each bucket.
type Series struct {
	// Class is the CSS class that colors it, such as VALID.
	Class string
	// Name is shown. Series with the same name in several plots of a chart are the same.
	Name string
	// Values aren't negative. Those of lines can be NaN: not known.
	Values []float64
}

//go:embed chart.html
var files embed.FS

var page = template.Must(template.New("").Funcs(template.FuncMap{
	"number":  number,
	"rfc3339": func(t time.Time) string { return t.Format(time.RFC3339) },
	"zone":    func(t time.Time) string { return t.Format("MST") },
}).ParseFS(files, "chart.html"))

// HTML draws the chart. It returns an error if the chart has no bucket or more than
// MaxBuckets, or if a series doesn't have one value for each.
func (c Chart) HTML() (template.HTML, error) {
	if err := c.check(); err != nil {
		return "", fmt.Errorf("chart %s: %w", c.ID, err)
	}
	v := view{Chart: c, Ticks: c.times(), Columns: c.columns()}
	for _, p := range c.Plots {
		v.Plots = append(v.Plots, p.draw(c.Running))
	}
	return execute("chart", v)
}

func execute(name string, data any) (template.HTML, error) {
	var b strings.Builder
	err := page.ExecuteTemplate(&b, name, data)
	return template.HTML(b.String()), err //nolint:gosec // the template has escaped it
}

// When says when a bucket begins, with seconds if there are buckets within minutes.
func (c Chart) When(t time.Time) string {
	if len(c.Times) > 1 && c.Times[1].Sub(c.Times[0]) < time.Minute {
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

func (c Chart) check() error {
	if n := len(c.Times); n == 0 || n > MaxBuckets {
		return fmt.Errorf("%d buckets; it shows 1 to %d", n, MaxBuckets)
	}
	for _, p := range c.Plots {
		for _, s := range p.Series {
			if len(s.Values) != len(c.Times) {
				return fmt.Errorf("%s has %d values for %d buckets",
					s.Name, len(s.Values), len(c.Times))
			}
			for _, v := range s.Values {
				if v < 0 || math.IsInf(v, 0) || math.IsNaN(v) && !p.Lines {
					return fmt.Errorf("%s has the value %v", s.Name, v)
				}
			}
		}
	}
	if len(c.Plots) == 0 {
		return errors.New("no plots")
	}
	return nil
}

// view is what the template shows.
type view struct {
	Chart
	Plots   []drawn
	Ticks   []string // below the axis of time, at even distances
	Columns []column // of the table, and of the legend
}

// column is a series of the chart.
type column struct {
	Series
	Lines bool
	Total float64 // of bars
}

// columns are the series of all plots, each once.
func (c Chart) columns() []column {
	var all []column
	for _, p := range c.Plots {
		for _, s := range p.Series {
			if slices.ContainsFunc(all, func(c column) bool { return c.Name == s.Name }) {
				continue
			}
			one := column{Series: s, Lines: p.Lines}
			for _, v := range s.Values {
				one.Total += v
			}
			all = append(all, one)
		}
	}
	return all
}

// times are the texts below the axis of time: in even distances, at the beginnings of
// buckets if there is such a distance.
func (c Chart) times() []string {
	n, parts := len(c.Times), 4
	for _, p := range []int{6, 5, 4, 3} {
		if n%p == 0 {
			parts = p
			break
		}
	}
	parts = min(parts, n)
	format := "2 Jan"
	if c.End.Sub(c.Times[0]) <= 36*time.Hour {
		format = "15:04"
	}
	var all []string
	for i := range parts {
		all = append(all, c.Times[i*n/parts].Format(format))
	}
	return append(all, c.End.Format(format))
}
