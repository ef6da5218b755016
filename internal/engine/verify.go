package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// VerifyKey checks a key. The status is 200 whatever the result; look at valid
// and code.
//
// Checks run in this order, and the first failure decides: the key exists, is in
// one of the keyspaces of the request, and the root key can verify it
// (NOT_FOUND); the workspace is enabled (FORBIDDEN); the key is enabled
// (DISABLED) and not expired (EXPIRED); the request comes from an allowed address
// (FORBIDDEN); the key satisfies the permission query
// (INSUFFICIENT_PERMISSIONS); the rate limits are not exceeded (RATE_LIMITED);
// the balance and every budget cover the cost (USAGE_EXCEEDED). Only VALID spends, and
// only VALID and USAGE_EXCEEDED count in the rate limits. The new balances are on
// disk before the response is sent.
//
// Budgets of the request that are not attached to the key or its identity return 412.
func (e *Engine) VerifyKey(
	ctx context.Context, who Caller, r *latchkey.VerifyKeyRequest,
) (v latchkey.Verification, err error) {
	var obs observation
	if err := e.verify(ctx, &who, r, &v, &obs); err != nil {
		return latchkey.Verification{}, err
	}
	obs.code = v.Code
	e.observe(&who, &obs, r)
	if !obs.replayed {
		e.hooks.noticeVerified(&obs, &v, cost(r))
	}
	return v, nil
}

// observation is what metrics and last use need of a verification.
type observation struct {
	key      *keySnapshot // nil if the caller can verify no such key
	code     latchkey.Code
	at       int64 // unix ms
	replayed bool  // the response is an earlier one, and nothing was counted
}

// observe records a verification in the metrics, as a use of its key and of the
// workspace, and as an event. It is the only place that does, and runs once for each
// verification, after the commit. Verifications that end in an error are not observed.
func (e *Engine) observe(who *Caller, obs *observation, r *latchkey.VerifyKeyRequest) {
	if obs.replayed {
		return
	}
	e.countVerification(who.Lane, obs.code)
	if obs.code == latchkey.Valid {
		e.used.note(obs.key, obs.at)
		e.used.countVerification(who.root, who.Lane)
	}
	if e.events != nil && obs.key != nil {
		e.recordVerification(who, obs, r)
	}
}

// verify runs the checks on a key. It fills in the response and the
// observation.
func (e *Engine) verify(
	ctx context.Context, who *Caller, r *latchkey.VerifyKeyRequest, v *latchkey.Verification,
	obs *observation,
) error {
	if err := checkAdHoc(r.Ratelimits); err != nil {
		return err
	}
	key, err := e.find(ctx, who, r)
	if err != nil {
		return err
	}
	if key == nil {
		v.Code = latchkey.NotFound
		return nil
	}
	query, err := e.parseQuery(string(r.Permissions))
	if err != nil {
		return err
	}
	now := e.now()
	obs.key, obs.at = key, now
	key.describe(v)
	if v.Code = key.check(now, who, query); v.Code != latchkey.Valid {
		return showBalance(ctx, e.db, key, v)
	}
	var buf [2]checkedLimit // on the stack; most keys have no more
	limits, err := key.limitsFor(buf[:0], r.Ratelimits)
	if err != nil {
		return err
	}
	if err := e.refillIfDue(ctx, key); err != nil {
		return err
	}
	t, err := key.takingOf(r)
	if err != nil {
		return err
	}
	if who.requestHash != "" {
		obs.replayed, err = e.chargeOnce(ctx, who, key, limits, cost(r), t, v)
		return err
	}
	if err := e.count(ctx, now, key, limits, v); err != nil {
		return err
	}
	if t == nil || v.Code == latchkey.RateLimited {
		return e.charge(ctx, e.credits, key, cost(r), v)
	}
	return e.chargeNow(ctx, *who, t, v)
}

