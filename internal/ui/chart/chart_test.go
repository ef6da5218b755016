package chart

import (
	"flag"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

var begin = time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC)

// every returns the beginnings of n buckets and the end of the last.
func every(step time.Duration, n int) (times []time.Time, end time.Time) {
	for i := range n {
		times = append(times, begin.Add(time.Duration(i)*step))
	}
	return times, begin.Add(time.Duration(n) * step)
}

func outcomes(n int) Chart {
	times, end := every(15*time.Minute, n)
	valid, limited := make([]float64, n), make([]float64, n)
	for i := range n {
		valid[i] = float64(20_000 - 100*i)
		limited[i] = float64(i % 5 * 500)
	}
	refused := Series{"RATE_LIMITED", "Rate limited", limited}
	return Chart{
		ID: "outcomes", Label: "Verifications by outcome", Times: times, End: end, Running: true,
		Plots: []Plot{
			{Caption: "All, per 15 min", Series: []Series{{"VALID", "Valid", valid}, refused}},
			{Caption: "Refused, per 15 min", Low: true, Series: []Series{refused}},
		},
	}
}

// TestGolden: what charts look like, to be read in a review.
func TestGolden(t *testing.T) {
	times, end := every(time.Minute, 8)
	lines := Chart{
		ID: "times", Label: "Time to <answer>", Times: times, End: end,
		Plots: []Plot{{Caption: "milliseconds", Lines: true, Series: []Series{
			{"p50", "p50", []float64{.3, .4, math.NaN(), .35, math.NaN(), .41, .4, .39}},
			{"p99", "p99", []float64{1.2, 1.4, 3.25, 1, 1, 1, 1, 1}},
		}}},
	}
	meter := Meter{Used: 97_944, Whole: 150_000, Unit: "calls", Next: "new on 1 December"}
	spark := Spark{Label: "the last 6 hours", Values: []float64{0, 4, 2, 8, 1, 3}}
	for name, draw := range map[string]func() (template.HTML, error){
		"bars": outcomes(12).HTML, "lines": lines.HTML, "meter": meter.HTML, "spark": spark.HTML,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := draw()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAxesAreRound: they begin at 0, reach the greatest value with 3 to 5 equal steps, and
// don't reach much farther.
func TestAxesAreRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.Float64Range(1e-3, 1e12).Draw(t, "top")
		whole := rapid.Bool().Draw(t, "whole")
		if whole {
			top = math.Ceil(top)
		}
		step, count := scale(top, whole)
		reach := step * float64(count)
		if count < 3 || count > 5 || reach < top*(1-1e-9) || whole && step != math.Trunc(step) {
			t.Fatalf("%d steps of %v for %v", count, step, top)
		}
		if reach > 3*top && (!whole || step > 1) {
			t.Fatalf("the axis reaches %v for %v", reach, top)
		}
		leading := strings.Trim(strconv.FormatFloat(step, 'e', 6, 64)[:8], ".0")
		if leading != "1" && leading != "2" && leading != "5" {
			t.Fatalf("the step is %v", step)
		}
	})
}

var bars = regexp.MustCompile(`M(\d+) ([\d.]+)v-([\d.]+)h8`)

// TestBarsShowTheirValues: each bar that isn't 0 is there, in its bucket, as high as its
// value, above those before it, and inside of the plot.
func TestBarsShowTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxBuckets).Draw(t, "buckets")
		p := Plot{}
		for range rapid.IntRange(1, 8).Draw(t, "series") {
			s := Series{Class: "A"}
			for range n {
				s.Values = append(s.Values, float64(rapid.IntRange(0, 1_000_000).Draw(t, "value")))
			}
			p.Series = append(p.Series, s)
		}
		d := p.draw(false)
		step, count := scale(p.top(), true)
		perUnit := height / (step * float64(count))
		base, paths := make([]float64, n), d.Paths
		for _, s := range p.Series {
			var found [][]string
			if hasValue(s) {
				found, paths = bars.FindAllStringSubmatch(paths[0].D, -1), paths[1:]
			}
			for i, v := range s.Values {
				if v == 0 {
					continue
				}
				b := found[0]
				found = found[1:]
				left, bottom, high := parse(b[1]), parse(b[2]), parse(b[3])
				if left != float64(i*bucketWidth+barGap) || bottom > height || bottom-high < -.6 {
					t.Fatalf("bar %d is at %v", i, b)
				}
				if math.Abs(high-v*perUnit) > 1.2 || math.Abs(height-bottom-base[i]*perUnit) > 1.2 {
					t.Fatalf("bar %d of %v above %v is %v", i, v, base[i], b)
				}
				base[i] += v
			}
		}
	})
}

