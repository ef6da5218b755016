package engine

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// VerifyKey answers whether a key may pass. Whatever the answer, the status is
// 200; look at valid and code.
//
// The questions are asked in this order, and the first no decides: is there
// such a key that the root key may verify (NOT_FOUND); are workspace, key and
// expiry in order (FORBIDDEN, DISABLED, EXPIRED); does the request come from a
// permitted address (FORBIDDEN); does the key satisfy the permission query
// (INSUFFICIENT_PERMISSIONS); is there room in the rate limits (RATE_LIMITED);
// is the balance enough (USAGE_EXCEEDED). Only VALID spends credits, and only
// VALID and USAGE_EXCEEDED count in the rate limits. The balance is on disk
// before the answer is sent.
func (e *Engine) VerifyKey(ctx context.Context, who Caller, r *latchkey.VerifyKeyRequest) (latchkey.Verification, error) {
	if err := checkAdHoc(r.Ratelimits); err != nil {
		return latchkey.Verification{}, err
	}
	key, err := e.find(ctx, who, r)
	if err != nil || key == nil {
		return latchkey.Verification{Code: latchkey.NotFound}, err
	}
	query, err := parseQuery(r.Permissions)
	if err != nil {
		return latchkey.Verification{}, err
	}
	v := key.verification()
	if v.Code = key.refusal(e.now(), who.RemoteIP, query); v.Code != latchkey.Valid {
		return v, e.showBalance(ctx, key, &v)
	}
	limits, err := key.limitsFor(r.Ratelimits)
	if err != nil {
		return latchkey.Verification{}, err
	}
	if err := e.refillFirst(ctx, key); err != nil {
		return latchkey.Verification{}, err
	}
	if who.requestHash == "" {
		err := e.charge(ctx, e.db.Update, key, limits, cost(r), &v)
		return v, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Verification, error) {
		err := e.charge(ctx, c.join, key, limits, cost(r), &v)
		return v, err
	})
}

// update runs work in a transaction: one of its own, or one under way.
type update func(ctx context.Context, work func(context.Context, *store.Tx) error) error

// join runs work in the transaction of the change.
func (c *Change) join(ctx context.Context, work func(context.Context, *store.Tx) error) error {
	return work(ctx, c.Tx)
}

// find returns the key that the request presents, or nil if there is none that
// the caller may verify.
func (e *Engine) find(ctx context.Context, who Caller, r *latchkey.VerifyKeyRequest) (*keySnapshot, error) {
	key, err := e.snapshot(ctx, hashOf(r.Key))
	if err == nil && key.unknown() && r.MigrationID != "" {
		key, err = e.findMigrated(ctx, who, r)
	}
	if err != nil || key.unknown() || key.gone || key.workspace != who.root.workspace {
		return nil, err
	}
	if !who.mayVerify(key) {
		return nil, nil
	}
	return key, nil
}

// mayVerify is holds(onKey(…, "verify_key")) with the usual answer first and
// without making strings for it: it is asked at every verification.
func (c Caller) mayVerify(key *keySnapshot) bool {
	return c.root.grants.Has("api.*.verify_key") || c.holds(c.onKey(key.api, key.keyspace, key.id, "verify_key")...)
}

func parseQuery(text string) (*rbac.Query, error) {
	if text == "" {
		return nil, nil
	}
	query, err := rbac.Parse(text)
	if err != nil {
		return nil, querySyntax.because("The permission query can't be read: %s.", err)
	}
	return query, nil
}

// verification is the part of the answer that depends on the key alone.
func (k *keySnapshot) verification() latchkey.Verification {
	v := latchkey.Verification{
		KeyID: k.id, Name: k.name, Meta: k.meta, Enabled: latchkey.Set(k.enabled),
		Permissions: k.permissions, Roles: k.roles, Identity: k.identity,
	}
	if k.expires != never {
		v.Expires = timeOf(k.expires)
	}
	return v
}

// refusal asks the questions that cost nothing to answer. It returns Valid if
// none of them says no.
func (k *keySnapshot) refusal(now int64, remoteIP string, query *rbac.Query) latchkey.Code {
	switch {
	case k.workspaceOff:
		return latchkey.Forbidden
	case !k.enabled:
		return latchkey.Disabled
	case k.expires != never && now > k.expires:
		return latchkey.Expired
	case len(k.from) > 0 && !permitted(k.from, remoteIP):
		return latchkey.Forbidden
	case query != nil && !query.Allowed(k.held):
		return latchkey.InsufficientPermissions
	}
	return latchkey.Valid
}

