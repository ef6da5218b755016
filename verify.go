package latchkey

import (
	"context"
	"errors"
	"slices"
)

// VerifyKeyRequest checks a key.
type VerifyKeyRequest struct {
	// Key is the whole key, as its user sent it.
	Key string `json:"key" check:"required,min=1,max=512"`
	// Tags are stored with the event for later analysis, for example "path=/v1/search".
	Tags []string `json:"tags,omitempty" check:"max=20,items.min=1,items.max=512"`
	// Permissions is a query that the key must satisfy, for example "docs.read AND (docs.write OR
	// admin)".
	Permissions PermissionQuery `json:"permissions,omitempty" check:"min=1,max=1000"`
	// Credits says what the call costs, if the key has a balance; 1 by default.
	Credits *VerifyKeyCredits `json:"credits,omitempty"`
	// Ratelimits are limits to check in addition to those that apply automatically.
	Ratelimits []VerifyKeyRatelimit `json:"ratelimits,omitempty" check:"max=50"`
	// MigrationID identifies a migration. A key that it imported is found by the hash of the other
	// system, too.
	MigrationID string `json:"migrationId,omitempty" check:"max=256"`
	// Keyspaces are ids of keyspaces. A key of another keyspace is NOT_FOUND; without the list it can
	// be of any.
	Keyspaces []string `json:"keyspaces,omitempty" check:"min=1,max=5,items.min=1,items.max=100"`
	// Budgets says what the call costs of budgets that are attached to the key or its identity.
	// Attached ones with autoApply that it doesn't name cost 1.
	Budgets []BudgetCost `json:"budgets,omitempty" check:"max=8"`
	// Reserve reserves what the call costs, credits included, instead of spending it.
	Reserve *VerifyKeyReserve `json:"reserve,omitempty"`
}

// PermissionQuery is a condition on the permissions of a key: slugs joined by AND and
// OR, with parentheses. AND binds tighter than OR. A key satisfies a slug if it holds it,
// or a permission with * in it that matches. It is one text, whereas the permissions of
// a [CreateKeyRequest] are a list of slugs.
type PermissionQuery string

// VerifyKeyCredits says what a call costs.
type VerifyKeyCredits struct {
	// Cost is spent from the balance; 0 checks the key without spending.
	Cost Opt[int64] `json:"cost,omitzero" check:"required,min=0,max=1000000000000"`
}

// VerifyKeyRatelimit is a limit to check: a stored one, by its name, or one given with the call.
type VerifyKeyRatelimit struct {
	_ struct{} `check:"loose"`
	// Name is the name of a limit of the key or its identity, or of one that Limit and Duration
	// define.
	Name string `json:"name" check:"required,min=3,max=255"`
	// Cost is how much of the limit the call uses.
	Cost Opt[int64] `json:"cost,omitzero" check:"min=0,default=1"`
	// Limit defines a limit for this call, together with Duration; 0 denies.
	Limit Opt[int64] `json:"limit,omitzero" check:"min=0"`
	// Duration is the window of that limit in milliseconds, from one second to 30 days.
	Duration Opt[Duration] `json:"duration,omitzero" check:"min=0,max=2592000000"`
	// Algorithm is how that limit counts: "sliding_window", the default, or "token_bucket". A limit of
	// the key or its identity has its own.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// Verification is the response to [VerifyKeyRequest]: a result, valid or not.
type Verification struct {
	// Valid reports whether the key is valid for this call.
	Valid bool `json:"valid" check:"required"`
	// Code is VALID, or the reason why the key is not valid.
	Code Code `json:"code" check:"required,enum=VALID|NOT_FOUND|FORBIDDEN|INSUFFICIENT_PERMISSIONS|USAGE_EXCEEDED|RATE_LIMITED|DISABLED|EXPIRED"`
	// KeyID identifies the key. It is absent if the key was not found, and so is everything that
	// follows.
	KeyID string `json:"keyId,omitempty"`
	// KeyspaceID is the keyspace of the key, which is that of its API.
	KeyspaceID string `json:"keyspaceId,omitempty"`
	// Name is the key's name.
	Name string `json:"name,omitempty"`
	// Meta is the key's metadata.
	Meta Meta `json:"meta,omitempty"`
	// Expires is the last moment at which the key verifies, in unix milliseconds; absent for never.
	Expires Time `json:"expires,omitzero"`
	// Credits is the balance after this call; absent for a key without a limit.
	Credits Opt[int64] `json:"credits,omitzero"`
	// Enabled is false while the key is disabled.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Permissions are the slugs the key holds, directly or through its roles.
	Permissions []string `json:"permissions,omitempty"`
	// Roles are the names of the key's roles.
	Roles []string `json:"roles,omitempty"`
	// Identity is the owner of the key. It lists the limits that the key's own limits don't replace.
	Identity *Identity `json:"identity,omitempty"`
	// Ratelimits are the limits that were checked.
	Ratelimits []RatelimitState `json:"ratelimits,omitempty"`
	// RetryAfter is how long to wait until a call that was RATE_LIMITED or USAGE_EXCEEDED
	// fits, if nothing else is counted or spent until then, in milliseconds: until all
	// exceeded limits have room, or until the refill. It is absent if that never happens
	// or is unknown.
	RetryAfter Duration `json:"retryAfter,omitzero"`
	// Budgets are the budgets that the call costs something of, after the call.
	Budgets []BudgetState `json:"budgets,omitempty"`
	// Reservation is what the call reserved, to be settled with budgets.settle; absent if it reserved
	// nothing.
	Reservation *NewReservation `json:"reservation,omitempty"`
}

// detach copies what a verification in process shares with the cache of the
// service, so that the caller can change it.
func (v *Verification) detach() {
	v.Permissions, v.Roles = slices.Clone(v.Permissions), slices.Clone(v.Roles)
	if v.Identity != nil {
		identity := *v.Identity
		identity.Ratelimits = slices.Clone(identity.Ratelimits)
		v.Identity = &identity
	}
}

// ExternalID returns your name for the key's owner, "" if the key has none or
// was not found.
func (v Verification) ExternalID() string { return externalID(v.Identity) }

// Code is the outcome of a verification.
type Code string

// The values of Code.
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
	// Exceeded reports whether the call exceeds this limit.
	Exceeded bool `json:"exceeded" check:"required"`
	// ID identifies the limit; empty if it was given with the call.
	ID string `json:"id" check:"required"`
	// Name is the name of the limit.
	Name string `json:"name" check:"required"`
	// Limit is how much can be used in one window.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// RetryAfter is how long to wait until the call fits under this limit, if nothing else
	// is counted until then, in milliseconds. It is absent if the call fits, if it never will
	// because it costs more than the limit, or if that is unknown.
	RetryAfter Duration `json:"retryAfter,omitzero"`
	// Remaining is how much is left.
	Remaining int64 `json:"remaining" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
}

// Verify checks a key. A key that is not valid is a result, not an error.
func (s Keys) Verify(
	ctx context.Context, r VerifyKeyRequest, opts ...CallOption,
) (v Verification, err error) {
	answer, err := fetch(ctx, s.c, "keys.verifyKey", &r, opts, &v)
	switch {
	case err != nil:
		return Verification{}, err
	case v.Code == "":
		return Verification{}, errors.New(
			"latchkey: keys.verifyKey: the answer has no code; is this a Latchkey service?",
		)
	case answer.Data != nil:
		v.detach()
	}
	return v, nil
}
