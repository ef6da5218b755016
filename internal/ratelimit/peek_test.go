package ratelimit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/wildcard"
	"pgregory.net/rapid"
)

// TestPeekDecidesAsTakeAndCountsNothing looks at random batches twice before they are
// taken: the decisions are the same, and the second look has found nothing changed.
func TestPeekDecidesAsTakeAndCountsNothing(t *testing.T) {
	eachShared(t, func(t *testing.T, open func() Limiter) {
		l := open()
		now := int64(0)
		rapid.Check(t, func(rt *rapid.T) {
			now += 10 * second // all windows and buckets are free again
			for range rapid.IntRange(1, 8).Draw(rt, "calls") {
				now += rapid.Int64Range(0, 1_500).Draw(rt, "later")
				batch := make([]Request, rapid.IntRange(1, 4).Draw(rt, "requests"))
				for i := range batch {
					name := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "name")
					cost := rapid.Int64Range(0, 3).Draw(rt, "cost")
					batch[i] = ask(name, 5, cost)
					if rapid.Bool().Draw(rt, "bucket") {
						batch[i] = dip(name, 5, cost)
					}
				}
				first, err := Peek(t.Context(), l, now, batch)
				if err != nil {
					rt.Fatal(err)
				}
				second, err := Peek(t.Context(), l, now, batch)
				if err != nil {
					rt.Fatal(err)
				}
				if diff := cmp.Diff(first, second); diff != "" {
					rt.Fatal("a look has changed something: ", diff)
				}
				taken, err := l.Take(t.Context(), now, batch)
				if err != nil {
					rt.Fatal(err)
				}
				for i := range taken {
					if first[i].Passed != taken[i].Passed || first[i].Wait != taken[i].Wait {
						rt.Fatalf("%+v: looked at %+v, taken %+v", batch[i], first[i], taken[i])
					}
				}
			}
		})
	})
}

// TestPeekAsksWhereANodeIsNotSure: in fast mode a node decides by what it knows only if it
// would count by it, too.
func TestPeekAsksWhereANodeIsNotSure(t *testing.T) {
	nodes := fleet(t, 2, RedisConfig{
		URL: testenv.Redis(t), Fast: true, roundTripTimeout: time.Minute,
	})
	wantAsk(t, nodes[0], 0, ask("a", 10, 8), passed(2, 1_000))
	decisions, err := Peek(t.Context(), nodes[1], 0, []Request{ask("a", 10, 6)})
	if err != nil {
		t.Fatal(err)
	}
	if decisions[0].Passed {
		t.Errorf("a node that has not heard of another's calls: %+v", decisions[0])
	}
}

// TestMatchingBeginsWithTheOverrideThatApplies for random patterns, and has each that
// matches once.
func TestMatchingBeginsWithTheOverrideThatApplies(t *testing.T) {
	pattern := rapid.StringMatching(`[ab*]{1,4}`)
	rapid.Check(t, func(rt *rapid.T) {
		var list []Override
		for i, text := range rapid.SliceOfDistinct(pattern, rapid.ID[string]).Draw(rt, "patterns") {
			list = append(list, Override{ID: string(rune('a' + i)), Pattern: text})
		}
		o := NewOverrides(list)
		identifier := pattern.Draw(rt, "identifier")
		matching := o.Matching(identifier, len(list))
		applies, found := o.Resolve(identifier)
		if found != (len(matching) > 0) || found && matching[0] != applies {
			rt.Fatalf("%+v applies, %+v match", applies, matching)
		}
		seen := map[string]bool{}
		for _, m := range matching {
			if seen[m.Pattern] || m.Pattern != identifier && !wildcard.Match(m.Pattern, identifier) {
				rt.Fatalf("%q twice, or it doesn't match %q", m.Pattern, identifier)
			}
			seen[m.Pattern] = true
		}
		for _, other := range list {
			if !seen[other.Pattern] && wildcard.Match(other.Pattern, identifier) {
				rt.Fatalf("%q matches %q too", other.Pattern, identifier)
			}
		}
	})
}
