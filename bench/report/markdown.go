package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// column is a column of a trial's table.
type column struct {
	head   string
	metric string
	ratio  bool // relative to the first side, round by round
}

// columns are all columns. A table has those whose metric was measured.
var columns = []column{
	{"per second", Rate, false}, {"× first", Rate, true},
	{"server CPU µs", ServerCPU, false}, {"× first", ServerCPU, true},
	{"client CPU µs", ClientCPU, false},
	{"p50 µs", P50, false}, {"× first", P50, true}, {"p99 µs", P99, false}, {"× first", P99, true},
	{"ns", Nanos, false}, {"× first", Nanos, true}, {"allocations", Allocs, false},
	{"ready after ms", Ready, false}, {"bytes per key", BytesOfKey, false},
	{"RSS MiB", Memory, false}, {"heap MiB", Heap, false}, {"end ÷ warm", Growth, false},
}

// Markdown formats the report.
func Markdown(r *Results, goals []Goal, chart string) string {
	var b strings.Builder
	b.WriteString("# Results\n\n`make bench` writes this file from [results.json](results.json). " +
		"[README.md](README.md) describes the method.\n\n")
	if r.Quick {
		b.WriteString("**This was a smoke test (`-quick`): its samples are too short and too few " +
			"to be meaningful, and its million keys are 20,000.**\n\n")
	}
	about(&b, r)
	fmt.Fprintf(&b, "\n![Shares of the ceiling](%s)\n", chart)
	b.WriteString("\n## Goals\n\nThe median of the rounds decides. A ratio compares two samples " +
		"of the same round.\n\n")
	goalTable(&b, Judge(r, goals))
	for _, t := range r.Trials {
		trial(&b, t)
	}
	return b.String()
}

// about writes the machine, the date and the versions.
func about(b *strings.Builder, r *Results) {
	m := r.Machine
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, cell(value)) }
	b.WriteString("| | |\n|---|---|\n")
	row("date", r.Began.UTC().Format("2006-01-02 15:04 UTC")+", took "+r.Took)
	row("machine", fmt.Sprintf("%s, %d cores shared by servers and load generator, %s, Linux %s",
		m.CPU, m.Cores, m.Memory, m.Kernel))
	row("disk", m.Disk)
	row("load average before", m.Load)
	row("rounds", fmt.Sprintf("%d, interleaved; figures are medians, followed by minimum and "+
		"maximum", r.Rounds))
	for _, command := range r.Commands {
		row("command", "`"+command+"`")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		row(name, r.Versions[name])
	}
}

func goalTable(b *strings.Builder, verdicts []Verdict) {
	b.WriteString("| goal | bound | measured (min–max) | |\n|---|---|---|---|\n")
	for _, v := range verdicts {
		measured, verdict := "–", v.Why
		if v.Measured {
			measured, verdict = figures(v.Spread), "**not met**"
		}
		if v.Met {
			verdict = "met"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(v.Text), v.Bound(), measured, cell(verdict))
	}
}

// trial writes the table of a trial.
func trial(b *strings.Builder, t Trial) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", t.Title, t.About)
	if t.Stamp != "" {
		fmt.Fprintf(b, "Measured: %s.\n\n", t.Stamp)
	}
	var used []column
	for _, c := range columns {
		if slices.ContainsFunc(t.Sides, func(s Side) bool { return len(s.Samples[c.metric]) > 0 }) {
			used = append(used, c)
		}
	}
	b.WriteString("| |")
	for _, c := range used {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(used)) + "\n")
	for _, s := range t.Sides {
		fmt.Fprintf(b, "| %s |", cell(s.Name))
		for _, c := range used {
			b.WriteString(" " + c.of(s, t.Sides[0]) + " |")
		}
		b.WriteString("\n")
	}
	for _, s := range t.Sides {
		if s.Skipped != "" {
			fmt.Fprintf(b, "\n*%s* was skipped: %s.\n", s.Name,
				strings.TrimSuffix(oneLine(s.Skipped), "."))
		}
	}
}

// of formats the column's cell of a side.
func (c column) of(s, first Side) string {
	values := s.Samples[c.metric]
	if c.ratio {
		values = ratios(values, first.Samples[c.metric])
	}
	sum, ok := spread(values)
	if !ok {
		return "–"
	}
	return figures(sum)
}

// figures formats a median, followed by minimum and maximum if they differ.
func figures(s Spread) string {
	low, middle, high := figure(s.Min), figure(s.Median), figure(s.Max)
	if low == high {
		return middle
	}
	return fmt.Sprintf("%s (%s–%s)", middle, low, high)
}

// cell escapes text for a table cell.
func cell(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
