package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// keySnapshot is a key with all that verification needs, read at one moment. It
// never changes; a change of anything it was made of makes it stale instead. Of
// a balance it knows only that there is one: balances are spent in the store.
//
// Millions of them may be kept, so what many keys have in common is there once,
// and what most keys don't have takes no room in them.
type keySnapshot struct {
	coherence.Dependencies
	*keyLocation
	*grants
	id, name     string
	meta         latchkey.Meta
	expires      int64        // unix ms, or never
	refillAt     int64        // when the next refill is due; 0 for none
	used         atomic.Int64 // when its use was last noted, unix ms; the only part that moves
	deleted      bool         // the key, its API or its workspace is deleted
	workspaceOff bool
	enabled      bool
	limited      bool // there is a balance
}

// home is where a key lives.
type keyLocation struct{ api, keyspace, workspace string }

// belongings is what a key holds, and what is asked of those who present it.
type grants struct {
	permissions, roles []string // sorted
	permissionSet      *rbac.Held
	allowedIPs         []netip.Prefix
	identity           *latchkey.Identity
	limits             []effectiveLimit
}

// nothing is what keys have that hold nothing.
var noGrants = &grants{permissionSet: rbac.Hold(nil)}

// effectiveLimit is a limit of the key or, where the key has none of that name,
// of its identity.
type effectiveLimit struct {
	latchkey.Ratelimit
	identifier string // who shares its count
	namespace  string // the namespace of its count
}

// limitOn returns a limit whose count the holder shares. The text of its space
// is made here, once, rather than at each verification; no id of a namespace has
// a slash, so it can't meet those of ratelimit.limit.
func limitOn(identifier string, l latchkey.Ratelimit) effectiveLimit {
	const prefix = "key/"
	namespace := prefix + l.Name
	l.Name = namespace[len(prefix):] // shares the text
	return effectiveLimit{l, identifier, namespace}
}

// Unknown reports that there is no such key.
func (k *keySnapshot) Unknown() bool { return k.id == "" }

// weighKey estimates the bytes a cached key takes, those of the cache's own entry
// among them. A test holds it to what the runtime says.
func weighKey(_ keyHash, k *keySnapshot) uint32 {
	const base, belonging, text, limit, identity = 290, 190, 20, 100, 110
	n := base + len(k.meta) + len(k.name)
	if b := k.grants; b != nil && b != noGrants {
		n += belonging + limit*len(b.limits)
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

// snapshot returns the key with that hash for a caller, from memory if that is
// to be trusted.
func (e *Engine) snapshot(ctx context.Context, who *Caller, hash keyHash) (*keySnapshot, error) {
	key, age, err := e.keys.Get(ctx, who.Lane, hash, func(ctx context.Context, asOf coherence.Version) (*keySnapshot, error) {
		return e.loadKey(ctx, asOf, hash.String())
	})
	e.noteStaleness(who, age)
	return key, err
}

func (e *Engine) loadKey(ctx context.Context, asOf coherence.Version, hash string) (*keySnapshot, error) {
	row, err := e.db.KeyByHash(ctx, hash)
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

// newSnapshot makes a snapshot of what was read.
func (e *Engine) newSnapshot(asOf coherence.Version, row *read.KeyByHashRow, stored *storedGrants) (*keySnapshot, error) {
	b, err := newGrants(row, stored)
	if err != nil {
		return nil, err
	}
	key := &row.Key
	k := &keySnapshot{
		Dependencies: asOf.DependsOn(append(stored.roleIDs, key.ID, key.APIID, key.WorkspaceID, key.IdentityID)...),
		keyLocation:  e.locations.intern(keyLocation{key.APIID, row.KeyspaceID, key.WorkspaceID}),
		grants:       b,
		id:           key.ID, name: key.Name, meta: latchkey.Meta(key.Meta),
		expires:      orElse(key.Expires, never),
		deleted:      key.DeletedAt != 0 || row.APIDeletedAt != 0 || row.WorkspaceDeletedAt != 0,
		workspaceOff: !row.WorkspaceEnabled,
		enabled:      key.Enabled,
		limited:      key.Remaining.Valid,
	}
	if key.RefillInterval != "" && k.limited {
		k.refillAt = key.RefillAt
	}
	k.used.Store(key.LastUsedAt)
	return k, nil
}

func newGrants(row *read.KeyByHashRow, stored *storedGrants) (*grants, error) {
	allowedIPs, err := parsePrefixes(row.IPWhitelist)
	if err != nil {
		return nil, fmt.Errorf("API %s: addresses: %w", row.Key.APIID, err)
	}
	limits, identity := effectiveLimits(&row.Key, row.ExternalID, row.IdentityMeta, stored)
	if allowedIPs == nil && limits == nil && identity == nil && stored.permissions == nil && stored.roles == nil {
		return noGrants, nil
	}
	return &grants{
		permissions: stored.permissions, roles: stored.roles, permissionSet: rbac.Hold(stored.permissions),
		allowedIPs: allowedIPs, identity: identity, limits: limits,
	}, nil
}

// effectiveLimits joins the limits of a key with those of its identity, a
// limit of the key hiding one of the same name, and returns the identity with
// the limits that are not hidden.
func effectiveLimits(key *read.Key, externalID, meta string, h *storedGrants) ([]effectiveLimit, *latchkey.Identity) {
	var limits []effectiveLimit
	for _, l := range h.limits {
		limits = append(limits, limitOn(key.ID, l))
	}
	identity := identityOf(key, externalID, meta, nil)
	for _, l := range h.shared {
		if _, hidden := slices.BinarySearchFunc(h.limits, l, byLimitName); !hidden {
			limits = append(limits, limitOn(key.IdentityID, l))
			identity.Ratelimits = append(identity.Ratelimits, l)
		}
	}
	return limits, identity
}

// identityOf returns the identity of a key, or nil.
func identityOf(key *read.Key, externalID, meta string, limits []latchkey.Ratelimit) *latchkey.Identity {
	if key.IdentityID == "" || externalID == "" {
		return nil
	}
	return &latchkey.Identity{ID: key.IdentityID, ExternalID: externalID, Meta: latchkey.Meta(meta), Ratelimits: limits}
}
