package engine

import "math/rand/v2"

// NewRequestID names a request: req_ and nine characters, as [NewID] makes them.
// A request's id grants nothing, so nobody needs to be kept from guessing it, and
// the process's own generator will do, in a third of the time.
func NewRequestID() string {
	const all = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62
	id := [...]byte{'r', 'e', 'q', '_', 12: 0}
	number := rand.Uint64N(all)
	for i := len("req_"); i < len(id); i++ {
		id[i] = alphanumeric[number%62]
		number /= 62
	}
	return string(id[:])
}
