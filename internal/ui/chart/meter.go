package chart

import (
	"html/template"
	"strings"
)

// Meter shows how much of a whole is used, in words and as a bar.
type Meter struct {
	// Used and Whole have the same unit. Used can be more than Whole.
	Used, Whole float64
	// Unit follows the whole, such as "calls".
	Unit string
	// Next says what happens next, such as "new on 1 December".
	Next string
}

// full and near are the parts of the whole at which a meter has other colors.
const near, full = .8, 1

// Percent is the width of the bar, at most 100.
func (m Meter) Percent() float64 {
	if m.Whole <= 0 {
		return 100
	}
	return min(100, 100*max(0, m.Used)/m.Whole)
}

// Class colors the bar.
func (m Meter) Class() string {
	switch part := m.Percent() / 100; {
	case part >= full:
		return "bad"
	case part >= near:
		return "warn"
	}
	return ""
}

// Left says what is left, and what happens next.
func (m Meter) Left() string {
	left := "nothing left"
	if m.Used < m.Whole {
		left = number(m.Whole-m.Used) + " left"
	}
	if m.Next != "" {
		left += ", " + m.Next
	}
	return left
}

// HTML draws the meter.
func (m Meter) HTML() (template.HTML, error) { return execute("meter", m) }

// Spark is a line without axes, beside a number that it explains.
type Spark struct {
	// Label says what it shows, such as "the last 24 hours".
	Label string
	// Values are at most MaxBuckets; those beyond are not shown.
	Values []float64
}

// Width is the width of the drawing.
func (s Spark) Width() int { return bucketWidth * max(1, len(s.shown())) }

// Path is the line, from the bottom of the drawing to its top at the greatest value.
func (s Spark) Path() string {
	top := Plot{Lines: true, Series: []Series{{Values: s.shown()}}}.top()
	if top == 0 {
		top = 1
	}
	return line(s.shown(), sparkHeight-1, (sparkHeight-2)/top)
}

func (s Spark) shown() []float64 { return s.Values[:min(len(s.Values), MaxBuckets)] }

// Text is what the drawing says.
func (s Spark) Text() string {
	var b strings.Builder
	b.WriteString(s.Label)
	if n := len(s.shown()); n > 0 {
		b.WriteString(": most " + number(Plot{
			Lines: true, Series: []Series{{Values: s.shown()}},
		}.top()) + ", last " + number(s.shown()[n-1]))
	}
	return b.String()
}

// sparkHeight is the height of a sparkline in pixels.
const sparkHeight = 24

// HTML draws the line.
func (s Spark) HTML() (template.HTML, error) { return execute("spark", s) }
