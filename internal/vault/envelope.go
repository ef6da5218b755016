package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// The two formats. A box is nonce (12 bytes), ciphertext, tag (16 bytes).
//
//	wrapped data key = version (1 byte), master id (8 bytes), box of the key
//	sealed value     = version (1 byte), box of the value
//
// The bytes before a box are authenticated with it.
const (
	version     = 1
	keySize     = 32
	boxOverhead = 12 + 16
	headSize    = 1 + len(masterID{})
	wrappedSize = headSize + keySize + boxOverhead
)

// NewDataKey returns a new random data key, wrapped by the current master key.
func (v *Vault) NewDataKey() ([]byte, error) { return v.wrap(randomKey()) }

// Rewrap returns the same data key wrapped by the current master key, and
// whether that changed anything; if it didn't, wrapped itself is returned.
func (v *Vault) Rewrap(wrapped []byte) (rewrapped []byte, changed bool, err error) {
	key, err := v.unwrap(wrapped)
	if err != nil {
		return nil, false, err
	}
	if masterOf(wrapped) == v.current {
		return wrapped, false, nil
	}
	rewrapped, err = v.wrap(key)
	return rewrapped, err == nil, err
}

// Seal encrypts the plaintext, which can be empty, under a wrapped data key.
// Unsealing needs the same context. A context that names the value's place,
// such as its workspace and its row, keeps it from being moved to another.
func (v *Vault) Seal(wrapped, plaintext []byte, context ...string) ([]byte, error) {
	aead, err := v.dataKey(wrapped)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{version}, nil, plaintext, additionalData(context)), nil
}

// Unseal returns the plaintext that was sealed under the data key and context.
func (v *Vault) Unseal(wrapped, sealed []byte, context ...string) ([]byte, error) {
	aead, err := v.dataKey(wrapped)
	if err != nil {
		return nil, err
	}
	return openSealed(aead, sealed, context)
}

func openSealed(aead cipher.AEAD, sealed []byte, context []string) ([]byte, error) {
	if len(sealed) < 1+boxOverhead || sealed[0] != version {
		return nil, fmt.Errorf("%w: not a sealed value", ErrCorrupt)
	}
	plaintext, err := aead.Open(nil, nil, sealed[1:], additionalData(context))
	if err != nil {
		return nil, fmt.Errorf("%w: the value was changed or has another data key or context",
			ErrCorrupt)
	}
	return plaintext, nil
}

// SealFor is Seal under a key that is derived from the data key and a secret of the
// caller's, which is not stored: without it, not even the master key opens the value.
func (v *Vault) SealFor(
	secret string, wrapped, plaintext []byte, context ...string,
) ([]byte, error) {
	aead, err := v.derivedKey(wrapped, secret, context)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{version}, nil, plaintext, additionalData(context)), nil
}

// UnsealFor returns the plaintext that SealFor sealed for the secret.
func (v *Vault) UnsealFor(
	secret string, wrapped, sealed []byte, context ...string,
) ([]byte, error) {
	aead, err := v.derivedKey(wrapped, secret, context)
	if err != nil {
		return nil, err
	}
	return openSealed(aead, sealed, context)
}

// derivedKey derives a key for one secret and context by HKDF-SHA256 (RFC 5869). The
// secret is the salt, so that the derived key can't be told without it.
func (v *Vault) derivedKey(wrapped []byte, secret string, context []string) (cipher.AEAD, error) {
	key, err := v.unwrap(wrapped)
	if err != nil {
		return nil, err
	}
	info := string(additionalData(context))
	derived, err := hkdf.Key(sha256.New, key, []byte(secret), info, keySize)
	if err != nil {
		return nil, err
	}
	return newAEAD(derived)
}

// additionalData encodes the version and the context without ambiguity: each
// string follows its length as eight bytes.
func additionalData(context []string) []byte {
	data := []byte{version}
	for _, s := range context {
		data = binary.BigEndian.AppendUint64(data, uint64(len(s)))
		data = append(data, s...)
	}
	return data
}

func (v *Vault) wrap(key []byte) ([]byte, error) {
	master, err := v.master(v.current)
	if err != nil {
		return nil, err
	}
	head := append([]byte{version}, v.current[:]...)
	return master.Seal(slices.Clone(head), nil, key, head), nil
}

func (v *Vault) unwrap(wrapped []byte) ([]byte, error) {
	if len(wrapped) != wrappedSize || wrapped[0] != version {
		return nil, fmt.Errorf("%w: not a wrapped data key", ErrCorrupt)
	}
	master, err := v.master(masterOf(wrapped))
	if err != nil {
		return nil, err
	}
	key, err := master.Open(nil, nil, wrapped[headSize:], wrapped[:headSize])
	if err != nil {
		return nil, fmt.Errorf("%w: the wrapped data key was changed", ErrCorrupt)
	}
	return key, nil
}

// masterOf returns the id of the master key that wrapped a data key, which must
// have the right length.
func masterOf(wrapped []byte) masterID { return masterID(wrapped[1:headSize]) }

func (v *Vault) master(id masterID) (cipher.AEAD, error) {
	if master, found := v.masters[id]; found {
		return master, nil
	}
	return nil, fmt.Errorf("%w %s", ErrUnknownMaster, id)
}

func (v *Vault) dataKey(wrapped []byte) (cipher.AEAD, error) {
	key, err := v.unwrap(wrapped)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
