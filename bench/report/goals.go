package report

import (
	"fmt"
	"math"
)

// Ref refers to a figure of a run.
type Ref struct{ Trial, Side, Metric string }

// Goal is a bound for a figure, or for its ratio to another figure of the same trial.
type Goal struct {
	Text    string
	Value   Ref
	Of      Ref     // the divisor, round by round; zero for none
	AtLeast float64 // zero for no bound
	AtMost  float64 // zero for no bound
}

// Verdict is the result of a goal in a run.
type Verdict struct {
	Goal
	Spread
	Measured bool
	Met      bool   // the median is within the bound
	Why      string // the reason if it was not measured
}

// Judge compares the goals with the results.
func Judge(r *Results, goals []Goal) []Verdict {
	verdicts := make([]Verdict, len(goals))
	for i, g := range goals {
		verdicts[i] = judge(r, g)
	}
	return verdicts
}

func judge(r *Results, g Goal) Verdict {
	v := Verdict{Goal: g}
	figures, why := r.figures(g.Value)
	if why == "" && g.Of != (Ref{}) {
		var by []float64
		by, why = r.figures(g.Of)
		figures = ratios(figures, by)
	}
	if v.Spread, v.Measured = spread(figures); !v.Measured || why != "" {
		v.Measured, v.Why = false, why
		return v
	}
	v.Met = v.Median >= g.AtLeast && (g.AtMost == 0 || v.Median <= g.AtMost)
	return v
}

// figures returns the samples of a figure, or the reason why there are none.
func (r *Results) figures(ref Ref) (figures []float64, why string) {
	side := r.Side(ref.Trial, ref.Side)
	switch {
	case side == nil:
		return nil, "not part of this run"
	case side.Skipped != "":
		return nil, "skipped, see below"
	case len(side.Samples[ref.Metric]) == 0:
		return nil, "not measured"
	}
	return side.Samples[ref.Metric], ""
}

// Bound formats the bound of a goal.
func (g Goal) Bound() string {
	if g.AtMost > 0 {
		return "≤ " + figure(g.AtMost)
	}
	return "≥ " + figure(g.AtLeast)
}

// figure formats a number with three significant digits.
func figure(x float64) string {
	switch size := math.Abs(x); {
	case size >= 10000:
		return thousands(int64(math.Round(x)))
	case size >= 100 || x == math.Trunc(x):
		return fmt.Sprintf("%.0f", x)
	case size >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// thousands formats a number with commas.
func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
