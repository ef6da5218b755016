package wildcard

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStarMatchesAnyRunAndAllElseIsLiteral(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "", false},
		{"a", "A", false},
		{"a", "ab", false},
		{"*", "", true},
		{"*", "one\ntwo\r\n", true},
		{"**", "", true},
		{"a*", "a", true},
		{"a*", "b", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"docs.*", "docs.read", true},
		{"docs.*", "docs.", true},
		{"docs.*", "docs", false},
		{"docs.*", "docs-read", false},
		{"docs.*", "docs.*", true},
		{"docs.*.read", "docs.a.b.read", true},
		{"docs.*.read", "docs.read", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*ab*b", "aab", false},
		{"a*ab*b", "aabb", true},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "ab", false},
		{"a?b", "axb", false},
		{`a\*`, `a\x`, true},
		{"[a]*", "a", false},
		{"ключ-*", "ключ-один", true},
		{"*🔑", "a🔑", true},
		{"é*", "è", false},
	} {
		if got := Match(c.pattern, c.text); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

// A matcher that backtracks would not finish.
func TestHostilePatternsAreCheap(t *testing.T) {
	text := strings.Repeat("a", 100_000)
	for _, pattern := range []string{
		strings.Repeat("a*", 500) + "b",
		strings.Repeat("*a", 500) + "b*",
		"*" + strings.Repeat("a", 50_000) + "b*",
	} {
		if Match(pattern, text) {
			t.Errorf("%.20q… matches a text without b", pattern)
		}
	}
}

func TestMatchAgreesWithTryingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab*é")), 0, 10, -1).Draw(t, "pattern")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abé*\n")), 0, 14, -1).Draw(t, "text")
		if got, want := Match(pattern, text), tryAll(pattern, text); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("docs.*", "docs.read")
	f.Add("*a*b*", "xxaxxb\n")
	f.Add("é*", "éa")
	f.Add("*\xff", "\xff\xff")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 20 {
			t.Skip("the oracle takes exponential time")
		}
		if got, want := Match(pattern, text), tryAll(pattern, text); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

// tryAll is the definition of a match, one byte at a time.
func tryAll(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return tryAll(pattern[1:], text) || text != "" && tryAll(pattern, text[1:])
	default:
		return text != "" && pattern[0] == text[0] && tryAll(pattern[1:], text[1:])
	}
}

func TestLiteralsCountsCharactersExceptStars(t *testing.T) {
	for pattern, want := range map[string]int{
		"": 0, "*": 0, "***": 0, "docs.*": 5, "*a*b*": 2, "ключ-*": 5, "🔑": 1,
	} {
		if got := Literals(pattern); got != want {
			t.Errorf("Literals(%q) = %d, want %d", pattern, got, want)
		}
	}
}
