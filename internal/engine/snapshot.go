package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"unique"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// keySnapshot is a cached key with everything that verification needs, read at
// one moment. It is immutable; a change of anything that it was built from
// makes it stale. It has no balance, only whether there is one: balances are in
// the store.
//
// A cache can have millions of them, so values that many keys share are stored
// once, and values that most keys don't have are behind one pointer.
type keySnapshot struct {
	coherence.Dependencies
	*keyLocation
	*grants
	id, name     string
	family       string // id of the balance and of the counts
	meta         latchkey.Meta
	expires      int64        // unix ms, or never
	refillAt     int64        // the next refill, unix ms; 0 for none
	refillAmount int64        // what the balance has at least after it
	used         atomic.Int64 // last recorded use, unix ms; the only mutable field
	deleted      bool         // the key, its API or its workspace is deleted
	workspaceOff bool
	enabled      bool
	ownerOff     bool // its identity is disabled
	limited      bool // there is a balance
}

// keyLocation is the API, keyspace and workspace of a key.
type keyLocation struct{ api, keyspace, workspace string }

// grants are the permissions, roles, limits and identity of a key, and the
// addresses that can use it.
type grants struct {
	permissions, roles []string // sorted
	permissionSet      *rbac.Held
	allowedIPs         []netip.Prefix
	identity           *latchkey.Identity
	identityMeta       unique.Handle[string] // keeps the copy that the identity's keys share
	limits             []effectiveLimit
	budgets            []attachedBudget // in order of their ids
}

// attachedBudget is a budget that verifications can spend from.
type attachedBudget struct {
	id, name  string
	autoApply bool
}

// noGrants is shared by all keys without grants or limits.
var noGrants = &grants{permissionSet: rbac.Hold(nil)}

// effectiveLimit is a limit of the key or, where the key has none of that name,
// of its identity.
type effectiveLimit struct {
	latchkey.Ratelimit
	identifier string // the key or the identity that it counts for
	namespace  string // of its counter
}

// limitOn returns a limit that counts for an identifier. Its namespace is built
// here rather than at each verification. Ids of namespaces contain no slash, so
// it can't collide with those of ratelimit.limit.
func limitOn(identifier string, l latchkey.Ratelimit) effectiveLimit {
	const prefix = "key/"
	namespace := prefix + l.Name
	l.Name = namespace[len(prefix):] // shares the memory
	return effectiveLimit{l, identifier, namespace}
}

// Unknown reports whether the key does not exist.
func (k *keySnapshot) Unknown() bool { return k.id == "" }

// weighKey estimates the bytes of a cached key, including the cache's entry. A
// test compares it with the runtime's heap.
func weighKey(_ keyRef, k *keySnapshot) uint32 {
	const base, belonging, text, limit, identity, budget = 290, 220, 20, 100, 110, 80
	n := base + len(k.meta) + len(k.name)
	if b := k.grants; b != nil && b != noGrants {
		n += belonging + limit*len(b.limits) + budget*len(b.budgets)
		for _, s := range b.permissions {
			n += 2*text + len(s)
		}
		for _, s := range b.roles {
			n += 2*text + len(s)
		}
		if b.identity != nil {
			n += identity + len(b.identity.Meta) + limit*len(b.identity.Ratelimits)
		}
	}
	return uint32(n)
}

// snapshot returns the key with that hash in the caller's workspace, from the cache if it
// is current.
func (e *Engine) snapshot(ctx context.Context, who *Caller, hash keyHash) (*keySnapshot, error) {
	load := func(ctx context.Context, asOf coherence.Version) (*keySnapshot, error) {
		return e.loadKey(ctx, asOf, hash.String(), who.root.workspace)
	}
	key, age, err := e.keys.Get(ctx, who.Lane, hash.in(who.root.workspaceHash), load)
	e.noteStaleness(who, age)
	return key, err
}

