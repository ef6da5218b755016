package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

const (
	// selfRequests is how many requests a minute the holders of a key and of those that it
	// was replaced by can make, or as many as the workspace, if that is less.
	selfRequests = 60
	// maxReplacements is how many keys of a family there can be and still another one be
	// made by its holder: each replacement leaves the old key behind.
	maxReplacements = 1000
)

// keyHolder is what a caller with an API key can reach: that key, and of its API what is
// offered.
type keyHolder struct {
	family string // id of the counts
	offers []string
}

// offer is the name in APISettings.SelfService of an operation.
func offer(op *Op) string {
	_, name, _ := strings.Cut(op.Name, ".")
	return name
}

// shows reports whether the API shows the ids of keys.
func (h *keyHolder) shows(id string) string {
	if slices.Contains(h.offers, latchkey.SelfShowID) {
		return id
	}
	return ""
}

// authenticateHolder finds the key of a call, and makes its holder the caller. A key that
// doesn't verify can't be used, and the error says why. Keys of an API that offers nothing
// look like those that don't exist.
func (e *Engine) authenticateHolder(ctx context.Context, op *Op, call *Call) error {
	if call.Token == "" {
		return errMalformed.with(
			"The Authorization header must be the word Bearer, one space and an API key.",
		)
	}
	hash := hashOf(call.Token)
	root, err := e.holderOf(ctx, &call.Caller, hash)
	if err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	if root.Unknown() {
		return unknownHolder()
	}
	call.root, call.token = root, call.Token
	if call.key, err = e.snapshot(ctx, &call.Caller, hash); err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	if call.key.Unknown() || call.key.deleted {
		return unknownHolder()
	}
	code := call.key.check(e.now(), &call.Caller, nil)
	if err := refusalOf(code, call.key.workspaceOff); err != nil {
		return err
	}
	return root.holder.requireOffer(op)
}

// refusalOf returns the error for the holder of a key that doesn't verify, or nil.
func refusalOf(code latchkey.Code, workspaceOff bool) error {
	switch {
	case code == latchkey.Valid:
		return nil
	case workspaceOff:
		return errWorkspaceDisabled.with("The workspace of this key is disabled.")
	case code == latchkey.Disabled:
		return errRootKeyDisabled.with("This key is disabled.")
	case code == latchkey.Expired:
		return errForbidden.with("This key has expired.")
	}
	return errForbidden.with("This key can't be used from this address.")
}

func (h *keyHolder) requireOffer(op *Op) error {
	if slices.Contains(h.offers, offer(op)) {
		return nil
	}
	return errNotPermitted.with("The API of this key does not offer %s to the holders of its keys.",
		op.Name)
}

func unknownHolder() *latchkey.Error {
	return errRootKeyNotFound.with(
		"This key does not exist, or its API offers nothing to the holders of its keys.")
}

// holderOf returns the caller with the key of that hash. It is cached beside root keys, under
// a hash that no root key has: to find one is as hard as to find one for a given hash.
func (e *Engine) holderOf(
	ctx context.Context, who *Caller, hash keyHash,
) (root *rootKey, err error) {
	ref := keyHash(hashOf("self").in(hash))
	root, cached := e.roots.Cached(who.Lane, ref)
	if cached {
		return root, nil
	}
	load := func(ctx context.Context, asOf coherence.Version) (*rootKey, error) {
		return e.loadHolder(ctx, asOf, hash)
	}
	err = e.misses.lookUp(ctx, who, func() (found bool, err error) {
		var age time.Duration
		root, age, err = e.roots.Get(ctx, who.Lane, ref, load)
		e.noteStaleness(who, age)
		return err == nil && !root.Unknown(), err
	})
	return root, err
}

