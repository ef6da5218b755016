package latchkey

import (
	"context"
	"errors"
	"slices"
)

// Key is what is known about a key. The secret itself is not kept, only its
// hash, unless the key was made recoverable.
type Key struct {
	// KeyID names the key in requests; it is not secret.
	KeyID string `json:"keyId" check:"required,min=8,max=255,pattern=id"`
	// Start is the beginning of the key, prefix included, for people to recognise it by.
	Start string `json:"start" check:"required"`
	// Enabled is false while the key is switched off.
	Enabled bool `json:"enabled" check:"required"`
	// Name is for people.
	Name string `json:"name,omitempty"`
	// Meta is free-form data; absent when there is none.
	Meta Meta `json:"meta,omitempty"`
	// CreatedAt is when the key was made, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// UpdatedAt is when keys.updateKey last changed the key, in unix milliseconds.
	UpdatedAt Time `json:"updatedAt,omitzero"`
	// LastUsedAt is when the key last verified, in unix milliseconds, accurate to some minutes.
	LastUsedAt Time `json:"lastUsedAt,omitzero"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Permissions are the slugs the key holds, directly or through its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
	// Credits is the balance; absent for a key without a limit.
	Credits *Credits `json:"credits,omitempty"`
	// Identity is who the key belongs to, if anyone.
	Identity *Identity `json:"identity,omitempty"`
	// Plaintext is the whole key, only if it is recoverable and was asked for.
	Plaintext string `json:"plaintext,omitempty"`
	// Ratelimits are the key's own limits; those of its identity stand there.
	Ratelimits []Ratelimit `json:"ratelimits,omitempty"`
}

// ExternalID returns your name for the key's owner, "" if the key has none.
func (k Key) ExternalID() string { return externalID(k.Identity) }

// Credits is how often a key may still be used.
type Credits struct {
	// Remaining is the balance; null for no limit.
	Remaining Opt[int64] `json:"remaining" check:"required,null,min=0"`
	// Refill sets the balance anew on a schedule.
	Refill *Refill `json:"refill,omitempty"`
}

// Refill sets a key's balance anew on a schedule, at midnight UTC.
type Refill struct {
	// Interval is how often: daily or monthly.
	Interval RefillInterval `json:"interval" check:"required,enum=daily|monthly"`
	// Amount is what the balance is set to. A higher balance is left alone.
	Amount int64 `json:"amount" check:"required,min=1"`
	// RefillDay is the day of the month of a monthly refill; a month without that day refills on its last.
	RefillDay int `json:"refillDay,omitempty" check:"min=1,max=31"`
}

// RefillInterval is how often a balance is set anew.
type RefillInterval string

// The refill intervals.
const (
	Daily   RefillInterval = "daily"
	Monthly RefillInterval = "monthly"
)

// CreateKeyRequest asks for a new key.
type CreateKeyRequest struct {
	// APIID is the API the key belongs to.
	APIID string `json:"apiId" check:"required,min=3,max=255,pattern=id"`
	// Prefix is put before the key, with an underscore between; by default the API's.
	Prefix string `json:"prefix,omitempty" check:"min=1,max=16,pattern=id"`
	// Name is for people.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// ByteLength is how many random bytes the key has; by default what the API says, else 16.
	ByteLength int `json:"byteLength,omitempty" check:"min=16,max=255,default=16"`
	// ExternalID is who the key belongs to; the identity is made if there is none.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255,pattern=externalId"`
	// Meta is free-form data, at most 100 properties and 1 MiB.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
	// Roles are names of roles that exist.
	Roles []string `json:"roles,omitempty" check:"max=100,items.min=1,items.max=128"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero" check:"min=0,max=4102444800000"`
	// Credits limits how often the key may be used; absent for no limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits limit how fast the key may be used.
	Ratelimits []RatelimitRequest `json:"ratelimits,omitempty" check:"max=50"`
	// Enabled is false to make a key that is switched off.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// Recoverable keeps the key encrypted so that it can be shown again; the API must permit it.
	Recoverable bool `json:"recoverable,omitempty" check:"default=false"`
}

