package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The units of a drawing. It is stretched to the width of the page but not in height, so
// that one unit of height is one pixel.
const (
	bucketWidth = 10
	barGap      = 1 // on each side of a bar
	height      = 150
	lowHeight   = 96
)

// drawn is a plot as the template shows it.
type drawn struct {
	Plot
	Width, Height int
	Ticks         []tick // from below
	Paths         []path
}

// tick is a line across the plot, with its value.
type tick struct {
	Y     int
	Label string
}

// path is the marks of one series.
type path struct {
	Class   string
	D       string
	Running bool // the marks of a bucket that isn't over
	Line    bool
}

// draw computes the marks of a plot.
func (p Plot) draw(running bool) drawn {
	d := drawn{Plot: p, Height: height}
	if p.Low {
		d.Height = lowHeight
	}
	for _, s := range p.Series {
		d.Width = bucketWidth * len(s.Values)
	}
	step, count := scale(p.top(), p.whole())
	d.Ticks = ticks(step, count, d.Height)
	perUnit := float64(d.Height) / (step * float64(count))
	if p.Lines {
		for _, s := range p.Series {
			d.add(path{Class: s.Class, D: line(s.Values, d.Height, perUnit), Line: true})
		}
		return d
	}
	d.bars(perUnit, running)
	return d
}

// top is the greatest value of a line, or the greatest height of a bar.
func (p Plot) top() float64 {
	var top float64
	var sums []float64
	for _, s := range p.Series {
		if sums == nil {
			sums = make([]float64, len(s.Values))
		}
		for i, v := range s.Values {
			if sums[i] += v; p.Lines {
				sums[i] = v
			}
			if sums[i] > top { // no NaN is
				top = sums[i]
			}
		}
	}
	return top
}

// whole reports whether all values are whole numbers.
func (p Plot) whole() bool {
	for _, s := range p.Series {
		for _, v := range s.Values {
			if v != math.Trunc(v) && !math.IsNaN(v) {
				return false
			}
		}
	}
	return true
}

// scale chooses 3 to 5 steps of 1, 2 or 5 times a power of ten that reach a value.
func scale(top float64, whole bool) (step float64, count int) {
	if top == 0 {
		return 1, 3
	}
	power := math.Pow(10, math.Floor(math.Log10(top))-1)
	for _, factor := range []float64{2, 5, 10, 20} {
		if step = power * factor; top <= 5*step {
			break
		}
	}
	if whole {
		step = max(step, 1)
	}
	return step, max(3, int(math.Ceil(top/step)))
}

func ticks(step float64, count, height int) []tick {
	top, unit, suffix := step*float64(count), 1.0, ""
	switch {
	case top >= 1e9:
		unit, suffix = 1e9, "G"
	case top >= 1e6:
		unit, suffix = 1e6, "M"
	case top >= 1e4:
		unit, suffix = 1e3, "k"
	}
	all := make([]tick, 0, count+1)
	for i := range count + 1 {
		label := "0"
		if i > 0 {
			label = number(float64(i)*step/unit) + suffix
		}
		all = append(all, tick{Y: height - i*height/count, Label: label})
	}
	return all
}

// bars draws stacked bars. One unit of height is left free between segments, unless one
// would vanish.
func (d *drawn) bars(perUnit float64, running bool) {
	base := make([]float64, d.Width/bucketWidth)
	for _, s := range d.Series {
		var done, now strings.Builder
		for i, v := range s.Values {
			if v == 0 {
				continue
			}
			w := &done
			if running && i == len(s.Values)-1 {
				w = &now
			}
			low, high := base[i]*perUnit, (base[i]+v)*perUnit
			if base[i] > 0 && high-low > 2 {
				low++
			}
			base[i] += v
			// The least value is still seen.
			bar(w, i, float64(d.Height)-low, max(high-low, .5))
		}
		d.add(path{Class: s.Class, D: done.String()})
		d.add(path{Class: s.Class, D: now.String(), Running: true})
	}
}

func (d *drawn) add(p path) {
	if p.D != "" {
		d.Paths = append(d.Paths, p)
	}
}

func bar(w *strings.Builder, i int, bottom, height float64) {
	left, width := i*bucketWidth+barGap, bucketWidth-2*barGap
	fmt.Fprintf(w, "M%d %sv-%sh%dv%[3]sz", left, short(bottom), short(height), width)
}

// line draws a line through the middles of buckets, with gaps where nothing is known.
func line(values []float64, height int, perUnit float64) string {
	var b strings.Builder
	pen := "M"
	for i, v := range values {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		b.WriteString(pen + strconv.Itoa(i*bucketWidth+bucketWidth/2) + " " +
			short(float64(height)-v*perUnit))
		if pen == "M" {
			b.WriteString("h0") // a point that stands alone is seen
		}
		pen = "L"
	}
	return b.String()
}

// short writes a coordinate with one decimal.
func short(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}
