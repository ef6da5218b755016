package engine

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// ExplainKey says what keys.verifyKey would respond at this moment, and why: each check in
// its order with the values that were compared, the first one that fails, and what to do.
// It counts no limit, spends nothing of credits and budgets, and is no use of the key.
//
// The key is named by its id or by its secret. A key id that is unknown, or a key that the
// root key can't verify and read, is 404 by its id, and NOT_FOUND by its secret, as in
// keys.verifyKey. A deleted key is explained as long as its record exists.
//
// A secret that this service doesn't know is not looked up in another one whose keys are
// adopted. In a cluster with the limiter mode fast, the state of a limit is that which
// the node that responded would decide by.
func (e *Engine) ExplainKey(
	ctx context.Context, who Caller, r *latchkey.ExplainKeyRequest,
) (latchkey.KeyExplanation, error) {
	if err := checkExplained(r); err != nil {
		return latchkey.KeyExplanation{}, err
	}
	if r.IP != "" {
		who.RemoteIP = r.IP
	}
	x := explanation{e: e, who: &who, r: r, now: e.now()}
	if err := x.explain(ctx); err != nil {
		return latchkey.KeyExplanation{}, err
	}
	return x.KeyExplanation, nil
}

// checkExplained rejects a request that names no key or two, or has no address in ip.
func checkExplained(r *latchkey.ExplainKeyRequest) error {
	if (r.KeyID == "") == (r.Key == "") {
		return invalid(latchkey.Fault{
			Location: "/properties/keyId", Message: "exactly one of keyId and key must be sent",
			Fix: "Send the id of the key as keyId, or the whole key as key.",
		})
	}
	if _, err := netip.ParseAddr(r.IP); r.IP != "" && err != nil {
		return invalid(latchkey.Fault{
			Location: "/properties/ip", Message: "ip must be an IP address",
			Fix: "Send an address such as 192.0.2.7 or 2001:db8::7, without a port.",
		})
	}
	return checkAdHoc(r.Ratelimits)
}

// explanation is an explanation in progress. The checks are those of verification: it calls
// the functions that verification calls, with a limiter that counts nothing and a balance
// that nothing is spent from.
type explanation struct {
	latchkey.KeyExplanation
	e   *Engine
	who *Caller
	r   *latchkey.ExplainKeyRequest
	now int64
	key *keySnapshot
}

// explain makes the checks in the order of verification.
func (x *explanation) explain(ctx context.Context) error {
	if err := x.find(ctx); err != nil || x.key == nil {
		return err
	}
	if !x.key.deleted {
		query, err := x.e.parseQuery(string(x.r.Permissions))
		if err != nil {
			return err
		}
		x.checkKey(query)
		if query != nil {
			if err := x.explainPermissions(ctx, query); err != nil {
				return err
			}
		}
		if err := x.checkUse(ctx); err != nil {
			return err
		}
	}
	if x.Code == "" {
		x.Valid, x.Code, x.Summary = true, latchkey.Valid, "The key is valid: it passes all checks."
	}
	return nil
}

// checkUse makes the checks of what the call would use up.
func (x *explanation) checkUse(ctx context.Context) error {
	reached := x.Code == ""
	if err := x.checkLimits(ctx); err != nil {
		return err
	}
	costs, err := x.key.budgetsFor(x.r.Budgets)
	if err != nil && reached { // else verification doesn't come as far
		return err
	}
	if err := x.checkCredits(ctx); err != nil {
		return err
	}
	return x.checkBudgets(ctx, costs)
}

// verdict is the outcome of a check.
type verdict struct {
	check  latchkey.KeyCheckName
	code   latchkey.Code // "" if the check passes
	detail string
	next   string
}

// add adds a check. The first one that fails decides.
func (x *explanation) add(v verdict) {
	c := latchkey.KeyCheck{
		Check: v.check, Passed: v.code == "", Code: v.code, Detail: v.detail, Next: v.next,
	}
	if !c.Passed && x.Code == "" {
		c.Decides = true
		x.Code, x.Summary, x.Next = v.code, v.detail, v.next
	}
	x.Checks = append(x.Checks, c)
}