func hasValue(s Series) bool {
	for _, v := range s.Values {
		if v != 0 {
			return true
		}
	}
	return false
}

func parse(text string) float64 {
	v, _ := strconv.ParseFloat(text, 64)
	return v
}

// TestTheTableHasAllNumbers: what a screen reader reads is what is drawn.
func TestTheTableHasAllNumbers(t *testing.T) {
	c := outcomes(MaxBuckets)
	html, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(html), `<th scope="row">`); n != MaxBuckets {
		t.Errorf("the table has %d rows", n)
	}
	for i, v := range c.Plots[0].Series[0].Values {
		row := c.When(c.Times[i]) + "</time></th><td>" + number(v) + "</td><td>" +
			number(c.Plots[0].Series[1].Values[i]) + "</td>"
		if !strings.Contains(string(html), row) {
			t.Errorf("no row %s", row)
		}
	}
	if strings.Contains(string(html), "style=") {
		t.Error("the page's policy refuses style attributes")
	}
}

// TestWrongChartsAreRefused: rather than drawn wrongly, or without a bound.
func TestWrongChartsAreRefused(t *testing.T) {
	few := outcomes(3)
	few.Plots[0].Series[0].Values = []float64{1, 2}
	negative := outcomes(3)
	negative.Plots[0].Series[0].Values[1] = -1
	unknown := outcomes(3)
	unknown.Plots[0].Series[0].Values[1] = math.NaN()
	none := outcomes(3)
	none.Plots = nil
	for name, c := range map[string]Chart{
		"no buckets": outcomes(0), "too many": outcomes(MaxBuckets + 1), "too few values": few,
		"negative": negative, "an unknown bar": unknown, "no plots": none,
	} {
		if html, err := c.HTML(); err == nil || html != "" {
			t.Errorf("%s: %v, %.60q", name, err, html)
		}
	}
}

// TestNumbers are as people write them.
func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 999: "999", 1204: "1\u202f204", 1302217: "1\u202f302\u202f217",
		-1204: "−1\u202f204", .374: "0.374", 1.6: "1.6", 12.34: "12.3", 99.96: "100",
		123.4: "123", .0004: "0", 1e9: "1\u202f000\u202f000\u202f000", math.NaN(): "–",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

// TestMetersSayWhatIsLeft: in words, and in color from 80 %.
func TestMetersSayWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		used, whole float64
		percent     float64
		class, left string
	}{
		{0, 10, 0, "", "10 left"}, {7, 10, 70, "", "3 left"}, {8, 10, 80, "warn", "2 left"},
		{10, 10, 100, "bad", "nothing left"}, {12, 10, 100, "bad", "nothing left"},
		{0, 0, 100, "bad", "nothing left"}, {-1, 10, 0, "", "11 left"},
	} {
		m := Meter{Used: c.used, Whole: c.whole}
		if m.Percent() != c.percent || m.Class() != c.class || m.Left() != c.left {
			t.Errorf("%v of %v: %v %% %q %q", c.used, c.whole, m.Percent(), m.Class(), m.Left())
		}
	}
}

// TestEmptySparkIsDrawn: nothing known is no reason for a page to fail.
func TestEmptySparkIsDrawn(t *testing.T) {
	for _, values := range [][]float64{nil, {0, 0}, {math.NaN()}, make([]float64, 500)} {
		html, err := Spark{Label: "none", Values: values}.HTML()
		shown := string(html)
		if err != nil || !strings.Contains(shown, "none") || strings.Contains(shown, "NaN") {
			t.Errorf("%d values: %v, %s", len(values), err, shown)
		}
	}
}
