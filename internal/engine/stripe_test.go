package engine

import (
	"sync"
	"testing"
)

// TestCountersAreExact: however the counts are spread, none is lost.
func TestCountersAreExact(t *testing.T) {
	const goroutines, each = 64, 5_000
	var c counter
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				c.add()
			}
		})
	}
	group.Wait()
	if got := c.total(); got != goroutines*each {
		t.Errorf("counted %v, want %d", got, goroutines*each)
	}
}

// TestGoroutinesUseSeveralStripes: those that run side by side don't all meet at
// one, which nothing but the speed would show.
func TestGoroutinesUseSeveralStripes(t *testing.T) {
	const goroutines = 64
	used := make(chan int, goroutines)
	all := make(chan struct{})
	for range goroutines {
		go func() {
			used <- Stripe()
			<-all // keeps the stack from being another goroutine's
		}()
	}
	count := map[int]int{}
	for range goroutines {
		count[<-used]++
	}
	close(all)
	for stripe, n := range count {
		if stripe < 0 || stripe >= Stripes || n > goroutines/4 {
			t.Errorf("stripe %d has %d of %d goroutines", stripe, n, goroutines)
		}
	}
}