// find finds the key and checks that it exists. There is no key afterwards if the caller
// can't know of one.
func (x *explanation) find(ctx context.Context) error {
	key, cached, err := x.lookUp(ctx)
	if err != nil {
		return err
	}
	if !key.permitted(x.who) {
		if x.r.KeyID != "" {
			return keyNotFound()
		}
		x.add(verdict{latchkey.CheckExists, latchkey.NotFound, "There is no such key.",
			"Check that the whole key was sent, and that this root key can verify and read the " +
				"keys of its API."})
		return nil
	}
	x.key = key
	x.KeyID, x.APIID, x.KeyspaceID, x.Name = key.id, key.api, key.keyspace, key.name
	if key.identity != nil {
		x.ExternalID = key.identity.ExternalID
	}
	x.explainCache(cached)
	switch {
	case key.exists(x.r.Keyspaces):
		x.add(verdict{check: latchkey.CheckExists, detail: "The key exists."})
	case key.deleted:
		x.add(verdict{latchkey.CheckExists, latchkey.NotFound,
			"The key, its API or its workspace is deleted.",
			"A key that was deleted in the last 30 days can be restored with keys.restoreKey."})
	default:
		x.add(verdict{latchkey.CheckExists, latchkey.NotFound,
			"The key is of the keyspace " + key.keyspace + ", which the request doesn't list.",
			"Add " + key.keyspace + " to keyspaces, or leave them out."})
	}
	return nil
}

// lookUp returns the key of the request as verification would use it, and what was in
// memory before.
func (x *explanation) lookUp(
	ctx context.Context,
) (key *keySnapshot, cached coherence.Standing[*keySnapshot], err error) {
	hash := hashOf(x.r.Key)
	if x.r.KeyID != "" {
		row, err := x.e.db.KeyByID(ctx, x.r.KeyID, x.who.root.workspace)
		if err != nil {
			return nil, cached, orNotFound(err, keyNotFound())
		}
		raw, err := base64.StdEncoding.DecodeString(row.Hash)
		if err != nil || len(raw) != len(hash) { // imported, and not verified since
			key, err = x.e.loadKey(ctx, x.e.source.Clock.Version(), row.Hash, x.who.root.workspace)
			return key, cached, err
		}
		hash = keyHash(raw)
	}
	cached = x.e.keys.Peek(hash.in(x.who.root.workspaceHash))
	if cached.Usable {
		return cached.Value, cached, nil
	}
	err = x.e.misses.lookUp(ctx, x.who, func() (found bool, err error) {
		key, err = x.e.snapshot(ctx, x.who, hash)
		return err == nil && !key.Unknown(), err
	})
	return key, cached, err
}

// explainCache says what was in memory.
func (x *explanation) explainCache(was coherence.Standing[*keySnapshot]) {
	x.Cache = &latchkey.ExplainedCache{
		Cached: was.Cached && !was.Value.Unknown(), Usable: was.Usable,
	}
	if !x.Cache.Cached {
		return
	}
	x.Cache.Age = latchkey.Per(was.Age)
	x.Cache.Code = latchkey.NotFound
	if was.Value.exists(x.r.Keyspaces) {
		query, err := x.e.parseQuery(string(x.r.Permissions))
		if err == nil {
			x.Cache.Code = was.Value.check(x.now, x.who, query)
		}
	}
}

// checkKey makes the checks that need neither the store nor the limiter.
func (x *explanation) checkKey(query *rbac.Query) {
	for c := range keySteps {
		if c == stepGate {
			continue // the request comes through none
		}
		v := x.describe(c, query)
		if x.key.fails(c, x.now, x.who, query) {
			v.code = stepCodes[c]
		} else {
			v.next = ""
		}
		x.add(v)
	}
}