// CreatedKey is a new key. This is the only time its secret is shown.
type CreatedKey struct {
	// KeyID names the key in requests; it is not secret.
	KeyID string `json:"keyId" check:"required"`
	// Key is the secret to hand to its user.
	Key string `json:"key" check:"required"`
}

// GetKeyRequest asks for one key.
type GetKeyRequest struct {
	// KeyID is the key to read.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Decrypt adds the plaintext if the key is recoverable.
	Decrypt bool `json:"decrypt,omitempty" check:"default=false"`
}

// WhoamiRequest asks for a key by its secret. It spends nothing.
type WhoamiRequest struct {
	// Key is the whole key.
	Key string `json:"key" check:"required,min=1,max=512"`
}

// UpdateKeyRequest changes a key. Absent fields stay as they are, null removes.
type UpdateKeyRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Name is for people; null removes it.
	Name Opt[string] `json:"name,omitzero" check:"null,min=1,max=255"`
	// ExternalID is who the key belongs to, made if need be; null unlinks it.
	ExternalID Opt[string] `json:"externalId,omitzero" check:"null,min=1,max=255,pattern=externalId"`
	// Meta replaces the metadata as a whole; null removes it.
	Meta Opt[Meta] `json:"meta,omitzero" check:"null,max=100"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; null for never.
	Expires Opt[Time] `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
	// Credits changes balance and refill; null removes the limit.
	Credits Opt[UpdateKeyCredits] `json:"credits,omitzero" check:"null"`
	// Ratelimits replaces the limits by name: a kept name keeps its id and its count. An empty list removes all.
	Ratelimits Opt[[]RatelimitRequest] `json:"ratelimits,omitzero" check:"max=50"`
	// Enabled switches the key on or off.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Roles replaces the roles by name; they must exist. An empty list removes all.
	Roles Opt[[]string] `json:"roles,omitzero" check:"max=100,items.min=1,items.max=128"`
	// Permissions replaces the direct permissions; new slugs are created. An empty list removes all.
	Permissions Opt[[]string] `json:"permissions,omitzero" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// UpdateKeyCredits changes balance and refill, each on its own.
type UpdateKeyCredits struct {
	// Remaining is the new balance; null removes limit and refill.
	Remaining Opt[int64] `json:"remaining,omitzero" check:"null,min=0"`
	// Refill is the new schedule; null removes it.
	Refill Opt[Refill] `json:"refill,omitzero" check:"null"`
}

// DeleteKeyRequest asks to delete a key. It stops verifying at once.
type DeleteKeyRequest struct {
	// KeyID is the key to delete.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permanent removes the key's record too, instead of only marking it deleted.
	Permanent bool `json:"permanent,omitempty" check:"default=false"`
}

// VerifyKeyRequest asks whether a key may pass.
type VerifyKeyRequest struct {
	// Key is the whole key as its user sent it.
	Key string `json:"key" check:"required,min=1,max=512"`
	// Tags are kept with the event for later analysis, for example "path=/v1/search".
	Tags []string `json:"tags,omitempty" check:"max=20,items.min=1,items.max=512"`
	// Permissions is a query the key must satisfy, for example "docs.read AND (docs.write OR admin)".
	Permissions string `json:"permissions,omitempty" check:"min=1,max=1000"`
	// Credits says what the call costs, if the key has a balance; 1 by default.
	Credits *VerifyKeyCredits `json:"credits,omitempty"`
	// Ratelimits are limits to check besides those that always apply.
	Ratelimits []VerifyKeyRatelimit `json:"ratelimits,omitempty"`
	// MigrationID names the migration that the key may have come with.
	MigrationID string `json:"migrationId,omitempty" check:"max=256"`
}

// VerifyKeyCredits says what a call costs.
type VerifyKeyCredits struct {
	// Cost is taken from the balance; 0 only asks.
	Cost int64 `json:"cost" check:"required,min=0,max=1000000000000"`
}

// VerifyKeyRatelimit names a limit to check.
type VerifyKeyRatelimit struct {
	_ struct{} `check:"loose"`
	// Name is the name of a limit of the key or its identity, or of a limit given right here.
	Name string `json:"name" check:"required,min=3,max=255"`
	// Cost is how much the call uses.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,default=1"`
	// Limit, together with Duration, is a limit for this call alone; 0 refuses.
	Limit Opt[int64] `json:"limit,omitzero" check:"min=0"`
	// Duration is the window of that limit in milliseconds, at least one second.
	Duration Opt[Duration] `json:"duration,omitzero" check:"min=0"`
}