func permitted(from []netip.Prefix, remoteIP string) bool {
	addr, err := netip.ParseAddr(remoteIP)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// cost is what a verification takes from a balance.
func cost(r *latchkey.VerifyKeyRequest) int64 {
	if r.Credits == nil {
		return 1
	}
	return r.Credits.Cost
}

// charge counts the rate limits and spends the credits, and completes the answer.
func (e *Engine) charge(ctx context.Context, update update, key *keySnapshot, limits []checkedLimit, cost int64, v *latchkey.Verification) error {
	now := e.now()
	passed, err := e.count(ctx, now, key, limits, v)
	if err != nil {
		return err
	}
	if !passed {
		v.Code = latchkey.RateLimited
		return e.showBalance(ctx, key, v)
	}
	if key.limited {
		if err := e.spend(ctx, update, key, cost, v); err != nil {
			return err
		}
	}
	if v.Valid = v.Code == latchkey.Valid; v.Valid {
		e.used.note(key, now)
	}
	return nil
}

// showBalance puts the balance into an answer that spends nothing.
func (e *Engine) showBalance(ctx context.Context, key *keySnapshot, v *latchkey.Verification) error {
	if !key.limited {
		return nil
	}
	balance, err := e.db.Balance(ctx, key.id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted at this very moment
	}
	if err == nil && balance.Valid {
		v.Credits = latchkey.Set(balance.Int64)
	}
	return err
}

// checkedLimit is a limit that a verification counts, and how much.
type checkedLimit struct {
	effectiveLimit
	cost int64
}

// checkAdHoc refuses a limit given with the call whose window is too short to count.
func checkAdHoc(asked []latchkey.VerifyKeyRatelimit) error {
	const shortest = 1000
	for _, a := range asked {
		d, timed := a.Duration.Get()
		if _, limited := a.Limit.Get(); timed && limited && d.Milliseconds() < shortest {
			return invalid(latchkey.Fault{
				Location: "/properties/ratelimits/items/properties/duration/minimum",
				Message:  "the duration of the rate limit " + a.Name + " must be at least 1000 milliseconds",
				Fix:      "Send a duration of 1000 or more, or leave limit and duration out to use a stored limit.",
			})
		}
	}
	return nil
}

// limitsFor returns the limits to count: those that always apply and those asked
// for. Of a name asked for twice the last one counts.
func (k *keySnapshot) limitsFor(asked []latchkey.VerifyKeyRatelimit) ([]checkedLimit, error) {
	var limits []checkedLimit
	for _, l := range k.limits {
		if l.AutoApply {
			limits = append(limits, checkedLimit{l, 1})
		}
	}
	for _, a := range asked {
		l, ok := k.limitNamed(a)
		if !ok {
			return nil, precondition.because("The key and its identity have no rate limit named %q, and the request gives no limit and duration for it.", a.Name)
		}
		l.cost = a.Cost.Or(1)
		at := slices.IndexFunc(limits, func(have checkedLimit) bool { return have.Name == a.Name })
		if at < 0 {
			limits = append(limits, l)
		} else {
			limits[at] = l
		}
	}
	return limits, nil
}

// limitNamed returns the limit that a request asks for: the one it brings
// along, counted for the key alone, or the stored one of that name.
func (k *keySnapshot) limitNamed(a latchkey.VerifyKeyRatelimit) (checkedLimit, bool) {
	limit, limited := a.Limit.Get()
	duration, timed := a.Duration.Get()
	if limited && timed {
		return checkedLimit{effectiveLimit: effectiveLimit{
			Ratelimit: latchkey.Ratelimit{Name: a.Name, Limit: limit, Duration: duration},
			holder:    k.id,
		}}, true
	}
	at := slices.IndexFunc(k.limits, func(l effectiveLimit) bool { return l.Name == a.Name })
	if at < 0 {
		return checkedLimit{}, false
	}
	return checkedLimit{effectiveLimit: k.limits[at]}, true
}

// count takes the costs from the limits, all or none, and reports whether there was room.
func (e *Engine) count(ctx context.Context, now int64, key *keySnapshot, limits []checkedLimit, v *latchkey.Verification) (bool, error) {
	if len(limits) == 0 {
		return true, nil
	}
	requests := make([]ratelimit.Request, len(limits))
	for i, l := range limits {
		requests[i] = ratelimit.Request{
			// No namespace id has a slash, so these can't meet those of ratelimit.limit.
			Key:   ratelimit.Key{Workspace: key.workspace, Namespace: "key/" + l.Name, Identifier: l.holder, Duration: l.Duration.Milliseconds()},
			Limit: l.Limit,
			Cost:  l.cost,
		}
	}
	decisions, err := e.limiter.Take(ctx, now, requests)
	if err != nil {
		return false, err
	}
	passed := true
	v.Ratelimits = make([]latchkey.RatelimitState, len(limits))
	for i, d := range decisions {
		l := limits[i]
		passed = passed && d.Passed
		v.Ratelimits[i] = latchkey.RatelimitState{
			Exceeded: !d.Passed, ID: l.ID, Name: l.Name, Limit: l.Limit, Duration: l.Duration,
			Reset: latchkey.AtMilli(d.Reset), Remaining: d.Remaining, AutoApply: l.AutoApply,
		}
	}
	return passed, nil
}