// takingOf returns what a verification takes of budgets and, if it reserves, of credits; nil if
// it spends credits at most.
func (k *keySnapshot) takingOf(r *latchkey.VerifyKeyRequest) (*taking, error) {
	costs, err := k.budgetsFor(r.Budgets)
	if err != nil || len(costs) == 0 && r.Reserve == nil {
		return nil, err
	}
	t := &taking{key: k, costs: costs, credits: cost(r)}
	if r.Reserve != nil {
		t.ttl = r.Reserve.TTL.Milliseconds()
	}
	return t, nil
}

// chargeNow charges what a request without an Idempotency-Key costs of budgets.
func (e *Engine) chargeNow(
	ctx context.Context, who Caller, t *taking, v *latchkey.Verification,
) (err error) {
	who.lane = store.Spends
	described := *v
	*v, err = change(ctx, e, who,
		func(ctx context.Context, c *Change) (latchkey.Verification, error) {
			v := described
			err := e.chargeBudgets(ctx, c, *t, &v)
			return v, err
		})
	return err
}

// chargeBudgets spends or reserves what a verification costs of budgets and credits, unless a
// rate limit was exceeded, and completes the response.
func (e *Engine) chargeBudgets(
	ctx context.Context, c *Change, t taking, v *latchkey.Verification,
) error {
	if v.Code == latchkey.RateLimited {
		return showBalance(ctx, c.tx, t.key, v)
	}
	cost := t.credits
	if !t.key.limited {
		t.credits = 0
	} else {
		t.spendCredits = func(ctx context.Context) (bool, error) {
			err := e.spend(ctx, txCredits{c.tx}, t.key, cost, v)
			if _, limited := v.Credits.Get(); !limited {
				t.credits = 0 // the key is unlimited now, or deleted
			}
			return v.Code == latchkey.Valid, err
		}
	}
	return e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
		result, err := l.take(ctx, &t)
		if err != nil {
			return err
		}
		if v.Code == latchkey.NotFound { // deleted at this very moment
			return nil
		}
		v.Budgets, v.Reservation = result.States, result.Reservation
		v.Valid = result.Success
		if !result.Success && v.Code == latchkey.Valid {
			v.Code = latchkey.UsageExceeded
			return showBalance(ctx, c.tx, t.key, v)
		}
		return nil
	})
}

// budgetsFor returns what a verification costs of budgets, in order of their ids: attached ones
// with autoApply, and those of the request.
func (k *keySnapshot) budgetsFor(asked []latchkey.BudgetCost) ([]budgetCost, error) {
	if len(k.budgets) == 0 && len(asked) == 0 {
		return nil, nil
	}
	named := map[string]int64{}
	for _, a := range asked {
		at := slices.IndexFunc(k.budgets, func(b attachedBudget) bool { return b.id == a.Budget })
		if at < 0 {
			at = slices.IndexFunc(k.budgets,
				func(b attachedBudget) bool { return b.name == a.Budget })
		}
		if at < 0 {
			return nil, errPrecondition.with("The key and its identity have no budget %q. Attach "+
				"it with budgets.attach.", a.Budget)
		}
		id := k.budgets[at].id
		if _, twice := named[id]; twice {
			return nil, namedTwice(a.Budget)
		}
		named[id] = a.Cost.Or(1)
	}
	var costs []budgetCost
	for _, b := range k.budgets {
		if cost, is := named[b.id]; is {
			costs = append(costs, budgetCost{b.id, cost})
		} else if b.autoApply {
			costs = append(costs, budgetCost{b.id, 1})
		}
	}
	return costs, nil
}

