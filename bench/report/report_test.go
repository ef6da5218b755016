package report

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample returns a run in which the machine was slow in the second round.
func sample() *Results {
	return &Results{Rounds: 3, Versions: map[string]string{"go": "go1"}, Trials: []Trial{{
		ID: "http", Title: "Over HTTP", About: "All of it.", Stamp: "v1, today",
		Sides: []Side{
			{Name: "bare", Samples: map[string][]float64{Rate: {1000, 500, 1200},
				P99: {10, 20, 10}}},
			{Name: "verify <a|b>", Samples: map[string][]float64{Rate: {900, 450, 960},
				P99: {11, 30, 14}}},
			{Name: "rival", Skipped: "it can't be built\nhere"},
		},
	}}}
}

// TestGoalsAreJudgedByRatiosWithinARound checks that a slow round does not affect ratios: across
// rounds
// the spread would be 0.38 to 1.92.
func TestGoalsAreJudgedByRatiosWithinARound(t *testing.T) {
	verify, bare := Ref{"http", "verify <a|b>", Rate}, Ref{"http", "bare", Rate}
	for _, c := range []struct {
		goal Goal
		want Verdict
	}{
		{Goal{Value: verify, Of: bare, AtLeast: 0.9},
			Verdict{Spread: Spread{0.8, 0.9, 0.9}, Measured: true, Met: true}},
		{Goal{Value: verify, Of: bare, AtLeast: 0.91},
			Verdict{Spread: Spread{0.8, 0.9, 0.9}, Measured: true}},
		{Goal{Value: verify, AtMost: 900},
			Verdict{Spread: Spread{450, 900, 960}, Measured: true, Met: true}},
		{Goal{Value: verify, AtMost: 899}, Verdict{Spread: Spread{450, 900, 960}, Measured: true}},
		{Goal{Value: verify, Of: Ref{"http", "rival", Rate}, AtLeast: 2},
			Verdict{Why: "skipped, see below"}},
		{Goal{Value: Ref{"http", "bare", Nanos}, AtMost: 1}, Verdict{Why: "not measured"}},
		{Goal{Value: Ref{"grpc", "bare", Rate}, AtMost: 1}, Verdict{Why: "not part of this run"}},
	} {
		c.want.Goal = c.goal
		got := Judge(sample(), []Goal{c.goal})
		if !got[0].Measured {
			got[0].Spread = Spread{}
		}
		if diff := cmp.Diff([]Verdict{c.want}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestReportShowsEveryFigure checks the tables.
func TestReportShowsEveryFigure(t *testing.T) {
	text := Markdown(sample(), []Goal{
		{Text: "fast", Value: Ref{"http", "verify <a|b>", Rate}, Of: Ref{"http", "bare", Rate},
			AtLeast: 0.85},
		{Text: "faster", Value: Ref{"http", "verify <a|b>", Rate}, AtLeast: 12345},
	}, "chart.svg")
	for _, want := range []string{
		"| fast | ≥ 0.85 | 0.90 (0.80–0.90) | met |",
		"| faster | ≥ 12,345 | 900 (450–960) | **not met** |",
		"| | per second | × first | p99 µs | × first |\n",
		"| bare | 1000 (500–1200) | 1 | 10 (10–20) | 1 |\n",
		`| verify <a\|b> | 900 (450–960) | 0.90 (0.80–0.90) | 14 (11–30) | 1.40 (1.10–1.50) |`,
		"*rival* was skipped: it can't be built here.",
		"| go | go1 |", "Measured: v1, today.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "smoke test") {
		t.Error("a full run is called a smoke test")
	}
}

// TestChartIsWellFormed parses the SVG.
func TestChartIsWellFormed(t *testing.T) {
	text := SVG(sample(), []Panel{{"Share & more", "http", Rate}, {"Absent", "grpc", Rate}})
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(text, "<rect") != 1+2 || strings.Contains(text, "Absent") {
		t.Errorf("want two bars on a background, and no panel of a trial that did not run:\n%s",
			text)
	}
}

// TestRawDataSurvivesAFile writes and reads raw data, and replaces a trial.
func TestRawDataSurvivesAFile(t *testing.T) {
	want, file := sample(), filepath.Join(t.TempDir(), "results.json")
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got.Put(Trial{ID: "http", Title: "new"})
	got.Put(Trial{ID: "other"})
	if len(got.Trials) != 2 || got.Trials[0].Title != "new" {
		t.Errorf("there are %+v", got.Trials)
	}
}
