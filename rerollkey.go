package latchkey

import "context"

// RerollKeyRequest replaces a key by a new one with the same settings.
type RerollKeyRequest struct {
	_ struct{} `check:"loose"`
	// KeyID is the key to replace.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Expiration is how long the old key still verifies, in milliseconds: 0 ends it at once, null
	// leaves its expiry as it is. It never outlives its own expiry.
	Expiration Opt[Duration] `json:"expiration,omitzero" check:"required,null,min=0,max=4102444800000"`
}

// Reroll replaces a key by a new one with the same settings, and lets the old one verify for a
// while.
func (s Keys) Reroll(
	ctx context.Context, r RerollKeyRequest, opts ...CallOption,
) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "keys.rerollKey", &r, opts)
}