// Verification is the answer to [VerifyKeyRequest]: a result, valid or not.
type Verification struct {
	// Valid reports whether the key may pass.
	Valid bool `json:"valid" check:"required"`
	// Code says why.
	Code Code `json:"code" check:"required,enum=VALID|NOT_FOUND|FORBIDDEN|INSUFFICIENT_PERMISSIONS|USAGE_EXCEEDED|RATE_LIMITED|DISABLED|EXPIRED"`
	// KeyID names the key; absent, like all that follows, if the key was not found.
	KeyID string `json:"keyId,omitempty"`
	// Name is the key's name.
	Name string `json:"name,omitempty"`
	// Meta is the key's metadata.
	Meta Meta `json:"meta,omitempty"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Credits is the balance after this call; absent for a key without a limit.
	Credits Opt[int64] `json:"credits,omitzero"`
	// Enabled is false while the key is switched off.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Permissions are the slugs the key holds, directly or through its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
	// Identity is who the key belongs to, with the limits that the key's own don't replace.
	Identity *Identity `json:"identity,omitempty"`
	// Ratelimits are the limits that were checked.
	Ratelimits []RatelimitState `json:"ratelimits,omitempty"`
}

// ExternalID returns your name for the key's owner, "" if the key has none or
// was not found.
func (v Verification) ExternalID() string { return externalID(v.Identity) }

func externalID(owner *Identity) string {
	if owner == nil {
		return ""
	}
	return owner.ExternalID
}

// detach makes copies of what a verification in process shares with the
// service's cache, so that whoever gets it may change it.
func (v *Verification) detach() {
	v.Permissions, v.Roles = slices.Clone(v.Permissions), slices.Clone(v.Roles)
	if v.Identity != nil {
		identity := *v.Identity
		identity.Ratelimits = slices.Clone(identity.Ratelimits)
		v.Identity = &identity
	}
}

// Code says why a key may or may not pass.
type Code string

// The verification codes.
const (
	Valid                   Code = "VALID"
	NotFound                Code = "NOT_FOUND"
	Forbidden               Code = "FORBIDDEN"
	InsufficientPermissions Code = "INSUFFICIENT_PERMISSIONS"
	UsageExceeded           Code = "USAGE_EXCEEDED"
	RateLimited             Code = "RATE_LIMITED"
	Disabled                Code = "DISABLED"
	Expired                 Code = "EXPIRED"
)

// RatelimitState is a limit that a verification checked.
type RatelimitState struct {
	// Exceeded reports whether this limit had no room for the call.
	Exceeded bool `json:"exceeded" check:"required"`
	// ID is Latchkey's name for the limit; empty for one given with the call.
	ID string `json:"id" check:"required"`
	// Name is the name it was asked for by.
	Name string `json:"name" check:"required"`
	// Limit is how much may be used in one window.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// Reset is the end of the current window, in unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// Remaining is how much is left in the window.
	Remaining int64 `json:"remaining" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
}