// chargeOnce counts limits and spends credits and budgets for a request with an
// Idempotency-Key, and reports whether the response is a replayed one.
func (e *Engine) chargeOnce(
	ctx context.Context, who *Caller, key *keySnapshot, limits []checkedLimit, cost int64,
	t *taking, v *latchkey.Verification,
) (replayed bool, err error) {
	now, described := e.now(), *v
	copied := append([]checkedLimit(nil), limits...) // keeps the caller's slice on its stack
	counting := once(func(ctx context.Context) (latchkey.Verification, error) {
		if err := e.count(ctx, now, key, copied, &described); err != nil {
			return latchkey.Verification{}, err
		}
		return described, nil
	})
	charge := func(ctx context.Context, c *Change) (latchkey.Verification, error) {
		if c.tx.Rehearsed() {
			return latchkey.Verification{}, nil // what is counted can't be undone
		}
		v, err := counting(ctx)
		if err != nil {
			return latchkey.Verification{}, err
		}
		if t == nil {
			err = e.charge(ctx, txCredits{c.tx}, key, cost, &v)
		} else {
			err = e.chargeBudgets(ctx, c, *t, &v)
		}
		if err != nil {
			return latchkey.Verification{}, err
		}
		return v, nil
	}
	*v, replayed, err = changeOnce(ctx, e, *who, charge)
	return replayed, err
}

// find returns the presented key, or nil if the caller can verify no such key.
func (e *Engine) find(
	ctx context.Context, who *Caller, r *latchkey.VerifyKeyRequest,
) (*keySnapshot, error) {
	hash := hashOf(r.Key)
	key, cached := e.keys.Cached(who.Lane, hash.in(who.root.workspaceHash))
	if !cached || key.Unknown() && (r.MigrationID != "" || e.adopts(who)) {
		var err error
		if key, err = e.lookUpKey(ctx, who, hash, r); err != nil {
			return nil, err
		}
	}
	if !key.permitted(who) || !key.exists(r.Keyspaces) {
		return nil, nil
	}
	return key, nil
}

// permitted reports whether the caller can call its operation on the key, which is one of
// its workspace.
func (k *keySnapshot) permitted(who *Caller) bool {
	return !k.Unknown() && k.workspace == who.root.workspace &&
		who.permits("", ids{API: k.api, Keyspace: k.keyspace, Key: k.id})
}

// exists reports whether a known key is not deleted and in one of the keyspaces, if there
// are any.
func (k *keySnapshot) exists(keyspaces []string) bool {
	return !k.deleted && (len(keyspaces) == 0 || slices.Contains(keyspaces, k.keyspace))
}

// lookUpKey reads a key that isn't cached, also by the hash of its migration, and from the
// service whose keys are adopted.
func (e *Engine) lookUpKey(
	ctx context.Context, who *Caller, hash keyHash, r *latchkey.VerifyKeyRequest,
) (key *keySnapshot, err error) {
	err = e.misses.lookUp(ctx, who, func() (found bool, err error) {
		key, err = e.snapshot(ctx, who, hash)
		if err == nil && key.Unknown() && r.MigrationID != "" {
			key, err = e.findMigrated(ctx, who, r)
		}
		return err == nil && (!key.Unknown() || e.adopts(who)), err
	})
	if err != nil || !key.Unknown() || !e.adopts(who) {
		return key, err
	}
	// The old service is slow, and the places for lookups are few: known keys need them too.
	key, err = e.adopt(ctx, who, r.Key, hash)
	if err != nil || key.Unknown() {
		e.misses.count(ctx, who)
	}
	return key, err
}

func (e *Engine) parseQuery(text string) (*rbac.Query, error) {
	if text == "" {
		return nil, nil
	}
	query, err := e.queries.Parse(text)
	if err != nil {
		return nil, errQuerySyntax.with("The permission query can't be read: %s.", err)
	}
	return query, nil
}

// describe fills in the fields that depend on the key alone, in place, because
// a response of 200 bytes is costly to copy.
func (k *keySnapshot) describe(v *latchkey.Verification) {
	v.KeyID, v.KeyspaceID, v.Name, v.Meta = k.id, k.keyspace, k.name, k.meta
	v.Enabled = latchkey.Set(k.enabled)
	v.Permissions, v.Roles, v.Identity = k.permissions, k.roles, k.identity
	if k.expires != never {
		v.Expires = timeOf(k.expires)
	}
}

// keyStep is a check that needs neither the store nor the limiter.
type keyStep uint8

// The checks, in their order.
const (
	stepWorkspace keyStep = iota
	stepEnabled
	stepGate
	stepExpires
	stepAddress
	stepPermissions
	keySteps
)

