package latchkey

import "context"

// ExplainKeyRequest asks what keys.verifyKey would respond, and why. It names the key by KeyID or
// by Key, and has the fields of [VerifyKeyRequest] that the outcome depends on.
type ExplainKeyRequest struct {
	// KeyID is the key. Send either it or key.
	KeyID string `json:"keyId,omitempty" check:"min=3,max=255,pattern=id"`
	// Key is the whole key, as its user sent it.
	Key string `json:"key,omitempty" check:"min=1,max=512"`
	// Permissions is a query that the key must satisfy.
	Permissions PermissionQuery `json:"permissions,omitempty" check:"min=1,max=1000"`
	// Credits says what the call would cost, if the key has a balance; 1 by default.
	Credits *VerifyKeyCredits `json:"credits,omitempty"`
	// Ratelimits are limits to check in addition to those that apply automatically.
	Ratelimits []VerifyKeyRatelimit `json:"ratelimits,omitempty" check:"max=50"`
	// Budgets says what the call would cost of budgets that are attached to the key or its identity.
	// Attached ones with autoApply that it doesn't name cost 1.
	Budgets []BudgetCost `json:"budgets,omitempty" check:"max=8"`
	// Reserve asks about a call that reserves what it costs, instead of spending it.
	Reserve *VerifyKeyReserve `json:"reserve,omitempty"`
	// Keyspaces are ids of keyspaces. A key of another keyspace is NOT_FOUND; without the list it can
	// be of any.
	Keyspaces []string `json:"keyspaces,omitempty" check:"min=1,max=5,items.min=1,items.max=100"`
	// IP is the address that the call would come from; by default that of this request.
	IP string `json:"ip,omitempty" check:"min=2,max=64"`
}

// KeyExplanation is the response to [ExplainKeyRequest].
type KeyExplanation struct {
	// Valid reports whether keys.verifyKey would find the key valid.
	Valid bool `json:"valid" check:"required"`
	// Code is the code with which keys.verifyKey would respond.
	Code Code `json:"code" check:"required,enum=VALID|NOT_FOUND|FORBIDDEN|INSUFFICIENT_PERMISSIONS|USAGE_EXCEEDED|RATE_LIMITED|DISABLED|EXPIRED"`
	// Summary is the reason in a sentence.
	Summary string `json:"summary" check:"required"`
	// Next is what to do so that the key becomes valid; absent if it is.
	Next string `json:"next,omitempty"`
	// KeyID identifies the key. It is absent if the key was not found, and so is everything that
	// follows, except for checks.
	KeyID string `json:"keyId,omitempty"`
	// APIID is the API of the key.
	APIID string `json:"apiId,omitempty"`
	// KeyspaceID is the keyspace of the key.
	KeyspaceID string `json:"keyspaceId,omitempty"`
	// Name is the key's name.
	Name string `json:"name,omitempty"`
	// ExternalID is your name for the owner of the key.
	ExternalID string `json:"externalId,omitempty"`
	// Checks are the checks in the order in which keys.verifyKey makes them. Those after the first
	// failed one are shown too, although keys.verifyKey doesn't make them.
	Checks []KeyCheck `json:"checks" check:"required"`
	// Permissions are the permissions of the query, and which of them the key has.
	Permissions []ExplainedPermission `json:"permissions,omitempty"`
	// Grants says where the permissions come from that satisfy those of the query.
	Grants []PermissionGrant `json:"grants,omitempty"`
	// Ratelimits are the limits of the key and of its owner, and those of the request, as they are
	// now.
	Ratelimits []ExplainedRatelimit `json:"ratelimits,omitempty"`
	// Credits is the balance; absent for a key without a limit.
	Credits *ExplainedCredits `json:"credits,omitempty"`
	// Budgets are the budgets that the call costs something of, as they are now.
	Budgets []ExplainedBudget `json:"budgets,omitempty"`
	// Cache is what the node that responded had in memory.
	Cache *ExplainedCache `json:"cache,omitempty"`
}

// KeyCheck is a check that keys.verifyKey makes.
type KeyCheck struct {
	// Check is what is checked.
	Check KeyCheckName `json:"check" check:"required,enum=exists|workspace|enabled|expires|address|permissions|ratelimits|credits|budgets"`
	// Passed reports whether the check passes.
	Passed bool `json:"passed" check:"required"`
	// Decides marks the first check that fails. Its code is that of the verification.
	Decides bool `json:"decides,omitempty"`
	// Code is the code of a verification in which this check is the first that fails; absent if it
	// passes.
	Code Code `json:"code,omitempty"`
	// Detail has the values that were compared, in a sentence.
	Detail string `json:"detail" check:"required"`
	// Next is what to do so that the check passes; absent if it does.
	Next string `json:"next,omitempty"`
}

// KeyCheckName names a check of a verification.
type KeyCheckName string

// The values of KeyCheckName, in the order of the checks.
const (
	CheckExists      KeyCheckName = "exists"
	CheckWorkspace   KeyCheckName = "workspace"
	CheckEnabled     KeyCheckName = "enabled"
	CheckExpires     KeyCheckName = "expires"
	CheckAddress     KeyCheckName = "address"
	CheckPermissions KeyCheckName = "permissions"
	CheckRatelimits  KeyCheckName = "ratelimits"
	CheckCredits     KeyCheckName = "credits"
	CheckBudgets     KeyCheckName = "budgets"
)

