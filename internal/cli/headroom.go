package cli

import "runtime/debug"

// headroom returns a block of memory that is never touched, so that it takes
// addresses and no memory. While the caller keeps it (runtime.KeepAlive), the
// garbage collector, which runs when the heap has doubled, lets 32 MB of garbage
// pile up where a service with few keys would be collected after 4: at 25,000
// verifications a second over HTTP that is a seventh of the processor time
// (bench, trial http32). A heap of gigabytes doesn't notice it. The setting
// GOGC=200 would have the same use for a small heap and no bound for a large one.
//
// GOMEMLIMIT counts the block, so where that is small there is none: it would make
// the collector run more often.
func headroom() []byte {
	const tight = 256 << 20
	if debug.SetMemoryLimit(-1) < tight {
		return nil
	}
	return make([]byte, 32<<20)
}
