package latchkeytest

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// Static answers verifications without any service: each key as the map says,
// and every other key NOT_FOUND. It stands in for [latchkey.Keys] wherever only
// Verify is needed. Of a request it looks at nothing but the key. A Code may be
// left out: it is VALID for what is valid, else NOT_FOUND.
type Static map[string]latchkey.Verification

// Verify answers what the map says. It never fails and ignores all options.
func (s Static) Verify(_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption) (latchkey.Verification, error) {
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
