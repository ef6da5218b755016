package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// GetVerifications queries key verifications in the event store with SQL.
//
// The root key needs api.*.read_analytics, or api.<apiId>.read_analytics for
// the events of those APIs only. Without an event store that supports SQL the
// operation returns 412.
func (e *Engine) GetVerifications(
	ctx context.Context, who Caller, r *latchkey.AnalyticsRequest,
) ([]latchkey.AnalyticsRow, error) {
	idsOf := func(id string) ids { return ids{API: id} }
	if err := who.requireSome(ctx, e.db.APIIDs, idsOf); err != nil {
		return nil, err
	}
	return nil, errAnalyticsNotConfigured.with("Analytics is not configured on this installation.")
}

// GetRatelimits queries rate-limit decisions in the event store with SQL.
//
// The root key needs ratelimit.*.read_analytics, or
// ratelimit.<namespaceId>.read_analytics for the events of those namespaces
// only. Without an event store that supports SQL the operation returns 412.
func (e *Engine) GetRatelimits(
	ctx context.Context, who Caller, r *latchkey.AnalyticsRequest,
) ([]latchkey.AnalyticsRow, error) {
	idsOf := func(id string) ids { return ids{Namespace: id} }
	if err := who.requireSome(ctx, e.db.NamespaceIDs, idsOf); err != nil {
		return nil, err
	}
	return nil, errAnalyticsNotConfigured.with("Analytics is not configured on this installation.")
}

// requireSome returns an error unless the caller satisfies the rules for at
// least one object of its workspace. It lists the objects only if no rule
// covers all of them.
func (c *Caller) requireSome(
	ctx context.Context, list func(context.Context, string) ([]string, error),
	on func(id string) ids,
) error {
	if c.permits("", everything) {
		return nil
	}
	all, err := list(ctx, c.WorkspaceID())
	if err != nil {
		return err
	}
	for _, id := range all {
		if c.permits("", on(id)) {
			return nil
		}
	}
	return c.require(everything)
}
