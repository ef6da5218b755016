package coherence

import (
	"sync"
	"testing"
)

func TestCountersAreExact(t *testing.T) {
	const goroutines, each = 64, 5_000
	var c Counter
	var group sync.WaitGroup
	for lane := range uint32(goroutines) {
		group.Go(func() {
			for range each {
				c.Add(lane)
			}
		})
	}
	group.Wait()
	if got := c.Total(); got != goroutines*each {
		t.Errorf("counted %d, want %d", got, goroutines*each)
	}
	for i := range c.parts {
		if n := c.parts[i].n.Load(); n != goroutines*each/lanes {
			t.Errorf("part %d has %d counts, which only the speed would show", i, n)
		}
	}
}