// loadHolder reads the caller with a key. One without an id is not known, or of an API that
// offers nothing, or of several workspaces.
func (e *Engine) loadHolder(
	ctx context.Context, asOf coherence.Version, hash keyHash,
) (*rootKey, error) {
	rows, err := e.db.HoldersByHash(ctx, hash.String())
	if err != nil {
		return nil, fmt.Errorf("holder of a key: %w", err)
	}
	on := []string{hash.String()}
	for i := range rows {
		on = append(on, rows[i].ID, rows[i].APIID, rows[i].WorkspaceID)
	}
	if len(rows) != 1 || rows[0].SelfService == "" {
		return &rootKey{Dependencies: asOf.DependsOn(on...)}, nil
	}
	root, err := rootKeyOfHolder(&rows[0])
	if err != nil {
		return nil, err
	}
	root.Dependencies = asOf.DependsOn(on...)
	return root, nil
}

func rootKeyOfHolder(row *read.HoldersByHashRow) (*rootKey, error) {
	allowed, err := effectiveQuotas(row.Quotas)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", row.WorkspaceID, err)
	}
	return &rootKey{
		id: row.ID, name: row.Name, workspace: row.WorkspaceID,
		workspaceHash: hashOf(row.WorkspaceID), grants: rbac.NewGrants(row.WorkspaceID, nil),
		enabled: true, expires: never, quotas: &allowed,
		requestsPerMinute: min(selfRequests, orElse(row.RequestsPerMinute, selfRequests)),
		holder: &keyHolder{
			family: cmp.Or(row.Family, row.ID), offers: strings.Fields(row.SelfService),
		},
	}, nil
}

// GetSelfKey returns the key that the request is made with, as its holder may see
// it: its expiry, its balance and refills, its permissions and roles, and its
// limits with what is left of each now. It counts and spends nothing.
//
// Like all operations of holders it is called with an API key as the bearer token,
// and its API must offer it: set selfService with apis.updateApi. A key that doesn't
// verify can't be used. A key has 60 requests a minute for these operations, or as
// many as its workspace, if that is less; the keys that replace it share them.
func (e *Engine) GetSelfKey(
	ctx context.Context, who Caller, _ *latchkey.SelfKeyRequest,
) (latchkey.SelfKey, error) {
	row, err := e.db.LiveKey(ctx, who.key.id, who.WorkspaceID())
	if err != nil {
		return latchkey.SelfKey{}, orNotFound(err, unknownHolder())
	}
	k := &row.Key
	limits, err := e.limitsNow(ctx, who.key)
	if err != nil {
		return latchkey.SelfKey{}, err
	}
	self := latchkey.SelfKey{
		KeyID: who.root.holder.shows(k.ID), Name: k.Name, Start: k.Start, Enabled: k.Enabled,
		Credits: creditsOfKey(&row).api(), Ratelimits: limits,
		Permissions: who.key.permissions, Roles: who.key.roles,
	}
	if k.Expires.Valid {
		self.Expires = timeOf(k.Expires.Int64)
	}
	return self, nil
}

// limitsNow returns the limits of a key and of its owner with what is left of each.
func (e *Engine) limitsNow(
	ctx context.Context, key *keySnapshot,
) ([]latchkey.SelfRatelimit, error) {
	if len(key.limits) == 0 {
		return nil, nil
	}
	asked := make([]ratelimit.Request, len(key.limits))
	for i := range key.limits {
		l := checkedLimit{effectiveLimit: key.limits[i]} // at a cost of 0
		asked[i] = l.request(key)
	}
	decisions, err := e.limiter.Take(ctx, e.now(), asked)
	if err != nil {
		return nil, err
	}
	limits := make([]latchkey.SelfRatelimit, len(decisions))
	for i, d := range decisions {
		l := &key.limits[i]
		limits[i] = latchkey.SelfRatelimit{
			Name: l.Name, Limit: l.Limit, Duration: l.Duration, Remaining: d.Remaining,
			Reset: latchkey.AtMilli(d.Reset), AutoApply: l.AutoApply,
		}
	}
	return limits, nil
}

