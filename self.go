package latchkey

import "context"

// What an API offers the holders of its keys: values of APISettings.SelfService.
const (
	SelfGetKey    = "getKey"    // self.getKey
	SelfRerollKey = "rerollKey" // self.rerollKey
	SelfRevokeKey = "revokeKey" // self.revokeKey
	SelfShowID    = "keyId"     // the id of the key is in the responses
)

// SelfKeyRequest asks for the key that the request is made with.
type SelfKeyRequest struct{}

// SelfKey is a key as its holder sees it.
type SelfKey struct {
	// KeyID identifies the key; absent unless the API shows the ids of keys.
	KeyID string `json:"keyId,omitempty"`
	// Name is the key's name.
	Name string `json:"name,omitempty"`
	// Start is the beginning of the key, by which people recognize it.
	Start string `json:"start" check:"required"`
	// Enabled is true: a disabled key can't ask.
	Enabled bool `json:"enabled" check:"required"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Credits are the balance and its refills; absent for a key without a limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits are the limits of the key and of its owner, as they stand now.
	Ratelimits []SelfRatelimit `json:"ratelimits,omitempty"`
	// Permissions are the slugs the key holds, directly or through its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
}

// SelfRatelimit is a rate limit as the holder of a key sees it.
type SelfRatelimit struct {
	// Name is the name of the limit.
	Name string `json:"name" check:"required"`
	// Limit is how much can be used in one window, or the size of the token bucket.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds, or how long the token bucket
	// takes to refill.
	Duration Duration `json:"duration" check:"required"`
	// Remaining is how much is left now.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
}

// SelfRerollKeyRequest replaces the key that the request is made with.
type SelfRerollKeyRequest struct {
	// Expiration is how long the old key stays valid, in milliseconds: a minute at least, so
	// that the request can be repeated if its response is lost.
	Expiration Duration `json:"expiration" check:"required,min=60000,max=31536000000"`
}

// SelfRerolledKey is the response to [SelfRerollKeyRequest].
type SelfRerolledKey struct {
	// KeyID identifies the new key; absent unless the API shows the ids of keys.
	KeyID string `json:"keyId,omitempty"`
	// Key is the new key. It can't be read again.
	Key string `json:"key" check:"required"`
	// OldExpires is the last moment at which the old key verifies, in unix milliseconds.
	OldExpires Time `json:"oldExpires" check:"required"`
}

// SelfRevokeKeyRequest deletes the key that the request is made with.
type SelfRevokeKeyRequest struct{}

// Self are the operations that the holder of a key calls, with the key in place of a
// root key. Pass it with [WithKey].
type Self struct{ c *Client }

// GetKey returns the key, and what is left of its credits and limits.
func (s Self) GetKey(ctx context.Context, opts ...CallOption) (SelfKey, error) {
	return call[SelfKey](ctx, s.c, "self.getKey", &SelfKeyRequest{}, opts)
}

// RerollKey creates a key that replaces the key.
func (s Self) RerollKey(
	ctx context.Context, r SelfRerollKeyRequest, opts ...CallOption,
) (SelfRerolledKey, error) {
	return call[SelfRerolledKey](ctx, s.c, "self.rerollKey", &r, opts)
}

// RevokeKey deletes the key, which then never verifies again.
func (s Self) RevokeKey(ctx context.Context, opts ...CallOption) error {
	return do(ctx, s.c, "self.revokeKey", &SelfRevokeKeyRequest{}, opts)
}
