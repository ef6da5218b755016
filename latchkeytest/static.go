package latchkeytest

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// Static verifies keys without a service: it maps keys to their verifications, and
// every other key is NOT_FOUND. Use it instead of [latchkey.Keys] where only
// Verify is called, for example as a protect.Verifier. Permissions, costs and
// limits of the request are ignored. An empty Code stands for VALID if Valid is
// set, else for NOT_FOUND.
type Static map[string]latchkey.Verification

// Verify returns the verification of the key in the map. The error is always nil.
func (s Static) Verify(
	_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	v := s[r.Key]
	switch {
	case v.Code != "":
	case v.Valid:
		v.Code = latchkey.Valid
	default:
		v.Code = latchkey.NotFound
	}
	return v, nil
}
