package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// alphanumeric are the characters of ids, base58 those of keys: base58 leaves
// out 0, O, I and l, which people confuse.
const (
	alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base58       = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

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

// secret is a freshly made key: the text to hand out and what is kept of it.
type secret struct {
	text  string
	start string // the prefix and the first four characters, to recognise it by
	hash  string
}

// newSecret makes a key of n random bytes.
func newSecret(prefix string, n int) secret {
	bytes := make([]byte, n)
	rand.Read(bytes)
	if prefix != "" {
		prefix += "_"
	}
	body := encodeBase58(bytes)
	return secret{text: prefix + body, start: prefix + body[:4], hash: hashText(prefix + body)}
}

// encodeBase58 writes bytes in the bitcoin alphabet; each leading zero byte is a 1.
func encodeBase58(data []byte) string {
	var digits []byte
	n, radix, digit := new(big.Int).SetBytes(data), big.NewInt(58), new(big.Int)
	for n.Sign() > 0 {
		n.DivMod(n, radix, digit)
		digits = append(digits, base58[digit.Int64()])
	}
	for i := 0; i < len(data) && data[i] == 0; i++ {
		digits = append(digits, base58[0])
	}
	for i, j := 0, len(digits)-1; i < j; i, j = i+1, j-1 {
		digits[i], digits[j] = digits[j], digits[i]
	}
	return string(digits)
}

// keyHash is SHA-256 of a whole key: what a key is found by.
type keyHash [sha256.Size]byte

// hashOf hashes a key from the stack, where keys of the usual length have room.
func hashOf(key string) keyHash {
	var room [128]byte
	return sha256.Sum256(append(room[:0], key...))
}

// String returns the form that is stored.
func (h keyHash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

func hashText(key string) string { return hashOf(key).String() }
