package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// A Signer makes codes that show whether data was changed: HMAC-SHA256 under a key that is
// derived from a data key. It is safe for concurrent use.
type Signer struct{ key []byte }

// Signer returns the signer of a wrapped data key for one purpose.
func (v *Vault) Signer(wrapped []byte, purpose string) (*Signer, error) {
	key, err := v.unwrap(wrapped)
	if err != nil {
		return nil, err
	}
	derived, err := hkdf.Key(sha256.New, key, nil, string(additionalData([]string{purpose})), keySize)
	if err != nil {
		return nil, err
	}
	return &Signer{derived}, nil
}

// Code returns the code of 32 bytes of some parts. Other parts, and the same text in other
// parts, have another one.
func (s *Signer) Code(parts ...string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(additionalData(parts))
	return mac.Sum(nil)
}