// RerollKeyRequest asks for a new secret for what a key stands for.
type RerollKeyRequest struct {
	_ struct{} `check:"loose"`
	// KeyID is the key to replace.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Expiration is how long the old key still verifies, in milliseconds: 0 ends it at once. It never
	// outlives its own expiry.
	Expiration Opt[Duration] `json:"expiration,omitzero" check:"required,min=0,max=4102444800000"`
}

// UpdateCreditsRequest changes a key's balance.
type UpdateCreditsRequest struct {
	// KeyID is the key whose balance changes.
	KeyID string `json:"keyId" check:"required,min=3"`
	// Operation is set, increment or decrement; a balance never falls below 0.
	Operation CreditsOperation `json:"operation" check:"required,enum=set|increment|decrement"`
	// Value is the amount; null or absent with set removes the limit.
	Value Opt[int64] `json:"value,omitzero" check:"null,min=0"`
}

// CreditsOperation is how a balance changes.
type CreditsOperation string

// The changes of a balance.
const (
	SetCredits       CreditsOperation = "set"
	IncrementCredits CreditsOperation = "increment"
	DecrementCredits CreditsOperation = "decrement"
)

// AddPermissionsRequest gives a key permissions.
type AddPermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions" check:"required,min=1,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// RemovePermissionsRequest takes direct permissions from a key.
type RemovePermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs that exist; what the key doesn't hold is passed over.
	Permissions []string `json:"permissions" check:"required,min=1,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// SetPermissionsRequest replaces the direct permissions of a key.
type SetPermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs, the complete set; those that don't exist are created.
	Permissions []string `json:"permissions" check:"required,items.min=1,items.max=128,items.pattern=slug"`
}

// AddRolesRequest gives a key roles.
type AddRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist.
	Roles []string `json:"roles" check:"required,min=1,max=100,items.min=1,items.max=128"`
}

// RemoveRolesRequest takes roles from a key.
type RemoveRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist; what the key doesn't have is passed over.
	Roles []string `json:"roles" check:"required,min=1,max=100,items.min=1,items.max=128"`
}

// SetRolesRequest replaces the roles of a key.
type SetRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist, the complete set.
	Roles []string `json:"roles" check:"required,max=100,items.min=1,items.max=128"`
}

// MigrateKeysRequest brings keys of another system in by their hashes.
type MigrateKeysRequest struct {
	// MigrationID names the migration, which says how the hashes were made.
	MigrationID string `json:"migrationId" check:"required,min=3,max=255"`
	// APIID is the API the keys will belong to.
	APIID string `json:"apiId" check:"required,min=3,max=255"`
	// Keys are the keys to bring in.
	Keys []MigrateKey `json:"keys" check:"required,min=1"`
}

// MigrateKey is one key of another system.
type MigrateKey struct {
	// Hash is the key's hash in the migration's form.
	Hash string `json:"hash" check:"required,min=3"`
	// Name is for people.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// ExternalID is who the key belongs to; the identity is made if there is none.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Meta is free-form data, at most 100 properties and 1 MiB.
	Meta Meta `json:"meta,omitempty" check:"max=100"`
	// Roles are names; those that don't exist are created.
	Roles []string `json:"roles,omitempty" check:"max=100,items.min=1,items.max=128"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero" check:"min=0,max=4102444800000"`
	// Enabled is false to bring the key in switched off.
	Enabled Opt[bool] `json:"enabled,omitzero" check:"default=true"`
	// Credits limits how often the key may be used; absent for no limit.
	Credits *Credits `json:"credits,omitempty"`
	// Ratelimits limit how fast the key may be used.
	Ratelimits []RatelimitRequest `json:"ratelimits,omitempty" check:"max=50"`
}

// MigratedKeys is the answer to [MigrateKeysRequest].
type MigratedKeys struct {
	// Migrated are the keys that came in.
	Migrated []MigratedKey `json:"migrated" check:"required"`
	// Failed are the hashes that were here already.
	Failed []string `json:"failed" check:"required"`
}

