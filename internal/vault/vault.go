// Package vault encrypts recoverable keys.
//
// It uses envelope encryption: a value is sealed under a data key, and a data key
// is stored wrapped by a master key, which is kept apart from the data. To
// rotate the master key, put a new one before the old one, rewrap all data
// keys, then remove the old one. Sealed values don't change; to replace a data key too,
// its values are unsealed and sealed under a new one.
//
// Both layers are AES-256-GCM with random nonces, safe for 2³² values under
// one key (NIST SP 800-38D, section 8.3).
package vault

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
)

var (
	// ErrUnknownMaster means that a data key is wrapped by a master key that
	// the vault doesn't have.
	ErrUnknownMaster = errors.New("vault: unknown master key")
	// ErrCorrupt means that bytes were changed after the vault returned them, or
	// belong to another data key or context.
	ErrCorrupt = errors.New("vault: corrupt data")
)

// Vault holds master keys. It is immutable and safe for concurrent use. Printing
// it shows only the id of the current key. The zero value has no master key, and
// all its methods that need one return an error.
type Vault struct {
	current masterID // wraps new data keys
	masters map[masterID]cipher.AEAD
}

// masterID names a master key without revealing any of it.
type masterID [8]byte

func (id masterID) String() string { return hex.EncodeToString(id[:]) }

// masterPrefix begins the text of every master key, so that scanners for leaked
// secrets find it.
const masterPrefix = "lkm_"

// NewMaster returns the text of a new random master key of 32 bytes.
func NewMaster() string {
	return masterPrefix + base64.RawURLEncoding.EncodeToString(randomKey())
}

// New returns a vault with the given master keys: one or more texts of
// [NewMaster], separated by commas or white space. The first is the current
// one; the others only unwrap data keys that they wrapped before.
func New(masters string) (*Vault, error) {
	texts := strings.FieldsFunc(masters, func(r rune) bool {
		return r == ',' || unicode.IsSpace(r)
	})
	if len(texts) == 0 {
		return nil, errors.New("vault: no master key given")
	}
	v := &Vault{masters: make(map[masterID]cipher.AEAD, len(texts))}
	for i, text := range texts {
		id, aead, err := openMaster(text)
		if err != nil {
			return nil, fmt.Errorf("vault: master key %d of %d: %w", i+1, len(texts), err)
		}
		if i == 0 {
			v.current = id
		}
		v.masters[id] = aead
	}
	return v, nil
}

// openMaster reads a master key. Its errors must not repeat any of the text.
func openMaster(text string) (masterID, cipher.AEAD, error) {
	digits, found := strings.CutPrefix(text, masterPrefix)
	key, err := base64.RawURLEncoding.Strict().DecodeString(digits)
	if !found || err != nil || len(key) != keySize {
		return masterID{}, nil, errors.New(
			"want " + masterPrefix + " and 43 characters of base64url",
		)
	}
	aead, err := newAEAD(key)
	return idOf(key), aead, err
}

// idOf hashes the key with a label, so that the id differs from a plain hash of
// the key.
func idOf(key []byte) masterID {
	sum := sha256.Sum256(append([]byte("latchkey vault master id\x00"), key...))
	return masterID(sum[:len(masterID{})])
}

func randomKey() []byte {
	key := make([]byte, keySize)
	rand.Read(key) // never fails
	return key
}

// String returns the id of the current master key and the number of master keys.
func (v *Vault) String() string {
	return fmt.Sprintf("vault(current %s of %d)", v.current, len(v.masters))
}

// GoString is String, for %#v.
func (v *Vault) GoString() string { return v.String() }

// LogValue is String, for log/slog.
func (v *Vault) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalJSON is String, as a JSON string.
func (v *Vault) MarshalJSON() ([]byte, error) { return json.Marshal(v.String()) }
