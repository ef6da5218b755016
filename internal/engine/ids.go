package engine

import (
	"crypto/rand"
)

// alphanumeric are the characters of ids.
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
			// 248 is the largest multiple of 62 in a byte: no character is likelier.
			if b < 248 && len(id) < cap(id) {
				id = append(id, alphanumeric[b%62])
			}
		}
	}
	return string(id)
}