// stepCodes are the codes of verifications that fail the checks.
var stepCodes = [keySteps]latchkey.Code{
	stepWorkspace:   latchkey.Forbidden,
	stepEnabled:     latchkey.Disabled,
	stepGate:        latchkey.Forbidden,
	stepExpires:     latchkey.Expired,
	stepAddress:     latchkey.Forbidden,
	stepPermissions: latchkey.InsufficientPermissions,
}

// check runs the checks that need neither the store nor the limiter. It returns
// Valid if all pass.
func (k *keySnapshot) check(now int64, who *Caller, query *rbac.Query) latchkey.Code {
	for c := range keySteps {
		if k.fails(c, now, who, query) {
			return stepCodes[c]
		}
	}
	return latchkey.Valid
}

// fails reports whether the key fails one check. keys.verifyKey and keys.explainKey both
// decide by it.
func (k *keySnapshot) fails(c keyStep, now int64, who *Caller, query *rbac.Query) bool {
	switch c {
	case stepWorkspace:
		return k.workspaceOff
	case stepEnabled:
		return !k.enabled || k.ownerOff
	case stepGate:
		return who.KeysOf != "" && who.KeysOf != k.api
	case stepExpires:
		return k.expires != never && now > k.expires
	case stepAddress:
		return len(k.allowedIPs) > 0 && !containsAddress(k.allowedIPs, who.RemoteIP)
	case stepPermissions:
		return query != nil && !query.Allowed(k.permissionSet)
	}
	return false
}

// cost returns the credits that a verification costs.
func cost(r *latchkey.VerifyKeyRequest) int64 {
	if r.Credits == nil {
		return 1
	}
	return r.Credits.Cost.Or(1)
}

// charge spends the credits, unless a rate limit was exceeded, and completes
// the response.
func (e *Engine) charge(
	ctx context.Context, from creditSpender, key *keySnapshot, cost int64, v *latchkey.Verification,
) error {
	if v.Code == latchkey.RateLimited {
		return showBalance(ctx, e.db, key, v)
	}
	if key.limited {
		if err := e.spend(ctx, from, key, cost, v); err != nil {
			return err
		}
	}
	v.Valid = v.Code == latchkey.Valid
	return nil
}

// showBalance adds the balance to a response that spends no credits. Within a change, it
// is that of its transaction.
func showBalance(
	ctx context.Context, from balanceReader, key *keySnapshot, v *latchkey.Verification,
) error {
	if !key.limited {
		return nil
	}
	balance, err := from.KeyBalance(ctx, key.id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted at this very moment
	}
	if err != nil {
		return fmt.Errorf("balance: %w", err)
	}
	if balance.Valid {
		v.Credits = latchkey.Set(balance.Int64)
	}
	return nil
}

// checkedLimit is a limit that a verification counts, and its cost.
type checkedLimit struct {
	effectiveLimit
	cost int64
}

// checkAdHoc rejects a limit of the request whose window is too short, and an
// algorithm without limit and duration.
func checkAdHoc(asked []latchkey.VerifyKeyRatelimit) error {
	const shortest = 1000
	for _, a := range asked {
		d, timed := a.Duration.Get()
		_, limited := a.Limit.Get()
		if a.Algorithm != "" && !(timed && limited) {
			return invalid(latchkey.Fault{
				Location: "/properties/ratelimits/items/properties/algorithm",
				Message: "the rate limit " + a.Name +
					" has an algorithm, but not both a limit and a duration",
				Fix: "Send limit and duration too, or leave the algorithm out to use a " +
					"stored limit, which has its own.",
			})
		}
		if timed && limited && d.Milliseconds() < shortest {
			return invalid(latchkey.Fault{
				Location: "/properties/ratelimits/items/properties/duration/minimum",
				Message: "the duration of the rate limit " + a.Name +
					" must be at least 1000 milliseconds",
				Fix: "Send a duration of 1000 or more, or leave limit and duration out to " +
					"use a stored limit.",
			})
		}
	}
	return nil
}

