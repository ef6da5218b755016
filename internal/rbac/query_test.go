package rbac

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQueryTruthTable(t *testing.T) {
	for _, c := range []struct {
		query string
		held  []string
		want  bool
	}{
		{"a", []string{"a"}, true},
		{"a", []string{"A"}, false},
		{"a", nil, false},
		{"a AND b", []string{"a"}, false},
		{"a AND b", []string{"b", "a", "b"}, true},
		{"a OR b", []string{"b"}, true},
		{"a OR b AND c", []string{"a"}, true},
		{"a OR b AND c", []string{"b"}, false},
		{"(a OR b) AND c", []string{"a"}, false},
		{"(a OR b) AND c", []string{"b", "c"}, true},
		{"a AND b OR c", []string{"c"}, true},
		{"(a)aNd(b)", []string{"a", "b"}, true},
		{"android", []string{"android"}, true},
		{"or.x AND and-1", []string{"or.x", "and-1"}, true},
		{"A-Z:a/z._*09", []string{"A-Z:a/z._*09"}, true},
		{"docs.read", []string{"docs.*"}, true},
		{"docs.read", []string{"*"}, true},
		{"docs.v1.read", []string{"docs.*.read"}, true},
		{"docs.read", []string{"docs*.write"}, false},
		{"docs.*", []string{"docs.*"}, true},
		{"docs.*", []string{"*"}, true},
		{"docs.*", []string{"docs.read"}, false},
		{"docs.*", []string{"docs.read*"}, false},
		{"*", []string{"docs.read", "docs.*"}, false},
	} {
		q, err := Parse(c.query)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.query, err)
		} else if got := q.Allowed(Hold(c.held)); got != c.want {
			t.Errorf("%q of %q: %v, want %v", c.query, c.held, got, c.want)
		}
	}
}

func TestHoldCopiesItsArgument(t *testing.T) {
	list := []string{"b", "a", "x*"}
	held := Hold(list)
	if !slices.Equal(list, []string{"b", "a", "x*"}) {
		t.Errorf("Hold changed its argument to %q", list)
	}
	list[0], list[2] = "c", "*"
	if !held.Has("b") || held.Has("c") {
		t.Error("a later change of the list changed the set")
	}
}

func TestZeroHeldIsEmpty(t *testing.T) {
	if new(Held).Has("a") || Hold(nil).Has("") {
		t.Error("an empty set has a permission")
	}
}

func TestZeroQueryAllowsNothing(t *testing.T) {
	if new(Query).Allowed(Hold([]string{"*"})) {
		t.Error("the zero query allows *")
	}
}

func TestParsedQueriesAgreeWithTheirTree(t *testing.T) {
	names := []string{
		"a", "b", "c", "docs.read", "docs.write", "docs.*", "*", "x/y:z", "android", "or-1",
		"AND.x",
	}
	patterns := append([]string{"docs.*.x", "d*", "*a*", "*.read"}, names...)
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t, names, 4)
		held := rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 6).Draw(t, "held")
		text := spell(t, tree.words(t))
		q, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if got, want := q.Allowed(Hold(held)), tree.eval(held); got != want {
			t.Fatalf("%q of %q: %v, want %v", text, held, got, want)
		}
	})
}

// tree is a query before it is written as text.
type tree struct {
	name     string // of a leaf
	keyword  string // AND or OR, of any other
	branches []tree
}

func drawTree(t *rapid.T, names []string, depth int) tree {
	kinds := []string{"", "AND", "OR"}
	if depth == 0 {
		kinds = kinds[:1]
	}
	n := tree{keyword: rapid.SampledFrom(kinds).Draw(t, "kind")}
	if n.keyword == "" {
		n.name = rapid.SampledFrom(names).Draw(t, "name")
		return n
	}
	for range rapid.IntRange(1, 4).Draw(t, "branches") {
		n.branches = append(n.branches, drawTree(t, names, depth-1))
	}
	return n
}

func (n tree) eval(held []string) bool {
	if n.name != "" {
		return slices.ContainsFunc(held, func(p string) bool {
			literal := strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `.*`)
			return regexp.MustCompile(`(?s)\A` + literal + `\z`).MatchString(n.name)
		})
	}
	satisfied := 0
	for _, b := range n.branches {
		if b.eval(held) {
			satisfied++
		}
	}
	return n.keyword == "AND" && satisfied == len(n.branches) || n.keyword == "OR" && satisfied > 0
}

