package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/latchkeyhq/latchkey"
)

// quota is a kind of object whose number in a workspace is bounded.
type quota int

const (
	noQuota quota = iota
	quotaKeys
	quotaIdentities
	quotaPermissions
	quotaRoles
	quotaNamespaces
	quotaRootKeys
	quotaAPIs
	quotaPortalSessions
	quotaWebhooks
	quotaBudgets
	quotaReservations
)

// quotas has the name of each quota in requests and in the table of counts, what is
// counted, how many are allowed by default, and its field.
var quotas = [...]struct {
	name, things string
	usual        int64
	field        func(*latchkey.Quotas) *latchkey.Opt[int64]
}{
	quotaKeys: {"keys", "keys", 1_000_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Keys }},
	quotaIdentities: {"identities", "identities", 1_000_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Identities }},
	quotaPermissions: {"permissions", "permissions", 100_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Permissions }},
	quotaRoles: {"roles", "roles", 10_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Roles }},
	quotaNamespaces: {"namespaces", "rate limit namespaces, deleted ones among them", 10_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Namespaces }},
	quotaRootKeys: {"rootKeys", "root keys", 1_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.RootKeys }},
	quotaAPIs: {"apis", "APIs", 10_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.APIs }},
	quotaPortalSessions: {"portalSessions", "portal sessions", 100_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.PortalSessions }},
	quotaWebhooks: {"webhooks", "webhooks", 20,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Webhooks }},
	quotaBudgets: {"budgets", "budgets", 10_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Budgets }},
	quotaReservations: {"reservations", "open reservations", 1_000_000,
		func(q *latchkey.Quotas) *latchkey.Opt[int64] { return &q.Reservations }},
}

// storedQuotas parses the quotas of a workspace as stored. Those that are not set have no
// value.
func storedQuotas(text string) (latchkey.Quotas, error) {
	var set latchkey.Quotas
	if text == "" {
		return set, nil
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return latchkey.Quotas{}, fmt.Errorf("quotas: %w", err)
	}
	return set, nil
}

// effectiveQuotas returns the stored quotas with the defaults of those that are not set.
func effectiveQuotas(text string) (latchkey.Quotas, error) {
	all, err := storedQuotas(text)
	for _, q := range quotas[1:] {
		if field := q.field(&all); field.IsZero() {
			*field = latchkey.Set(q.usual)
		}
	}
	return all, err
}

// changeQuotas returns the stored form of quotas after a request that sets some of them.
// Null restores the default.
func changeQuotas(text string, r latchkey.Quotas) (string, error) {
	all, err := storedQuotas(text)
	if err != nil {
		return "", err
	}
	for _, q := range quotas[1:] {
		asked, field := *q.field(&r), q.field(&all)
		if n, ok := asked.Get(); ok {
			*field = latchkey.Set(n)
		} else if asked.IsNull() {
			*field = latchkey.Opt[int64]{}
		}
	}
	if all == (latchkey.Quotas{}) {
		return "", nil
	}
	stored, err := json.Marshal(all)
	return string(stored), err
}

// count adds n objects to what the caller's workspace has. It returns an error if there
// are more than the quota allows then. Changes by the service itself have no quotas.
func (c *Change) count(ctx context.Context, what quota, n int64) error {
	return c.countIn(ctx, c.who.root.workspace, what, n)
}

// countIn is count for any workspace. Only the caller's own has quotas here: in another
// one it is the operator who adds something.
func (c *Change) countIn(ctx context.Context, workspace string, what quota, n int64) error {
	q := &quotas[what]
	total, err := c.tx.Count(ctx, workspace, q.name, n)
	if err != nil {
		return fmt.Errorf("count of %s: %w", q.name, err)
	}
	if n <= 0 || workspace != c.who.root.workspace || c.who.root.quotas == nil {
		return nil
	}
	if most := q.field(c.who.root.quotas).Or(0); total > most {
		c.exceeded = what
		return errQuotaExceeded.with("This workspace can have %d %s, and has %d. Delete some "+
			"first, or ask the operator to raise the quota %q with workspaces.updateWorkspace.",
			most, q.things, total-n, q.name)
	}
	return nil
}
