package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey/bench/report"
)

// scripted returns a side that logs its samples and returns scripted metrics.
func scripted(name string, log *[]string, openErr, runErr error) side {
	return side{name: name, open: func(*env) (runner, error) {
		return runner{run: func(time.Duration) (report.Metrics, error) {
			*log = append(*log, name)
			return report.Metrics{report.Rate: float64(len(*log))}, runErr
		}, close: func() error { *log = append(*log, "close "+name); return nil }}, openErr
	}}
}

// TestSidesAlternate checks the order of samples, and that the warm-up does not count.
func TestSidesAlternate(t *testing.T) {
	var log []string
	e := &env{rounds: 2}
	got, err := e.compare(trial{id: "x", sides: []side{
		scripted("a", &log, nil, nil), scripted("gone", &log, skip{errors.New("not here")}, nil),
		scripted("b", &log, nil, nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if order := strings.Join(log, ", "); order != "a, b, a, b, a, b, close b, close a" {
		t.Errorf("the order was %s", order)
	}
	want := report.Trial{ID: "x", Sides: []report.Side{
		{Name: "a", Samples: map[string][]float64{report.Rate: {3, 5}}},
		{Name: "gone", Skipped: "not here"},
		{Name: "b", Samples: map[string][]float64{report.Rate: {4, 6}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOnlyOptionalSidesCanFail checks that a failure of Latchkey or of a ceiling is never a skip.
func TestOnlyOptionalSidesCanFail(t *testing.T) {
	var log []string
	broken := errors.New("wrong answer")
	for _, s := range []side{scripted("open", &log, broken, nil),
		scripted("warm-up", &log, nil, broken)} {
		if _, err := (&env{rounds: 1}).compare(trial{sides: []side{s}}); !errors.Is(err, broken) {
			t.Errorf("%s: the trial ends with %v", s.name, err)
		}
		s.optional = true
		got, err := (&env{rounds: 1}).compare(trial{sides: []side{s}})
		if err != nil || got.Sides[0].Skipped != broken.Error() {
			t.Errorf("%s, optional: %+v %v", s.name, got.Sides, err)
		}
	}
}

// TestGoalsAndChartReferToTrials checks that every figure of a goal or the chart belongs to a
// trial.
func TestGoalsAndChartReferToTrials(t *testing.T) {
	sides := map[string]bool{"soak": true, "soak/verify and limit": true}
	for _, t := range trials() {
		sides[t.id] = true
		for _, s := range t.sides {
			sides[t.id+"/"+s.name] = true
		}
	}
	for _, g := range goals() {
		for _, ref := range []report.Ref{g.Value, g.Of} {
			if ref != (report.Ref{}) && !sides[ref.Trial+"/"+ref.Side] {
				t.Errorf("%s: there is no %s/%s", g.Text, ref.Trial, ref.Side)
			}
		}
		if (g.AtLeast > 0) == (g.AtMost > 0) || g.Of.Trial != "" && g.Of.Trial != g.Value.Trial {
			t.Errorf("%s: a goal must have one bound and compare within a trial", g.Text)
		}
	}
	for _, p := range panels() {
		if !sides[p.Trial] {
			t.Errorf("the chart refers to the unknown trial %s", p.Trial)
		}
	}
}

// TestPartialRunsKeepOtherFigures runs one of two trials.
func TestPartialRunsKeepOtherFigures(t *testing.T) {
	var log []string
	results := &report.Results{Trials: []report.Trial{{ID: "one", Title: "old"},
		{ID: "two", Title: "old"}}}
	all := []trial{{id: "one", title: "new", sides: []side{scripted("a", &log, nil, nil)}},
		{id: "two", title: "new"}}
	if err := (&env{rounds: 1}).run(all, regexp.MustCompile("^one$"), results); err != nil {
		t.Fatal(err)
	}
	if results.Trials[0].Title != "new" || results.Trials[1].Title != "old" {
		t.Errorf("there are %+v", results.Trials)
	}
}

// TestCopiesDifferOnlyInIDAndSecret copies rows of a table with columns that the code does not
// know.
// The hash below is base64(SHA-256("bulk_00000002")).
func TestCopiesDifferOnlyInIDAndSecret(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const schema = `
		CREATE TABLE keys (id TEXT PRIMARY KEY, novel TEXT, api_id TEXT, hash TEXT UNIQUE);
		INSERT INTO keys VALUES ('key_a', 'x', 'api_1', 'h1'), ('key_b', 'y', 'api_2', 'h2')`
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	if err := copyKeys(context.Background(), dir, "api_1", 3); err != nil {
		t.Fatal(err)
	}
	count := func(where string) (n int) {
		t.Helper()
		if err := db.QueryRow("SELECT COUNT(*) FROM keys WHERE " + where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const copied = "novel = 'x' AND api_id = 'api_1' AND "
	for where, want := range map[string]int{
		copied + `id IN ('key_a', 'key_bulk00000000', 'key_bulk00000001', 'key_bulk00000002')`: 4,
		copied + `(hash = 'h1' OR length(hash) = 44)`:                                          4,
		`hash = 'AwROvOTiuRzJO8MsqEQUI0qDtiElu0Vny8OurAfgPVo='`:                                1,
		`TRUE`: 5,
	} {
		if n := count(where); n != want {
			t.Errorf("%s: %d rows, want %d", where, n, want)
		}
	}
}

// TestRepeatCountsCallsAndAllocations measures a call that allocates twice.
func TestRepeatCountsCallsAndAllocations(t *testing.T) {
	var sink []*int
	m, err := repeat(func(context.Context) error { sink = []*int{new(int)}; return nil }, 1,
		20*time.Millisecond)
	if err != nil || len(sink) != 1 {
		t.Fatal(err)
	}
	if m[report.Allocs] < 1.9 || m[report.Allocs] > 2.5 {
		t.Errorf("a call allocates %v times", m[report.Allocs])
	}
	if product := m[report.Nanos] * m[report.Rate]; product < 0.99e9 || product > 1.01e9 {
		t.Errorf("%v ns per call and %v calls per second do not match", m[report.Nanos],
			m[report.Rate])
	}
	if _, err := repeat(func(context.Context) error { return errDenied }, 2,
		time.Minute); !errors.Is(err, errDenied) {
		t.Errorf("a call that fails ends with %v", err)
	}
}

// TestGrowthComparesEndWithWarmUp checks stable memory and a leak.
func TestGrowthComparesEndWithWarmUp(t *testing.T) {
	stable, leak := make([]float64, 60), make([]float64, 60)
	for i := range stable {
		stable[i], leak[i] = 100, float64(100+i)
		if i < 15 {
			stable[i] = float64(10 * i) // warming up
		}
	}
	if got := growth(stable); got != 1 {
		t.Errorf("stable memory grows by %v", got)
	}
	if got := growth(leak); got < 1.2 {
		t.Errorf("a leak grows by %v", got)
	}
}

// TestMessagesAreProtocolBuffers encodes the examples of the protocol buffers manual: a field 1 of
// 150, a field 2 of "testing", and a field 3 that contains the first.
func TestMessagesAreProtocolBuffers(t *testing.T) {
	for want, got := range map[string][]byte{
		"089601":             number(1, 150),
		"120774657374696e67": text(2, "testing"),
		"1a03089601":         text(3, number(1, 150)),
	} {
		if hex.EncodeToString(got) != want {
			t.Errorf("encoded %x, want %s", got, want)
		}
	}
}