// describe returns the values of a check, and what to do if it fails.
func (x *explanation) describe(c keyStep, query *rbac.Query) verdict {
	failed := x.key.fails(c, x.now, x.who, query)
	switch c {
	case stepWorkspace:
		return verdict{latchkey.CheckWorkspace, "",
			either(failed, "The workspace is disabled.", "The workspace is enabled."),
			"The operator can enable it with workspaces.updateWorkspace."}
	case stepEnabled:
		return x.describeEnabled()
	case stepExpires:
		return x.describeExpiry(failed)
	case stepAddress:
		return x.describeAddress(failed)
	}
	return x.describePermissions(query, failed)
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func (x *explanation) describeEnabled() verdict {
	switch {
	case !x.key.enabled:
		return verdict{latchkey.CheckEnabled, "", "The key is disabled.",
			"Enable it with keys.updateKey."}
	case x.key.ownerOff:
		return verdict{latchkey.CheckEnabled, "",
			"The key's owner " + x.ExternalID + " is disabled, and with it all its keys.",
			"Enable the identity with identities.updateIdentity."}
	}
	return verdict{check: latchkey.CheckEnabled, detail: "The key is enabled."}
}

func (x *explanation) describeExpiry(failed bool) verdict {
	if x.key.expires == never {
		return verdict{check: latchkey.CheckExpires, detail: "The key never expires."}
	}
	return verdict{latchkey.CheckExpires, "",
		"The key " + either(failed, "expired on ", "expires on ") + moment(x.key.expires) + ".",
		"Set a later expires with keys.updateKey, or create a new key."}
}

func (x *explanation) describeAddress(failed bool) verdict {
	address := x.who.RemoteIP
	if address == "" {
		address = "a call without an address"
	}
	switch {
	case len(x.key.allowedIPs) == 0:
		return verdict{check: latchkey.CheckAddress, detail: "The API allows all addresses."}
	case !failed:
		return verdict{check: latchkey.CheckAddress, detail: "The API allows " + address + "."}
	}
	return verdict{latchkey.CheckAddress, "", "The API doesn't allow " + address + ".",
		"Call from an allowed address, or change the list with apis.updateApi. Behind a proxy, " +
			"check that the proxy is trusted."}
}

func (x *explanation) describePermissions(query *rbac.Query, failed bool) verdict {
	if query == nil {
		return verdict{check: latchkey.CheckPermissions,
			detail: "The request has no permission query."}
	}
	if !failed {
		return verdict{check: latchkey.CheckPermissions,
			detail: "The key satisfies the permission query."}
	}
	var missing []string
	for _, name := range query.Names() {
		if !x.key.permissionSet.Has(name) {
			missing = append(missing, name)
		}
	}
	const shown = 5
	text := strings.Join(missing[:min(shown, len(missing))], ", ")
	if more := len(missing) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return verdict{latchkey.CheckPermissions, "",
		"The key doesn't satisfy the permission query: it doesn't have " + text + ".",
		"Add what is missing with keys.addPermissions, or a role that has it."}
}

// explainPermissions says which permissions of the query the key has, and where from.
func (x *explanation) explainPermissions(ctx context.Context, query *rbac.Query) error {
	var by []string
	for _, name := range query.Names() {
		p := latchkey.ExplainedPermission{Permission: name}
		if p.By, p.Held = x.key.permissionSet.Match(name); p.Held {
			by = append(by, p.By)
		}
		x.Permissions = append(x.Permissions, p)
	}
	if len(by) == 0 {
		return nil
	}
	grants, err := x.e.permissionGrants(ctx, x.key.id)
	if err != nil {
		return err
	}
	x.Grants = slices.DeleteFunc(grants, func(g latchkey.PermissionGrant) bool {
		return !slices.Contains(by, g.Permission)
	})
	return nil
}

// permissionGrants returns the permissions of a key in their order, with where it has them
// from.
func (e *Engine) permissionGrants(
	ctx context.Context, keyID string,
) ([]latchkey.PermissionGrant, error) {
	direct, err := e.db.DirectPermissions(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	byRoles, err := e.db.RolesOfKey(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	grants := make(map[string]*latchkey.PermissionGrant)
	of := func(slug string) *latchkey.PermissionGrant {
		if grants[slug] == nil {
			grants[slug] = &latchkey.PermissionGrant{Permission: slug}
		}
		return grants[slug]
	}
	for _, p := range direct {
		of(p.Slug).Direct = true
	}
	for _, r := range byRoles {
		if r.Slug != "" {
			g := of(r.Slug)
			g.Roles = append(g.Roles, r.Name)
		}
	}
	sorted := make([]latchkey.PermissionGrant, 0, len(grants))
	for _, g := range grants {
		sorted = append(sorted, *g)
	}
	slices.SortFunc(sorted, func(a, b latchkey.PermissionGrant) int {
		return strings.Compare(a.Permission, b.Permission)
	})
	return sorted, nil
}

// checkLimits checks the rate limits as they are now, without counting.
func (x *explanation) checkLimits(ctx context.Context) error {
	checked, err := x.key.limitsFor(nil, x.r.Ratelimits)
	if err != nil {
		if x.Code == "" {
			return err
		}
		return nil // verification doesn't come as far
	}
	limits := x.withUnchecked(checked)
	states, err := x.peek(ctx, limits, len(checked))
	if err != nil {
		return err
	}
	var v latchkey.Verification
	setRatelimits(&v, checked, states[len(limits):])
	for i := range limits {
		x.addLimit(&limits[i], states[i], i < len(checked))
	}
	for i, s := range v.Ratelimits {
		x.Ratelimits[i].Exceeded, x.Ratelimits[i].RetryAfter = s.Exceeded, s.RetryAfter
	}
	x.add(x.describeLimits(len(checked), v.Code))
	return nil
}

// withUnchecked appends the limits of the key that the verification wouldn't check.
func (x *explanation) withUnchecked(checked []checkedLimit) []checkedLimit {
	all := slices.Clip(checked)
	for _, l := range x.key.limits {
		if !slices.ContainsFunc(checked, func(c checkedLimit) bool { return c.Name == l.Name }) {
			all = append(all, checkedLimit{l, 0})
		}
	}
	return all
}

// peek returns the states of the limits, then the decisions about the first ones.
func (x *explanation) peek(
	ctx context.Context, limits []checkedLimit, checked int,
) ([]ratelimit.Decision, error) {
	requests := make([]ratelimit.Request, 0, len(limits)+checked)
	for i := range limits {
		state := limits[i].request(x.key)
		state.Cost = 0
		requests = append(requests, state)
	}
	for i := range checked {
		requests = append(requests, limits[i].request(x.key))
	}
	return ratelimit.Peek(ctx, x.e.limiter, x.now, requests)
}

func (x *explanation) addLimit(l *checkedLimit, state ratelimit.Decision, checked bool) {
	from := latchkey.OwnedByRequest
	switch {
	case l.ID != "" && x.key.identity != nil && l.identifier == x.key.identity.ID:
		from = latchkey.OwnedByIdentity
	case l.ID != "":
		from = latchkey.OwnedByKey
	}
	x.Ratelimits = append(x.Ratelimits, latchkey.ExplainedRatelimit{
		ID: l.ID, Name: l.Name, From: from, Checked: checked,
		Limit: l.Limit, Duration: l.Duration, Algorithm: l.Algorithm, Cost: l.cost,
		Used: l.Limit - state.Remaining, Remaining: state.Remaining,
		Reset: latchkey.AtMilli(state.Reset),
	})
}

func (x *explanation) describeLimits(checked int, code latchkey.Code) verdict {
	if checked == 0 {
		return verdict{check: latchkey.CheckRatelimits, detail: "No rate limit is checked."}
	}
	at := slices.IndexFunc(x.Ratelimits, func(l latchkey.ExplainedRatelimit) bool {
		return l.Exceeded
	})
	if at < 0 {
		l := slices.MinFunc(x.Ratelimits[:checked], func(a, b latchkey.ExplainedRatelimit) int {
			return int(min(max(a.Remaining-b.Remaining, -1), 1))
		})
		return verdict{check: latchkey.CheckRatelimits, detail: fmt.Sprintf(
			"The call fits in all rate limits; least is left of %s: %d of %d.",
			l.Name, l.Remaining, l.Limit)}
	}
	l := &x.Ratelimits[at]
	v := verdict{latchkey.CheckRatelimits, code, fmt.Sprintf(
		"The rate limit %s has %d of %d left, the call costs %d.",
		l.Name, l.Remaining, l.Limit, l.Cost),
		fmt.Sprintf("Wait %s, or raise the limit.", l.RetryAfter)}
	if l.RetryAfter.Milliseconds() == 0 {
		v.next = "Raise the limit: it has no room for such a call."
	}
	return v
}

// checkCredits checks the balance, without spending.
func (x *explanation) checkCredits(ctx context.Context) error {
	cost := cost(&latchkey.VerifyKeyRequest{Credits: x.r.Credits})
	row, err := x.e.db.LiveKey(ctx, x.key.id, x.key.workspace)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("credits: %w", err)
	}
	from := heldCredits{gone: err != nil}
	from.set(creditsOfKey(&row), x.now)
	v := latchkey.Verification{Code: latchkey.Valid}
	if err := x.e.charge(ctx, &from, x.key, cost, &v); err != nil {
		return err
	}
	x.add(x.describeCredits(&from, cost, v.Code))
	return nil
}

// heldCredits is the balance of a key, with a refill that is due, as a creditSpender that
// spends nothing.
type heldCredits struct {
	gone    bool // the key was deleted at this very moment
	balance sql.NullInt64
	amount  int64 // of refills; 0 for none
	next    int64 // the next refill, unix ms
}

func (h *heldCredits) set(stored storedCredits, now int64) {
	h.balance = stored.remaining
	if stored.interval == "" || !h.balance.Valid {
		return
	}
	h.amount, h.next = stored.amount, stored.refillAt
	if h.next <= now {
		h.balance.Int64 = max(h.balance.Int64, h.amount)
		h.next = stored.next(now)
	}
}

// Spend returns what would be left.
func (h *heldCredits) Spend(_ context.Context, _, _ string, cost int64) (int64, error) {
	if h.gone || !h.balance.Valid || h.balance.Int64 < cost {
		return 0, store.ErrNotFound
	}
	return h.balance.Int64 - cost, nil
}

// KeyBalance returns the balance.
func (h *heldCredits) KeyBalance(context.Context, string) (sql.NullInt64, error) {
	if h.gone {
		return sql.NullInt64{}, store.ErrNotFound
	}
	return h.balance, nil
}

func (x *explanation) describeCredits(
	from *heldCredits, cost int64, code latchkey.Code,
) verdict {
	v := verdict{check: latchkey.CheckCredits}
	if code != latchkey.Valid {
		v.code = code
	}
	switch {
	case from.gone:
		v.detail, v.next = "The key was deleted at this moment.", "Create a new key."
		return v
	case !from.balance.Valid:
		v.detail = "The key has no limit of credits."
		return v
	}
	x.Credits = &latchkey.ExplainedCredits{
		Remaining: from.balance.Int64, Cost: cost, RefillAmount: from.amount,
	}
	v.detail = fmt.Sprintf("%s left, the call costs %d.", credits(from.balance.Int64), cost)
	if from.amount > 0 {
		x.Credits.RefillAt = latchkey.AtMilli(from.next)
	}
	switch {
	case v.code == "":
	case from.amount >= cost:
		v.next = fmt.Sprintf("Refill to %d on %s, or add credits with keys.updateCredits.",
			from.amount, moment(from.next))
	default:
		v.next = "Add credits with keys.updateCredits."
	}
	return v
}

func credits(n int64) string {
	if n == 1 {
		return "1 credit"
	}
	return fmt.Sprintf("%d credits", n)
}

// moment writes a time in unix milliseconds for people, in UTC.
func moment(ms int64) string {
	at := time.UnixMilli(ms).UTC()
	if at.Equal(at.Truncate(24 * time.Hour)) {
		return at.Format("2 January 2006")
	}
	return at.Format("2 January 2006 at 15:04:05 UTC")
}