// words writes the tree with the parentheses it needs, and some it doesn't.
func (n tree) words(t *rapid.T) []string {
	if n.name != "" {
		return parenthesize(t, []string{n.name}, false)
	}
	var all []string
	for i, b := range n.branches {
		if i > 0 {
			all = append(all, n.keyword)
		}
		all = append(all, parenthesize(t, b.words(t), n.keyword == "AND" && b.keyword == "OR")...)
	}
	return all
}

func parenthesize(t *rapid.T, words []string, needed bool) []string {
	if needed || rapid.IntRange(0, 3).Draw(t, "redundant") == 0 {
		return slices.Concat([]string{"("}, words, []string{")"})
	}
	return words
}

// spell joins the words with white space of all kinds, or none where none is
// needed, and writes keywords in any case.
func spell(t *rapid.T, words []string) string {
	blanks := rapid.SampledFrom([]rune(" \t\r\n"))
	var b strings.Builder
	for i, w := range words {
		least := 0
		if i > 0 && !strings.Contains("()", w) && !strings.Contains("()", words[i-1]) {
			least = 1
		}
		b.WriteString(rapid.StringOfN(blanks, least, 2, -1).Draw(t, "blanks"))
		if w == "AND" || w == "OR" {
			cases := []string{w, strings.ToLower(w), w[:1] + strings.ToLower(w[1:])}
			w = rapid.SampledFrom(cases).Draw(t, "case")
		}
		b.WriteString(w)
	}
	return b.String()
}

func TestAllowedDoesNotAllocate(t *testing.T) {
	q, held := hundred(t)
	if n := testing.AllocsPerRun(100, func() { q.Allowed(held) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllowed(b *testing.B) {
	q, held := hundred(b)
	b.ReportAllocs()
	for b.Loop() {
		q.Allowed(held)
	}
}

// hundred returns a query of four names and a set of a hundred permissions, ten
// of them patterns. The set has two of the names, matches one and lacks one.
func hundred(tb testing.TB) (*Query, *Held) {
	var held []string
	for i := range 90 {
		held = append(held, fmt.Sprintf("documents.%d.read", i))
	}
	for i := range 10 {
		held = append(held, fmt.Sprintf("folder.%d.*", i))
	}
	q, err := Parse(
		"(documents.7.read AND documents.1.write OR documents.55.read) AND folder.9.share",
	)
	if err != nil {
		tb.Fatal(err)
	}
	if h := Hold(held); q.Allowed(h) {
		return q, h
	}
	tb.Fatal("the query is not satisfied")
	return nil, nil
}

// worst returns a query of 66 long names and a set of as many patterns as are asked at all,
// of which none matches and all have to be read to their end.
func worst(tb testing.TB, patterns int) (*Query, *Held) {
	var held []string
	for i := range patterns {
		held = append(held, fmt.Sprintf("*a*%d*", i+1_000_000))
	}
	names := make([]string, 66)
	for i := range names {
		names[i] = strings.Repeat("a", 120) + fmt.Sprint(i)
	}
	q, err := Parse(strings.Join(names, " OR "))
	if err != nil {
		tb.Fatal(err)
	}
	return q, Hold(held)
}

func TestAtMostAThousandPatternsAreAsked(t *testing.T) {
	var held []string
	for i := range MaxPatterns {
		held = append(held, fmt.Sprintf("a%d*", i))
	}
	h := Hold(append(held, "z*"))
	if h.Has("zebra") || !h.Has("a7 or so") {
		t.Error("the pattern after the last one grants something, or one before it nothing")
	}
	if h := Hold(append(held, "zebra")); !h.Has("zebra") {
		t.Error("patterns hide a name")
	}
}

func BenchmarkAllowedAtTheBound(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		q, held := worst(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				q.Allowed(held)
			}
		})
	}
}

// TestNamesAreThoseOfTheQuery: each once, in their order.
func TestNamesAreThoseOfTheQuery(t *testing.T) {
	query, err := Parse("b AND (a.x OR b) OR c.* AND a.x")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := query.Names(), []string{"b", "a.x", "c.*"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
