package coherence

import (
	"sync"
	"testing"
)

// TestCountersAreExact: however the counts are spread, none is lost.
func TestCountersAreExact(t *testing.T) {
	const goroutines, each = 64, 5_000
	var c Counter
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				c.Add()
			}
		})
	}
	group.Wait()
	if got := c.Total(); got != goroutines*each {
		t.Errorf("counted %d, want %d", got, goroutines*each)
	}
}

// TestCountsAreSpread: not all on one cache line, which nothing but the speed
// would show.
func TestCountsAreSpread(t *testing.T) {
	const counts = 10_000
	var c Counter
	for range counts {
		c.Add()
	}
	for i := range c.parts {
		if n := c.parts[i].n.Load(); n == 0 || n > counts/8 {
			t.Errorf("part %d has %d of %d counts", i, n, counts)
		}
	}
}