// limitsFor appends the limits to count: those that always apply and those of
// the request. If a name repeats in the request, the last one counts.
func (k *keySnapshot) limitsFor(
	limits []checkedLimit, asked []latchkey.VerifyKeyRatelimit,
) ([]checkedLimit, error) {
	for _, l := range k.limits {
		if l.AutoApply {
			limits = append(limits, checkedLimit{l, 1})
		}
	}
	for _, a := range asked {
		l, ok := k.limitNamed(a)
		if !ok {
			return nil, errPrecondition.with(
				"The key and its identity have no rate limit named %q, and the request gives no "+
					"limit and duration for it.",
				a.Name,
			)
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

// limitNamed returns the limit of a request: its own, counted for the key
// alone, or the stored one of that name.
func (k *keySnapshot) limitNamed(a latchkey.VerifyKeyRatelimit) (checkedLimit, bool) {
	limit, limited := a.Limit.Get()
	duration, timed := a.Duration.Get()
	if limited && timed {
		return checkedLimit{effectiveLimit: limitOn(k.family, latchkey.Ratelimit{
			Name: a.Name, Limit: limit, Duration: duration, Algorithm: a.Algorithm,
		})}, true
	}
	at := slices.IndexFunc(k.limits, func(l effectiveLimit) bool { return l.Name == a.Name })
	if at < 0 {
		return checkedLimit{}, false
	}
	return checkedLimit{effectiveLimit: k.limits[at]}, true
}

// count counts the limits, all or none, and adds their state to the response.
func (e *Engine) count(
	ctx context.Context, now int64, key *keySnapshot, limits []checkedLimit,
	v *latchkey.Verification,
) error {
	switch len(limits) {
	case 0:
		return nil
	case 1:
		decision, err := e.limiter.TakeOne(ctx, now, limits[0].request(key))
		if err != nil {
			return err
		}
		setRatelimits(v, limits, []ratelimit.Decision{decision})
		return nil
	}
	requests := make([]ratelimit.Request, len(limits))
	for i := range limits {
		requests[i] = limits[i].request(key)
	}
	decisions, err := e.limiter.Take(ctx, now, requests)
	if err != nil {
		return err
	}
	setRatelimits(v, limits, decisions)
	return nil
}

// request is how the limiter is asked for the limit.
func (l *checkedLimit) request(key *keySnapshot) ratelimit.Request {
	return ratelimit.Request{
		Key: ratelimit.Key{
			Workspace: key.workspace, Namespace: l.namespace, Identifier: l.identifier,
			Duration: l.Duration.Milliseconds(), Algorithm: algorithmNamed(string(l.Algorithm)),
		},
		Limit: l.Limit,
		Cost:  l.cost,
	}
}

// setRatelimits adds the decisions of the limiter to the response.
func setRatelimits(
	v *latchkey.Verification, limits []checkedLimit, decisions []ratelimit.Decision,
) {
	v.Ratelimits = make([]latchkey.RatelimitState, len(limits))
	v.RetryAfter = latchkey.PerMilli(untilAllPass(decisions))
	for i, d := range decisions {
		l := &limits[i]
		if !d.Passed {
			v.Code = latchkey.RateLimited
		}
		v.Ratelimits[i] = latchkey.RatelimitState{
			Exceeded: !d.Passed, ID: l.ID, Name: l.Name, Limit: l.Limit, Duration: l.Duration,
			Reset: latchkey.AtMilli(d.Reset), RetryAfter: latchkey.PerMilli(d.Wait),
			Remaining: d.Remaining, AutoApply: l.AutoApply,
		}
	}
}

// untilAllPass returns the milliseconds until every request of a batch passes, or 0 if all
// passed, if one never does, or if that is unknown.
func untilAllPass(decisions []ratelimit.Decision) int64 {
	var longest int64
	for _, d := range decisions {
		if !d.Passed && d.Wait == 0 {
			return 0
		}
		longest = max(longest, d.Wait)
	}
	return longest
}
