package events_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/tally"
)

type named events.Subject

func (n *named) Subject() events.Subject { return events.Subject(*n) }

// history is a log that was filled over months, with its events.
type history struct {
	log    *events.Log
	now    time.Time
	events map[events.Kind][]tally.Event
}

// live fills a log with random events, some of them late, and merges its blocks while time passes.
func live(t *testing.T, cfg events.Config, r *rand.Rand) *history {
	t.Helper()
	h := &history{
		now:    time.Date(2026, 8, 29, 21, 47, 11, 0, time.UTC),
		events: map[events.Kind][]tally.Event{},
	}
	log, merge := events.Merging(t, cfg, func() time.Time { return h.now })
	h.log = log
	for i := range 300 {
		h.now = h.now.Add(time.Duration(r.Int64N([]int64{
			int64(time.Minute), int64(5 * time.Hour), int64(12 * time.Hour),
		}[r.IntN(3)])))
		for j := range r.IntN(8) {
			h.record(r, fmt.Sprintf("req_%d_%d", i, j/2))
		}
		if r.IntN(3) == 0 {
			if err := log.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := merge(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

func (h *history) record(r *rand.Rand, request string) {
	late := []int64{0, 0, int64(time.Minute), int64(40 * time.Hour)}[r.IntN(4)]
	at := h.now.UnixMilli() - r.Int64N(late/1e6+1)
	e := tally.Event{At: at, RequestID: request, Latency: r.Int64N(5000)}
	e.Subject = events.Subject{
		Workspace: fmt.Sprint("ws_", r.IntN(2)), Space: fmt.Sprint("s_", r.IntN(2)),
		Key: fmt.Sprint("k_", r.IntN(4)),
	}
	if r.IntN(2) == 0 {
		e.Amount, e.Limit, e.Remaining, e.Reset = r.Int64N(5), 10, r.Int64N(10), at+1000
		passed := r.IntN(2) == 0
		e.Outcome = map[bool]string{true: tally.Passed, false: tally.Denied}[passed]
		h.log.Limited(r.Uint32(), &events.Limit{
			Workspace: e.Subject.Workspace, Namespace: e.Subject.Space,
			Identifier: e.Subject.Key, RequestID: request, At: at, Latency: uint32(e.Latency),
			Limit: e.Limit, Remaining: e.Remaining, Cost: e.Amount, Reset: e.Reset, Passed: passed,
		})
		h.events[events.Limits] = append(h.events[events.Limits], e)
		return
	}
	if r.IntN(3) > 0 {
		e.Subject.Identity = fmt.Sprint("id_", r.IntN(3))
		e.Subject.External = "user " + e.Subject.Identity
	}
	outcome := uint8(r.IntN(3))
	e.Outcome = events.Outcomes[outcome]
	if outcome == 0 {
		e.Amount = r.Int64N(4)
	}
	for range r.IntN(3) {
		e.Tags = append(e.Tags, fmt.Sprint("tag ", r.IntN(3)))
	}
	subject, tags := named(e.Subject), slices.Clone(e.Tags)
	h.log.Verify(r.Uint32(), &events.Verification{
		Key: &subject, Tags: &tags, RequestID: request, At: at, Credits: e.Amount,
		Latency: uint32(e.Latency), Outcome: outcome,
	})
	h.events[events.Verifications] = append(h.events[events.Verifications], e)
}

// matching returns the events that a filter selects, in time.
func (h *history) matching(
	kind events.Kind, s tally.Scope, f tally.Filter, from, to int64,
) (some []tally.Event) {
	for _, e := range h.events[kind] {
		if e.At >= from && e.At < to && e.Subject.Workspace == s.Workspace &&
			(s.Spaces == nil || slices.Contains(s.Spaces, e.Subject.Space)) &&
			(f.Key == "" || f.Key == e.Subject.Key) &&
			(f.Identity == "" || f.Identity == e.Subject.Identity) &&
			(f.External == "" || f.External == e.Subject.External) &&
			(f.Tag == "" || slices.Contains(e.Tags, f.Tag)) &&
			(f.Outcome == "" || f.Outcome == e.Outcome) {
			some = append(some, e)
		}
	}
	return some
}

func either(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// filter returns a random filter and scope.
func filter(r *rand.Rand, kind events.Kind) (s tally.Scope, f tally.Filter) {
	s.Workspace = fmt.Sprint("ws_", r.IntN(2))
	if r.IntN(3) == 0 {
		s.Spaces = []string{fmt.Sprint("s_", r.IntN(2))}
	}
	f.Key = either(r, "", "", "k_1", "k_none")
	f.Outcome = either(r, "", "", tally.Outcomes(kind)[r.IntN(2)])
	if kind == events.Verifications {
		f.Identity, f.External = either(r, "", "", "id_1"), either(r, "", "", "user id_1")
		f.Tag = either(r, "", "", "tag 1")
	}
	return s, f
}

// bounds returns random bounds of intervals, in a time that is kept.
func (h *history) bounds(r *rand.Rand, kind events.Kind) []int64 {
	days := map[events.Kind]int64{events.Verifications: 80, events.Limits: 22}[kind]
	from := h.now.Add(-time.Duration(r.Int64N(days * 24 * int64(time.Hour)))).UnixMilli()
	steps := []int64{3600_000, 86400_000, 7 * 86400_000, 1234_567}
	length := steps[r.IntN(len(steps))]
	if r.IntN(3) > 0 {
		from -= from % length
	}
	if at := time.UnixMilli(from).UTC(); r.IntN(4) == 0 && at.Month() > 8 {
		months := []int64{}
		for i := range 4 {
			months = append(months,
				time.Date(2026, at.Month()+time.Month(i), 1, 0, 0, 0, 0, time.UTC).UnixMilli())
		}
		return months
	}
	bounds := []int64{from}
	for range 1 + r.IntN(40) {
		bounds = append(bounds, bounds[len(bounds)-1]+length)
	}
	return bounds
}

// answer is what a question must be answered with.
func (h *history) answer(q *tally.Question) *tally.Answer {
	last := len(q.Bounds) - 1
	a := &tally.Answer{Series: make([]tally.Sum, last)}
	groups := map[string]*tally.Group{}
	for _, e := range h.matching(q.Kind, q.Scope, q.Filter, q.Bounds[0], q.Bounds[last]) {
		at, exact := slices.BinarySearch(q.Bounds, e.At)
		if !exact {
			at--
		}
		one := tally.Sum{Count: 1}
		if e.Outcome == "VALID" || e.Outcome == tally.Passed {
			one.Passed, one.Credits = 1, e.Amount
		}
		plus := func(s *tally.Sum) {
			s.Count, s.Passed, s.Credits = s.Count+1, s.Passed+one.Passed, s.Credits+one.Credits
		}
		plus(&a.Total)
		plus(&a.Series[at])
		for _, labels := range combinations(q.By, e) {
			name := strings.Join(labels, "|")
			if groups[name] == nil {
				groups[name] = &tally.Group{Labels: labels, Series: make([]tally.Sum, last)}
			}
			plus(&groups[name].Sum)
			plus(&groups[name].Series[at])
		}
	}
	for _, g := range groups {
		a.Groups = append(a.Groups, *g)
	}
	if len(q.By) == 0 {
		a.Groups = nil
	}
	slices.SortFunc(a.Groups, func(x, y tally.Group) int {
		order := []int{cmp.Compare(y.Sum.Count, x.Sum.Count), cmp.Compare(y.Sum.Credits, x.Sum.Credits)}
		if q.ByCredits {
			slices.Reverse(order)
		}
		return cmp.Or(order[0], order[1], slices.Compare(x.Labels, y.Labels))
	})
	a.AllGroups = len(a.Groups)
	a.Groups = a.Groups[:min(q.Top, len(a.Groups))]
	if !q.InParts {
		a.Series = nil
		for i := range a.Groups {
			a.Groups[i].Series = nil
		}
	}
	return a
}

// combinations are the labels of the groups that an event is in.
func combinations(by []tally.Dimension, e tally.Event) [][]string {
	all := [][]string{{}}
	for _, d := range by {
		texts := map[tally.Dimension][]string{
			tally.BySpace: {e.Subject.Space}, tally.ByKey: {e.Subject.Key},
			tally.ByIdentity: {e.Subject.Identity}, tally.ByExternal: {e.Subject.External},
			tally.ByOutcome: {e.Outcome}, tally.ByTag: slices.Compact(slices.Sorted(slices.Values(e.Tags))),
		}[d]
		if len(texts) == 0 {
			texts = []string{""}
		}
		var longer [][]string
		for _, labels := range all {
			for _, text := range texts {
				longer = append(longer, append(slices.Clone(labels), text))
			}
		}
		all = longer
	}
	return all
}

// TestSumsEqualARecount asks random questions of a log whose blocks were merged while time passed,
// and compares the answers with a count of the events.
func TestSumsEqualARecount(t *testing.T) {
	events.Each(t, func(t *testing.T, cfg events.Config) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		h := live(t, cfg, r)
		for range 100 {
			q := &tally.Question{
				Kind: events.Kind(r.IntN(2)), InParts: r.IntN(2) == 0,
				Top: 1 + r.IntN(6), ByCredits: r.IntN(2) == 0, Now: h.now,
			}
			q.Bounds = h.bounds(r, q.Kind)
			q.Scope, q.Filter = filter(r, q.Kind)
			for _, d := range r.Perm(6)[:r.IntN(3)] {
				q.By = append(q.By, tally.Dimension(d))
			}
			got, err := tally.Add(t.Context(), h.log, q)
			if err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
			if len(got.Groups) == 0 {
				got.Groups = nil
			}
			want := h.answer(q)
			if len(want.Groups) == 0 {
				want.Groups = nil
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v (-want +got):\n%s", q, diff)
			}
		}
	})
}

// TestSumsNeedWhatIsKept: the beginning of a time needs hours, days or months that are kept.
func TestSumsNeedWhatIsKept(t *testing.T) {
	cfg := events.Config{File: filepath.Join(t.TempDir(), "events.db")}
	now := time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC)
	log, _ := events.Merging(t, cfg, func() time.Time { return now })
	for _, c := range []struct {
		kind  events.Kind
		from  string
		needs events.Step
		old   bool
	}{
		{events.Verifications, "2026-07-18T12:00:01Z", events.Raw, false},
		{events.Verifications, "2026-07-17T11:59:59Z", events.Raw, true},
		{events.Verifications, "2026-07-17T11:00:00Z", events.Hour, true},
		{events.Verifications, "2026-07-17T00:00:00Z", events.Day, false},
		{events.Verifications, "2025-10-15T00:00:00Z", events.Day, true},
		{events.Verifications, "2025-10-01T00:00:00Z", events.Month, false},
		{events.Verifications, "2023-10-01T00:00:00Z", events.Month, true},
		{events.Limits, "2026-09-15T11:00:00Z", events.Hour, true},
		{events.Limits, "2026-09-15T00:00:00Z", events.Day, false},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tally.Add(t.Context(), log, &tally.Question{
			Kind: c.kind, Now: now, Top: 1, Scope: tally.Scope{Workspace: "ws_1"},
			Bounds: []int64{from.UnixMilli(), now.UnixMilli()},
		})
		var old *tally.OldError
		if errors.As(err, &old) != c.old || c.old && old.Step != c.needs {
			t.Errorf("kind %d from %s: %v", c.kind, c.from, err)
		}
	}
}

// TestListsHaveEachEventOnce reads random lists page by page.
func TestListsHaveEachEventOnce(t *testing.T) {
	events.Each(t, func(t *testing.T, cfg events.Config) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 2))
		h := live(t, cfg, r)
		for range 30 {
			q := &tally.ListQuestion{
				Kind: events.Kind(r.IntN(2)), OldestFirst: r.IntN(2) == 0, Most: 1 + r.IntN(100),
			}
			bounds := h.bounds(r, q.Kind)
			q.From, q.To = bounds[0], bounds[len(bounds)-1]
			q.Scope, q.Filter = filter(r, q.Kind)
			want := h.matching(q.Kind, q.Scope, q.Filter, q.From, q.To)
			var got []tally.Event
			for {
				page, err := tally.List(t.Context(), h.log, q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) > q.Most+1 {
					t.Fatalf("%d events, asked for %d", len(page), q.Most)
				}
				got = append(got, page[:min(q.Most, len(page))]...)
				if len(page) <= q.Most {
					break
				}
				q.Place = page[q.Most].Place
			}
			if !slices.IsSortedFunc(got, func(a, b tally.Event) int {
				if q.OldestFirst {
					return cmp.Compare(a.At, b.At)
				}
				return cmp.Compare(b.At, a.At)
			}) {
				t.Fatalf("%+v: not sorted", q)
			}
			if diff := gocmp.Diff(counted(want), counted(got)); diff != "" {
				t.Fatalf("%+v (-want +got):\n%s", q, diff)
			}
		}
	})
}

func counted(all []tally.Event) map[string]int {
	n := map[string]int{}
	for _, e := range all {
		e.Place = ""
		n[fmt.Sprintf("%+v", e)]++
	}
	return n
}
