package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// base58 are the characters of keys: it leaves out 0, O, I and l, which people
// confuse.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

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