// ExplainedPermission is a permission of a query.
type ExplainedPermission struct {
	// Permission is the slug in the query.
	Permission string `json:"permission" check:"required"`
	// Held reports whether the key has it.
	Held bool `json:"held" check:"required"`
	// By is the permission of the key that satisfies it: the same slug, or one with a *.
	By string `json:"by,omitempty"`
}

// PermissionGrant says where a key has a permission from.
type PermissionGrant struct {
	// Permission is the slug.
	Permission string `json:"permission" check:"required"`
	// Direct reports whether the key itself has the permission.
	Direct bool `json:"direct" check:"required"`
	// Roles are the names of the key's roles that have the permission.
	Roles []string `json:"roles,omitempty"`
}

// ExplainedRatelimit is a rate limit of a key as it is now. Nothing was counted.
type ExplainedRatelimit struct {
	// ID identifies the limit; empty if it was given with the request.
	ID string `json:"id" check:"required"`
	// Name is the name of the limit.
	Name string `json:"name" check:"required"`
	// From says whose limit it is: "key", "identity" or "request". A limit of the key hides that of
	// its identity with the same name.
	From RatelimitOwner `json:"from" check:"required,enum=key|identity|request"`
	// Checked reports whether this verification would check the limit: it applies automatically, or
	// the request names it.
	Checked bool `json:"checked" check:"required"`
	// Exceeded reports whether the call would exceed the limit. It is false for a limit that isn't
	// checked.
	Exceeded bool `json:"exceeded" check:"required"`
	// Limit is how much can be used in one window.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// Algorithm is how the limit counts; absent for a sliding window.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
	// Cost is how much the call would use.
	Cost int64 `json:"cost" check:"required"`
	// Used is how much is used, at most the limit.
	Used int64 `json:"used" check:"required"`
	// Remaining is how much is left before the call.
	Remaining int64 `json:"remaining" check:"required"`
	// Reset is the end of the current window, or when the token bucket is full again, in
	// unix milliseconds.
	Reset Time `json:"reset" check:"required"`
	// RetryAfter is how long to wait until the call fits, in milliseconds. It is absent if the call
	// fits, and if it never will.
	RetryAfter Duration `json:"retryAfter,omitzero"`
}

// RatelimitOwner says whose limit a rate limit is.
type RatelimitOwner string

// The values of RatelimitOwner.
const (
	OwnedByKey      RatelimitOwner = "key"
	OwnedByIdentity RatelimitOwner = "identity"
	OwnedByRequest  RatelimitOwner = "request"
)

// ExplainedCredits is the balance of a key before the call.
type ExplainedCredits struct {
	// Remaining is the balance before the call. A refill that is due is in it.
	Remaining int64 `json:"remaining" check:"required"`
	// Cost is what the call would spend.
	Cost int64 `json:"cost" check:"required"`
	// RefillAmount is what the next refill fills the balance up to; absent without refills.
	RefillAmount int64 `json:"refillAmount,omitempty"`
	// RefillAt is when the next refill is, in unix milliseconds; absent without refills.
	RefillAt Time `json:"refillAt,omitzero"`
}

// ExplainedBudget is a budget before the call. Nothing was spent or reserved.
type ExplainedBudget struct {
	// ID identifies the budget.
	ID string `json:"id" check:"required"`
	// Name is its name.
	Name string `json:"name" check:"required"`
	// Unit is a label for its amounts; "" for none.
	Unit string `json:"unit" check:"required"`
	// Exceeded reports whether the budget would refuse the call.
	Exceeded bool `json:"exceeded" check:"required"`
	// Cost is what the call would spend or reserve.
	Cost int64 `json:"cost" check:"required"`
	// Remaining is what can be spent or reserved before the call.
	Remaining int64 `json:"remaining" check:"required"`
	// Reserved is what open reservations have taken from Remaining.
	Reserved int64 `json:"reserved" check:"required"`
	// Allowance is what each period brings; null for nothing.
	Allowance Opt[int64] `json:"allowance,omitzero" check:"required,null"`
	// Reset is the end of this period, in unix milliseconds; absent without a period.
	Reset Time `json:"reset,omitzero"`
}

// ExplainedCache is what the node that responded had in memory of a key when it was asked.
type ExplainedCache struct {
	// Cached reports whether the node had the key in memory.
	Cached bool `json:"cached" check:"required"`
	// Usable reports whether a verification would have used it: nothing that it depends on has
	// changed, and it was known to be right within the last second.
	Usable bool `json:"usable" check:"required"`
	// Age is the time since it was last known to be right, in milliseconds. A node alone on its
	// database knows of every change, so there it is the time since the key was read.
	Age Duration `json:"age,omitzero"`
	// Code is what the checks up to the permissions would have found with it: VALID if all pass.
	Code Code `json:"code,omitempty"`
}

// Explain says what a verification of a key would respond, and why: each check with the values
// that were compared. It counts and spends nothing.
func (s Keys) Explain(
	ctx context.Context, r ExplainKeyRequest, opts ...CallOption,
) (KeyExplanation, error) {
	return call[KeyExplanation](ctx, s.c, "keys.explainKey", &r, opts)
}