// MigratedKey is a key that came in.
type MigratedKey struct {
	// Hash is the hash as it was sent.
	Hash string `json:"hash" check:"required"`
	// KeyID names the key from now on.
	KeyID string `json:"keyId" check:"required"`
}

// Keys are the operations on keys.
type Keys struct{ c *Client }

// Create makes a new key. The answer is the only place its secret is ever shown.
func (s Keys) Create(ctx context.Context, r CreateKeyRequest, opts ...CallOption) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "keys.createKey", &r, opts)
}

// Get reads one key by its id.
func (s Keys) Get(ctx context.Context, r GetKeyRequest, opts ...CallOption) (Key, error) {
	return call[Key](ctx, s.c, "keys.getKey", &r, opts)
}

// Whoami reads one key by its secret and spends nothing.
func (s Keys) Whoami(ctx context.Context, r WhoamiRequest, opts ...CallOption) (Key, error) {
	return call[Key](ctx, s.c, "keys.whoami", &r, opts)
}

// Update changes a key.
func (s Keys) Update(ctx context.Context, r UpdateKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "keys.updateKey", &r, opts)
}

// Delete deletes a key. It stops verifying at once.
func (s Keys) Delete(ctx context.Context, r DeleteKeyRequest, opts ...CallOption) error {
	return do(ctx, s.c, "keys.deleteKey", &r, opts)
}

// Verify asks whether a key may pass. A key that may not is an answer, not an error.
func (s Keys) Verify(ctx context.Context, r VerifyKeyRequest, opts ...CallOption) (v Verification, err error) {
	answer, err := fetch(ctx, s.c, "keys.verifyKey", &r, opts, &v)
	switch {
	case err != nil:
		return Verification{}, err
	case v.Code == "":
		return Verification{}, errors.New("latchkey: keys.verifyKey: the answer has no code; is this a Latchkey service?")
	case answer.Data != nil:
		v.detach()
	}
	return v, nil
}

// Reroll makes a new key in place of an old one.
func (s Keys) Reroll(ctx context.Context, r RerollKeyRequest, opts ...CallOption) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "keys.rerollKey", &r, opts)
}

// UpdateCredits changes a key's balance and returns the new one.
func (s Keys) UpdateCredits(ctx context.Context, r UpdateCreditsRequest, opts ...CallOption) (Credits, error) {
	return call[Credits](ctx, s.c, "keys.updateCredits", &r, opts)
}

// AddPermissions gives a key permissions and returns all its direct ones.
func (s Keys) AddPermissions(ctx context.Context, r AddPermissionsRequest, opts ...CallOption) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.addPermissions", &r, opts)
}

// RemovePermissions takes direct permissions from a key and returns those left.
func (s Keys) RemovePermissions(ctx context.Context, r RemovePermissionsRequest, opts ...CallOption) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.removePermissions", &r, opts)
}

// SetPermissions replaces the direct permissions of a key and returns them.
func (s Keys) SetPermissions(ctx context.Context, r SetPermissionsRequest, opts ...CallOption) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.setPermissions", &r, opts)
}

// AddRoles gives a key roles and returns all it has.
func (s Keys) AddRoles(ctx context.Context, r AddRolesRequest, opts ...CallOption) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.addRoles", &r, opts)
}

// RemoveRoles takes roles from a key and returns those left.
func (s Keys) RemoveRoles(ctx context.Context, r RemoveRolesRequest, opts ...CallOption) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.removeRoles", &r, opts)
}

// SetRoles replaces the roles of a key and returns them.
func (s Keys) SetRoles(ctx context.Context, r SetRolesRequest, opts ...CallOption) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.setRoles", &r, opts)
}

// Migrate brings keys of another system in by their hashes.
func (s Keys) Migrate(ctx context.Context, r MigrateKeysRequest, opts ...CallOption) (MigratedKeys, error) {
	return call[MigratedKeys](ctx, s.c, "keys.migrateKeys", &r, opts)
}