// RerollSelfKey creates a key that replaces the one that the request is made with, as
// keys.rerollKey does: both share one balance and the counts of their limits. The old
// key stays valid for the requested time, a minute at least, but never beyond its own
// expiry, so that a request whose response was lost can be repeated with it and the
// same Idempotency-Key.
//
// Whoever has the key can do this, so a stolen key can be replaced by the thief; a
// key that was replaced is revoked like any other. A key that was replaced 1,000
// times gets 403 until old ones are deleted.
func (e *Engine) RerollSelfKey(
	ctx context.Context, who Caller, r *latchkey.SelfRerollKeyRequest,
) (latchkey.SelfRerolledKey, error) {
	work := func(ctx context.Context, c *Change) (latchkey.SelfRerolledKey, error) {
		row, err := c.heldKey(ctx)
		if err != nil {
			return latchkey.SelfRerolledKey{}, err
		}
		if err := c.requireFewReplacements(ctx); err != nil {
			return latchkey.SelfRerolledKey{}, err
		}
		recoverable, err := c.isSealed(ctx, row.Key.ID)
		if err != nil {
			return latchkey.SelfRerolledKey{}, err
		}
		if recoverable && !row.StoreEncrypted {
			return latchkey.SelfRerolledKey{}, noEncryptedStorage()
		}
		grace := latchkey.Set(r.Expiration)
		made, err := e.replaceKey(ctx, c, row, grace, recoverable)
		if err != nil {
			return latchkey.SelfRerolledKey{}, err
		}
		return latchkey.SelfRerolledKey{
			KeyID: who.root.holder.shows(made.KeyID), Key: made.Key,
			OldExpires: latchkey.AtMilli(endOfGrace(row.Key.Expires, c.now, grace).Int64),
		}, nil
	}
	return change(ctx, e, who, work)
}

// RevokeSelfKey deletes the key that the request is made with. It never verifies
// again, on any node after a second. A repeated request returns 401, because then
// there is no such key. Keys that replaced it, or that it replaced, stay.
func (e *Engine) RevokeSelfKey(
	ctx context.Context, who Caller, _ *latchkey.SelfRevokeKeyRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.heldKey(ctx)
		if err != nil {
			return err
		}
		return c.removeKey(ctx, &row.Key, false)
	})
}

// heldKey returns the key whose holder makes the change. It
// checks again, within the change, what authenticateHolder has checked: a key that was
// revoked a moment ago must not make another one.
func (c *Change) heldKey(ctx context.Context) (read.LiveKeyRow, error) {
	holders, err := c.tx.HoldersByHash(ctx, hashOf(c.who.token).String())
	if err != nil {
		return read.LiveKeyRow{}, fmt.Errorf("holder of a key: %w", err)
	}
	if len(holders) != 1 || holders[0].ID != c.who.key.id || holders[0].SelfService == "" {
		return read.LiveKeyRow{}, unknownHolder()
	}
	holder := &holders[0]
	if err := refusalOf(holderCode(holder, c.now), !holder.WorkspaceEnabled); err != nil {
		return read.LiveKeyRow{}, err
	}
	now := keyHolder{offers: strings.Fields(holder.SelfService)}
	if err := now.requireOffer(c.who.op); err != nil {
		return read.LiveKeyRow{}, err
	}
	row, err := c.tx.LiveKey(ctx, holder.ID, holder.WorkspaceID)
	return row, orNotFound(err, unknownHolder())
}

// holderCode returns whether a key verifies, by its row.
func holderCode(row *read.HoldersByHashRow, now int64) latchkey.Code {
	switch {
	case !row.Enabled || !row.IdentityEnabled:
		return latchkey.Disabled
	case row.Expires.Valid && now > row.Expires.Int64:
		return latchkey.Expired
	case !row.WorkspaceEnabled:
		return latchkey.Forbidden
	}
	return latchkey.Valid
}

// requireFewReplacements returns an error if the holder's key has been replaced too often
// to be replaced again.
func (c *Change) requireFewReplacements(ctx context.Context) error {
	n, err := c.tx.CountFamily(ctx, c.who.root.holder.family, maxReplacements)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if n < maxReplacements {
		return nil
	}
	return errQuotaExceeded.with(
		"This key has been replaced %d times. Ask for old ones to be deleted first.", n)
}
