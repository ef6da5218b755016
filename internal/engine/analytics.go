package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// GetVerifications asks the event store about key verifications, in SQL.
//
// The root key needs api.*.read_analytics, or api.<apiId>.read_analytics for the
// events of those APIs only. Without an event store that understands SQL it
// answers 412.
func (e *Engine) GetVerifications(ctx context.Context, who Caller, r *latchkey.AnalyticsRequest) ([]latchkey.AnalyticsRow, error) {
	if err := who.requireSome(ctx, e.db.APIIDs, func(id string) ids { return ids{API: id} }); err != nil {
		return nil, err
	}
	return nil, errAnalyticsNotConfigured.with("Analytics is not configured on this installation.")
}

// GetRatelimits asks the event store about rate-limit decisions, in SQL.
//
// The root key needs ratelimit.*.read_analytics, or
// ratelimit.<namespaceId>.read_analytics for the events of those namespaces
// only. Without an event store that understands SQL it answers 412.
func (e *Engine) GetRatelimits(ctx context.Context, who Caller, r *latchkey.AnalyticsRequest) ([]latchkey.AnalyticsRow, error) {
	if err := who.requireSome(ctx, e.db.NamespaceIDs, func(id string) ids { return ids{Namespace: id} }); err != nil {
		return nil, err
	}
	return nil, errAnalyticsNotConfigured.with("Analytics is not configured on this installation.")
}

// requireSome refuses a caller that satisfies the rules for none of the things in
// its workspace, which it lists only if it must.
func (c *Caller) requireSome(
	ctx context.Context, list func(context.Context, string) ([]string, error), on func(id string) ids,
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
