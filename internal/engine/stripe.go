package engine

import "unsafe"

// Stripes is how many parts something is cut into that many processors change
// at once, so that they rarely meet on the same cache line.
const Stripes = 1 << stripeBits

const stripeBits = 5

// Stripe returns which part, from 0 to Stripes-1, the caller should use. It is
// made of the address of the caller's stack: goroutines that run side by side
// mostly get different parts, and one that asks again from the same place gets
// the same part, which is still in the cache of its processor. A random part
// would be in that of another processor half of the time. Nothing but speed may
// depend on it, because stacks move.
func Stripe() int {
	const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio, which spreads addresses (Knuth, TAOCP 3, 6.4)
	var here byte
	return int(uint64(uintptr(unsafe.Pointer(&here))) * golden >> (64 - stripeBits))
}
