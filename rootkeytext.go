package latchkey

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// A root key is rootKeyPrefix, rootKeyRandom characters and rootKeyChecksum characters, all
// of them of base58. Root keys from before there were checksums end before the checksum.
const (
	rootKeyPrefix   = "latchkey_"
	rootKeyRandom   = 33 // 24 random bytes
	rootKeyChecksum = 6  // 32 bits

	// base58 has no 0, O, I and l, which look alike.
	base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

var errMistyped = fmt.Errorf("its checksum is wrong, so it is incomplete or has a typing error; "+
	"copy it again: %w", ErrUnauthorized)

// CheckRootKey returns an error if the text can't be a root key: it has white space or other
// characters that no root key has, or its checksum shows that it was mistyped or made up. It
// sends no request, so nil doesn't mean that the root key exists. A wrong checksum is an
// [ErrUnauthorized]. Root keys of other services, and those from before there were checksums,
// pass.
func CheckRootKey(text string) error {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return errors.New("it has white space or other characters that no root key has")
		}
	}
	body, ours := strings.CutPrefix(text, rootKeyPrefix)
	if !ours || len(body) <= rootKeyRandom {
		return nil
	}
	if len(body) != rootKeyRandom+rootKeyChecksum ||
		checksumOf(text[:len(text)-rootKeyChecksum]) != text[len(text)-rootKeyChecksum:] {
		return errMistyped
	}
	return nil
}

// FormatRootKey returns the root key with this random part, which is at most 33 characters
// of base58. Only the service needs it.
func FormatRootKey(random string) string {
	text := rootKeyPrefix + strings.Repeat(base58[:1], max(0, rootKeyRandom-len(random))) + random
	return text + checksumOf(text)
}

// checksumOf returns the CRC-32 (IEEE) of a text as a number of base58.
func checksumOf(text string) string {
	var digits [rootKeyChecksum]byte
	sum := crc32.ChecksumIEEE([]byte(text))
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base58[sum%uint32(len(base58))]
		sum /= uint32(len(base58))
	}
	return string(digits[:])
}
