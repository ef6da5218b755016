package engine

import (
	"crypto/rand"
)

// alphanumeric has the characters of ids.
const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewID returns a random id: the prefix, an underscore and nine characters.
func NewID(prefix string) string {
	const length = 9
	id := append(make([]byte, 0, len(prefix)+1+length), prefix...)
	id = append(id, '_')
	var bytes [2 * length]byte
	for len(id) < cap(id) {
		rand.Read(bytes[:])
		for _, b := range bytes {
			// Bytes below 248, a multiple of 62, make all characters equally likely.
			if b < 248 && len(id) < cap(id) {
				id = append(id, alphanumeric[b%62])
			}
		}
	}
	return string(id)
}
