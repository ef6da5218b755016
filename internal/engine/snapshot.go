package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// keySnapshot is a key with all that verification needs, read at one moment. It
// never changes; a change of anything it was made of makes it stale instead. Of
// a balance it knows only that there is one: balances are spent in the store.
type keySnapshot struct {
	stamp
	id, api, keyspace, workspace string
	name                         string
	meta                         latchkey.Meta
	gone                         bool // the key, its API or its workspace is deleted
	workspaceOff                 bool
	enabled                      bool
	expires                      int64 // unix ms, or never
	limited                      bool  // there is a balance
	refillAt                     int64 // when the next refill is due; 0 for none
	from                         []netip.Prefix
	permissions, roles           []string // sorted
	held                         *rbac.Held
	identity                     *latchkey.Identity
	limits                       []effectiveLimit

	used atomic.Int64 // when its use was last noted, unix ms; the only part that moves
}

// effectiveLimit is a limit of the key or, where the key has none of that name,
// of its identity. Its holder is who shares its count.
type effectiveLimit struct {
	latchkey.Ratelimit
	holder string
}

func (k *keySnapshot) unknown() bool { return k.id == "" }

// weighKey estimates the bytes a cached key takes.
func weighKey(_ keyHash, k *keySnapshot) uint32 {
	const base, each, limit = 600, 16, 96
	n := base + len(k.meta) + len(k.name) + limit*len(k.limits)
	for _, s := range k.permissions {
		n += 2*each + 2*len(s)
	}
	for _, s := range k.roles {
		n += each + len(s)
	}
	if k.identity != nil {
		n += 200 + len(k.identity.Meta) + limit*len(k.identity.Ratelimits)
	}
	return uint32(n)
}

// snapshot returns the key with that hash, from memory if nothing it was made
// of has changed.
func (e *Engine) snapshot(ctx context.Context, hash keyHash) (*keySnapshot, error) {
	return e.keys.get(ctx, hash, func(ctx context.Context, asOf uint64) (*keySnapshot, error) {
		return e.loadKey(ctx, asOf, hash.String())
	})
}

func (e *Engine) loadKey(ctx context.Context, asOf uint64, hash string) (*keySnapshot, error) {
	row, err := e.db.KeyByHash(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return &keySnapshot{stamp: e.clock.stampOf(asOf, hash)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	held, err := e.holding(ctx, &row.Key)
	if err != nil {
		return nil, err
	}
	from, err := parsePrefixes(row.IPWhitelist)
	if err != nil {
		return nil, fmt.Errorf("API %s: addresses: %w", row.Key.APIID, err)
	}
	k := &keySnapshot{
		id: row.Key.ID, api: row.Key.APIID, keyspace: row.KeyspaceID, workspace: row.Key.WorkspaceID,
		name:         row.Key.Name,
		meta:         latchkey.Meta(row.Key.Meta),
		gone:         row.Key.DeletedAt != 0 || row.APIDeletedAt != 0 || row.WorkspaceDeletedAt != 0,
		workspaceOff: !row.WorkspaceEnabled,
		enabled:      row.Key.Enabled,
		expires:      orElse(row.Key.Expires, never),
		limited:      row.Key.Remaining.Valid,
		from:         from,
	}
	if row.Key.RefillInterval != "" && k.limited {
		k.refillAt = row.Key.RefillAt
	}
	k.used.Store(row.Key.LastUsedAt)
	k.permissions, k.roles = held.permissions, held.roles
	k.held = rbac.Hold(held.permissions)
	k.limits, k.identity = effectiveLimits(&row.Key, row.ExternalID, row.IdentityMeta, held)
	k.stamp = e.clock.stampOf(asOf, append(held.roleIDs, row.Key.ID, row.Key.APIID, row.Key.WorkspaceID, row.Key.IdentityID)...)
	return k, nil
}

// holding is what a key holds.
type holding struct {
	permissions, roles []string // sorted, without repeats
	roleIDs            []string
	limits             []latchkey.Ratelimit // the key's own, in name order
	shared             []latchkey.Ratelimit // its identity's, in name order
}

// holding reads what a key holds.
func (e *Engine) holding(ctx context.Context, key *read.Key) (*holding, error) {
	rows, err := e.db.KeyGrants(ctx, key.ID, key.IdentityID)
	if err != nil {
		return nil, fmt.Errorf("key %s: grants: %w", key.ID, err)
	}
	h := new(holding)
	for _, row := range rows {
		switch {
		case row.Kind == "permission":
			h.permissions = append(h.permissions, row.Name)
		case row.Kind == "role":
			h.roles = append(h.roles, row.Name)
			h.roleIDs = append(h.roleIDs, row.ID)
		case row.OwnerID == key.ID:
			h.limits = append(h.limits, limitOf(row))
		default:
			h.shared = append(h.shared, limitOf(row))
		}
	}
	slices.Sort(h.permissions)
	h.permissions = slices.Compact(h.permissions)
	slices.Sort(h.roles)
	slices.SortFunc(h.limits, byLimitName)
	slices.SortFunc(h.shared, byLimitName)
	return h, nil
}

func limitOf(row read.KeyGrantsRow) latchkey.Ratelimit {
	return latchkey.Ratelimit{
		ID: row.ID, Name: row.Name, Limit: row.Amount,
		Duration: latchkey.PerMilli(row.Duration), AutoApply: row.AutoApply,
	}
}

func byLimitName(a, b latchkey.Ratelimit) int { return strings.Compare(a.Name, b.Name) }

// effectiveLimits joins the limits of a key with those of its identity, a
// limit of the key hiding one of the same name, and returns the identity with
// the limits that are not hidden.
func effectiveLimits(key *read.Key, externalID, meta string, h *holding) ([]effectiveLimit, *latchkey.Identity) {
	var limits []effectiveLimit
	for _, l := range h.limits {
		limits = append(limits, effectiveLimit{l, key.ID})
	}
	identity := identityOf(key, externalID, meta, nil)
	for _, l := range h.shared {
		if _, hidden := slices.BinarySearchFunc(h.limits, l, byLimitName); !hidden {
			limits = append(limits, effectiveLimit{l, key.IdentityID})
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

// parsePrefixes reads a list of addresses and CIDR blocks separated by commas.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	if list == "" {
		return nil, nil
	}
	var prefixes []netip.Prefix
	for _, text := range strings.Split(list, ",") {
		p, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// parsePrefix reads one address or CIDR block.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
