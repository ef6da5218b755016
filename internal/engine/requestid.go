package engine

import (
	"math/bits"
	"math/rand/v2"
)

// NewRequestID returns a random request id: req_ and nine characters, like
// [NewID]. It takes a third of the time, because it uses a generator that is
// not cryptographic: a request id grants nothing, so it can be predictable. The
// random number is a fraction whose digits in base 62 are the characters, which
// needs no division. There are a thousand numbers for each id, so all ids are
// equally likely within a thousandth.
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
