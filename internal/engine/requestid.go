package engine

import (
	"math/bits"
	"math/rand/v2"
)

// NewRequestID names a request: req_ and nine characters, as [NewID] makes them.
// A request's id grants nothing, so nobody needs to be kept from guessing it, and
// the process's own generator will do, in a third of the time. The random number
// is read as a fraction whose digits to base 62 are the characters, which takes
// no divisions; as there are a thousand numbers for each id, all ids are equally
// likely but for a thousandth.
func NewRequestID() string {
	id := [...]byte{'r', 'e', 'q', '_', 12: 0}
	fraction := rand.Uint64()
	for i := len("req_"); i < len(id); i++ {
		var digit uint64
		digit, fraction = bits.Mul64(fraction, 62)
		id[i] = alphanumeric[digit]
	}
	return string(id[:])
}
