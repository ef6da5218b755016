package rbac

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var compareQueries = cmp.AllowUnexported(Query{}, term{})

// Valid and invalid texts, many of which share a slot.
func TestParserAgreesWithParse(t *testing.T) {
	p := NewParser()
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf("p%d %s (p%d OR docs.*)", rapid.IntRange(0, 600).Draw(t, "name"),
			rapid.SampledFrom([]string{"AND", "or", "OR OR", ""}).Draw(t, "word"),
			rapid.IntRange(0, 3).Draw(t, "other"))
		want, wantErr := Parse(text)
		for range 2 {
			got, err := p.Parse(text)
			if diff := cmp.Diff(want, got, compareQueries); diff != "" {
				t.Errorf("%s: %s", text, diff)
			}
			if diff := cmp.Diff(wantErr, err); diff != "" {
				t.Errorf("%s: %s", text, diff)
			}
		}
	})
}

func TestCachedQueryDoesNotAllocate(t *testing.T) {
	p := NewParser()
	const text = "docs.read AND (docs.write OR admin)"
	first, err := p.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var again *Query
	if n := testing.AllocsPerRun(100, func() { again, _ = p.Parse(text) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if again != first {
		t.Error("the query was parsed again")
	}
}

// Invalid queries must not evict valid ones.
func TestInvalidQueriesAreNotCached(t *testing.T) {
	p := NewParser()
	for i := range 1000 {
		var syntax *SyntaxError
		if _, err := p.Parse(fmt.Sprintf("docs.%d AND", i)); !errors.As(err, &syntax) {
			t.Fatal(err)
		}
	}
	for i := range p.slots {
		if p.slots[i].Load() != nil {
			t.Fatal("an invalid text is cached")
		}
	}
}

func TestParserIsSafeForConcurrentUse(t *testing.T) {
	p := NewParser()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 2000 {
				name := fmt.Sprintf("p%d", i%700)
				if q, err := p.Parse(name); err != nil || !q.Allowed(Hold([]string{name})) {
					t.Errorf("%s: %v, or another query", name, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkParse(b *testing.B) {
	const text = "docs.read AND (docs.write OR admin)"
	for name, parse := range map[string]func(string) (*Query, error){
		"cached": NewParser().Parse, "uncached": Parse,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
