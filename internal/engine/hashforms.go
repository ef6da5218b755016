package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// storedHash returns the stored form of the hash of an imported key: base64 for keys that
// were hashed whole, and lower-case hex for the long parts of prefixed ones. Both accept
// both forms of SHA-256. Any other text could never match a key, so it is an error, which
// doesn't repeat the text: it can be the key itself.
func storedHash(algorithm latchkey.MigrationAlgorithm, i int, text string) (string, error) {
	sum, ok := sha256Of(text)
	whole := algorithm == latchkey.MigrateSHA256
	switch {
	case ok && whole:
		return base64.StdEncoding.EncodeToString(sum), nil
	case ok:
		return hex.EncodeToString(sum), nil
	}
	what := "the part after the last underscore"
	if whole {
		what = "the whole key"
	}
	return "", invalid(latchkey.Fault{
		Location: "/properties/keys/items/properties/hash",
		Message: fmt.Sprintf("keys[%d].hash must be the SHA-256 of %s, "+
			"in base64 (44 characters) or hex (64)", i, what),
		Fix: hashFix(text),
	})
}

// sha256Of decodes a SHA-256 from hex or base64.
func sha256Of(text string) (sum []byte, ok bool) {
	var err error
	if len(text) == hex.EncodedLen(sha256.Size) {
		sum, err = hex.DecodeString(text)
	} else {
		sum, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	return sum, err == nil && len(sum) == sha256.Size && !strings.ContainsAny(text, "\r\n")
}

// hashFix says what is probably wrong with a text that is no SHA-256.
func hashFix(text string) string {
	if strings.ContainsAny(text, " \t\r\n") {
		return "Remove the white space in it."
	}
	if _, rest, found := strings.Cut(text, ":"); found {
		if _, ok := sha256Of(rest); ok {
			return "Send only what follows the colon."
		}
	}
	if sum, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil &&
		len(sum) == sha256.Size {
		return "Send standard base64, with + and / instead of - and _, and = at the end."
	}
	if sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		if len(sum) == sha256.Size {
			return "Send base64 with = at the end."
		}
		if _, ok := sha256Of(string(sum)); ok {
			return "Send the hex digits as they are: this is the base64 of their text."
		}
	}
	if strings.HasPrefix(text, "$") {
		return "Hashes of passwords, such as bcrypt, can't be imported: create new keys."
	}
	if sum, err := hex.DecodeString(text); err == nil {
		return fmt.Sprintf("This is a hash of %d bits. Only SHA-256 can be imported.", 8*len(sum))
	}
	return "Send the hash, never the key, as printf %s \"$KEY\" | sha256sum prints it."
}
