package engine

import (
	"strings"
	"testing"
)

// TestRequestIDsUseAllCharacters: in every place, about equally often, and no id
// comes twice.
func TestRequestIDsUseAllCharacters(t *testing.T) {
	const each = 1_000
	seen := make(map[string]bool)
	var counts [9][len(alphanumeric)]int
	for range each * len(alphanumeric) {
		id := NewRequestID()
		random, ok := strings.CutPrefix(id, "req_")
		if !ok || len(random) != len(counts) || seen[id] {
			t.Fatalf("%q is not a new id", id)
		}
		seen[id] = true
		for place := range random {
			counts[place][strings.IndexByte(alphanumeric, random[place])]++
		}
	}
	for place, counts := range counts {
		for i, n := range counts {
			if n < each*3/4 || n > each*5/4 { // eight standard deviations
				t.Errorf("%c stands %d times in place %d, want about %d", alphanumeric[i], n, place,
					each)
			}
		}
	}
}