func (e *Engine) loadKey(
	ctx context.Context, asOf coherence.Version, hash, workspace string,
) (*keySnapshot, error) {
	row, err := e.db.KeyByHash(ctx, hash, workspace)
	if errors.Is(err, store.ErrNotFound) {
		return &keySnapshot{Dependencies: asOf.DependsOn(hash)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	stored, err := e.loadGrants(ctx, &row.Key)
	if err != nil {
		return nil, err
	}
	return e.newSnapshot(asOf, &row, stored)
}

// newSnapshot builds the snapshot of a key from its rows.
func (e *Engine) newSnapshot(
	asOf coherence.Version, row *read.KeyByHashRow, stored *storedGrants,
) (*keySnapshot, error) {
	b, err := newGrants(row, stored)
	if err != nil {
		return nil, err
	}
	key := &row.Key
	on := slices.Concat(stored.roleIDs,
		[]string{key.ID, key.APIID, key.WorkspaceID, key.IdentityID})
	if key.Family != "" {
		on = append(on, key.Family)
	}
	for _, budget := range stored.budgets {
		on = append(on, budget.id)
	}
	k := &keySnapshot{
		Dependencies: asOf.DependsOn(on...),
		keyLocation:  e.locations.intern(keyLocation{key.APIID, row.KeyspaceID, key.WorkspaceID}),
		grants:       b,
		id:           key.ID, name: key.Name, family: balanceID(key), meta: latchkey.Meta(key.Meta),
		expires:      orElse(key.Expires, never),
		deleted:      key.DeletedAt != 0 || row.APIDeletedAt != 0 || row.WorkspaceDeletedAt != 0,
		workspaceOff: !row.WorkspaceEnabled,
		enabled:      key.Enabled,
		ownerOff:     !row.IdentityEnabled,
		limited:      row.Remaining.Valid,
	}
	if row.RefillInterval != "" {
		k.refillAt, k.refillAmount = row.RefillAt, row.RefillAmount
	}
	k.used.Store(key.LastUsedAt)
	return k, nil
}

func newGrants(row *read.KeyByHashRow, stored *storedGrants) (*grants, error) {
	allowedIPs, err := parsePrefixes(row.IPWhitelist)
	if err != nil {
		return nil, fmt.Errorf("API %s: addresses: %w", row.Key.APIID, err)
	}
	meta, identityMeta := shared(row.IdentityMeta)
	limits, identity := effectiveLimits(
		&row.Key, owner{row.ExternalID, meta, row.IdentityEnabled}, stored,
	)
	if allowedIPs == nil && limits == nil && identity == nil && stored.permissions == nil &&
		stored.roles == nil && stored.budgets == nil {
		return noGrants, nil
	}
	return &grants{
		permissions: stored.permissions, roles: stored.roles,
		permissionSet: rbac.Hold(stored.permissions),
		allowedIPs:    allowedIPs, identity: identity, identityMeta: identityMeta, limits: limits,
		budgets: stored.budgets,
	}, nil
}

// shared returns a copy of a long text that all who ask for it share while one of them
// keeps the handle. A short text is returned as it is.
func shared(text string) (string, unique.Handle[string]) {
	const long = 1 << 10
	if len(text) < long {
		return text, unique.Handle[string]{}
	}
	handle := unique.Make(text)
	return handle.Value(), handle
}

// effectiveLimits joins the limits of a key with those of its identity; a limit
// of the key overrides that of its identity with the same name. The returned
// identity has the limits that are not overridden.
func effectiveLimits(
	key *read.Key, o owner, h *storedGrants,
) ([]effectiveLimit, *latchkey.Identity) {
	var limits []effectiveLimit
	for _, l := range h.limits {
		limits = append(limits, limitOn(balanceID(key), l))
	}
	identity := identityOf(key, o, nil)
	for _, l := range h.shared {
		if _, hidden := slices.BinarySearchFunc(h.limits, l, byLimitName); !hidden {
			limits = append(limits, limitOn(key.IdentityID, l))
			identity.Ratelimits = append(identity.Ratelimits, l)
		}
	}
	return limits, identity
}

// owner is what queries of keys return of the key's identity.
type owner struct {
	externalID, meta string
	enabled          bool
}

// identityOf returns the identity of a key, or nil if it has none.
func identityOf(key *read.Key, o owner, limits []latchkey.Ratelimit) *latchkey.Identity {
	if key.IdentityID == "" || o.externalID == "" {
		return nil
	}
	return &latchkey.Identity{
		ID: key.IdentityID, ExternalID: o.externalID, Meta: latchkey.Meta(o.meta),
		Ratelimits: limits, Disabled: !o.enabled,
	}
}
