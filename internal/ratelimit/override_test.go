package ratelimit

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func overridesOf(patterns ...string) []Override {
	var list []Override
	for i, pattern := range patterns {
		list = append(list, Override{
			ID: "rlor_" + pattern, Pattern: pattern, Limit: int64(i), Duration: second,
		})
	}
	return list
}

func TestTheMostSpecificOverrideApplies(t *testing.T) {
	list := overridesOf("*", "a*", "*b", "a*b", "ab", "user_*", "user_1*", "user_12", "é*",
		"*éé", "x**", "", "B*")
	for identifier, want := range map[string]string{
		"zzz":      "*",
		"ab":       "ab",  // its own text before every pattern
		"axb":      "a*b", // two literal characters before one
		"axxb":     "a*b",
		"a":        "a*",
		"b":        "*b",
		"B":        "B*", // case counts
		"user_12":  "user_12",
		"user_123": "user_1*",
		"user_2":   "user_*",
		"user_*":   "user_*", // the text of a pattern is an identifier too
		"*":        "*",
		"éa":       "é*",
		"éé":       "*éé", // characters are counted, not bytes
		"bé\néé":   "*éé",
		"xy":       "x**",
		"":         "",
	} {
		for range 5 {
			rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			got, found := NewOverrides(list).Resolve(identifier)
			if !found || got.Pattern != want {
				t.Errorf("%q resolves to %q, %v, want %q", identifier, got.Pattern, found, want)
			}
			if !slices.Contains(list, got) {
				t.Errorf("%q resolves to %+v, which is none of the list", identifier, got)
			}
		}
	}
}

func TestEqualSpecificityIsDecidedByText(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"a*", "*b"}, "*b"},
		{[]string{"b*", "a*b"}, "a*b"},
		{[]string{"a**b", "a*b"}, "a**b"},
		{[]string{"ab*", "a*b"}, "a*b"},
	} {
		for _, list := range [][]string{c.patterns, {c.patterns[1], c.patterns[0]}} {
			if got, _ := NewOverrides(overridesOf(list...)).Resolve("abb"); got.Pattern != c.want {
				t.Errorf("of %q, %q applies, want %q", list, got.Pattern, c.want)
			}
		}
	}
}

func TestWithoutAMatchNoOverrideApplies(t *testing.T) {
	for _, overrides := range []*Overrides{
		{}, NewOverrides(nil), NewOverrides(overridesOf("a", "b*", "*C")),
	} {
		for _, identifier := range []string{"", "A", "aa", "c", "xb"} {
			if got, found := overrides.Resolve(identifier); found {
				t.Errorf("%q resolves to %+v, want none", identifier, got)
			}
		}
	}
}

func TestResolveAllocatesNothing(t *testing.T) {
	overrides := NewOverrides(overridesOf("user_1", "user_*", "*x*y*", "*"))
	for _, identifier := range []string{"user_1", "user_2", "axbyc", "other"} {
		if n := testing.AllocsPerRun(100, func() { overrides.Resolve(identifier) }); n > 0 {
			t.Errorf("%q: %v allocations", identifier, n)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("*|a*|*b|a*b|ab", "ab")
	f.Add("ab*|a*b|a**b", "abb")
	f.Add("é*|*é|\xff*", "é\xff")
	f.Fuzz(func(t *testing.T, patterns, identifier string) {
		if len(patterns) > 40 || len(identifier) > 16 {
			t.Skip("the naive matcher takes exponential time")
		}
		texts := strings.Split(patterns, "|")
		slices.Sort(texts)
		list := overridesOf(slices.Compact(texts)...)
		got, found := NewOverrides(list).Resolve(identifier)
		want, wantFound := resolveNaively(list, identifier)
		if got != want || found != wantFound {
			t.Errorf("of %q, %q resolves to %+v, %v, want %+v, %v", texts, identifier, got,
				found, want, wantFound)
		}
	})
}

// resolveNaively looks at every override of a list sorted by pattern text.
func resolveNaively(list []Override, identifier string) (best Override, found bool) {
	most := -1
	for _, override := range list {
		if override.Pattern == identifier {
			return override, true
		}
		literals := utf8.RuneCountInString(strings.ReplaceAll(override.Pattern, "*", ""))
		if literals > most && matchesNaively(override.Pattern, identifier) {
			best, found, most = override, true, literals
		}
	}
	return best, found
}

func matchesNaively(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return matchesNaively(pattern[1:], text) || text != "" && matchesNaively(pattern, text[1:])
	default:
		return text != "" && pattern[0] == text[0] && matchesNaively(pattern[1:], text[1:])
	}
}
