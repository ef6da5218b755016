package report

import (
	"fmt"
	"html"
	"strings"
)

// Panel is a part of the chart: the sides of a trial relative to its first side.
type Panel struct {
	Title  string
	Trial  string
	Metric string
}

// The dimensions of the chart, in pixels.
const (
	chartWidth = 860
	labelWidth = 330
	barHeight  = 22
	barsWidth  = chartWidth - labelWidth - 110 // without labels and figures
)

// SVG draws the panels of existing trials: a bar for the median, and a line from minimum to
// maximum.
func SVG(r *Results, panels []Panel) string {
	var body strings.Builder
	y := 10
	for _, p := range panels {
		for _, t := range r.Trials {
			if t.ID == p.Trial && len(t.Sides) > 0 {
				y = panel(&body, p, t, y)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="13">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n%s</svg>\n", chartWidth, y,
		body.String())
}

// bar is a side with samples.
type bar struct {
	name string
	Spread
}

// panel draws a panel at y and returns the y below it.
func panel(b *strings.Builder, p Panel, t Trial, y int) int {
	var bars []bar
	most := 1.0
	for _, s := range t.Sides {
		if sum, ok := spread(ratios(s.Samples[p.Metric], t.Sides[0].Samples[p.Metric])); ok {
			bars = append(bars, bar{s.Name, sum})
			most = max(most, sum.Max)
		}
	}
	fmt.Fprintf(b, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", y+16,
		html.EscapeString(p.Title))
	y += barHeight + 6
	scale := float64(barsWidth) / most
	for _, bar := range bars {
		bar.draw(b, y, scale)
		y += barHeight
	}
	one := float64(labelWidth) + scale
	fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#888888" `+
		`stroke-dasharray="3 3"/>`+"\n", one, y-len(bars)*barHeight, one, y)
	return y + 18
}

// draw draws a bar. scale is the number of pixels for a ratio of 1.
func (a bar) draw(b *strings.Builder, y int, scale float64) {
	x := func(ratio float64) float64 { return labelWidth + ratio*scale }
	middle := y + barHeight/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, middle+4,
		html.EscapeString(a.name))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="#4a7fb5"/>`, labelWidth, y+3,
		a.Median*scale, barHeight-6)
	fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#1d3550" stroke-width="2"/>`,
		x(a.Min), middle, x(a.Max), middle)
	fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`+"\n", x(a.Max)+8, middle+4, figure(a.Median))
}
