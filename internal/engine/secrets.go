package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math/big"

	"github.com/latchkeyhq/latchkey"
)

// base58 has the characters of keys: without 0, O, I and l, which look alike.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// secret is a new key: its text, and what is stored of it.
type secret struct {
	text  string
	start string // the prefix and the first four characters, for people to recognize it
	hash  string
}

// newSecret returns a key of n random bytes.
func newSecret(prefix string, n int) secret {
	bytes := make([]byte, n)
	rand.Read(bytes)
	if prefix != "" {
		prefix += "_"
	}
	body := encodeBase58(bytes)
	return secret{text: prefix + body, start: prefix + body[:4], hash: hashText(prefix + body)}
}

// newRootKey returns a root key with a checksum.
func newRootKey() secret {
	bytes := make([]byte, 24)
	rand.Read(bytes)
	text := latchkey.FormatRootKey(encodeBase58(bytes))
	return secret{text: text, start: text[:len("latchkey_")+4], hash: hashText(text)}
}

// encodeBase58 encodes bytes in the Bitcoin alphabet. Each leading zero byte is a 1.
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

// keyHash is the SHA-256 of a whole key, by which keys are looked up.
type keyHash [sha256.Size]byte

// hashOf returns the hash of a key. Keys of the usual length are not allocated.
func hashOf(key string) keyHash {
	return sha256.Sum256([]byte(key))
}

// String returns the stored form.
func (h keyHash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// keyRef is how keys are cached: by their hash, which belongs to a workspace, XOR the hash of
// the workspace's id. This takes no more time and room than the hash alone. Two workspaces
// have equal ones only for keys whose hashes differ by a given value; to find such a key is
// as hard as to find one for a given hash.
type keyRef [sha256.Size]byte

// String returns a text that differs for each key.
func (r keyRef) String() string { return string(r[:]) }

// in returns how a key of that hash is cached, for a workspace whose id has the other hash.
func (h keyHash) in(workspace keyHash) (r keyRef) {
	subtle.XORBytes(r[:], h[:], workspace[:])
	return r
}

func hashText(key string) string { return hashOf(key).String() }
