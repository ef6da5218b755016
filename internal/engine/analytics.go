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
	if err := who.requireSome(ctx, "api", "read_analytics", e.db.APIIDs); err != nil {
		return nil, err
	}
	return nil, noAnalytics.because("Analytics is not configured on this installation.")
}

// GetRatelimits asks the event store about rate-limit decisions, in SQL.
//
// The root key needs ratelimit.*.read_analytics, or
// ratelimit.<namespaceId>.read_analytics for the events of those namespaces
// only. Without an event store that understands SQL it answers 412.
func (e *Engine) GetRatelimits(ctx context.Context, who Caller, r *latchkey.AnalyticsRequest) ([]latchkey.AnalyticsRow, error) {
	if err := who.requireSome(ctx, "ratelimit", "read_analytics", e.db.NamespaceIDs); err != nil {
		return nil, err
	}
	return nil, noAnalytics.because("Analytics is not configured on this installation.")
}

// requireSome refuses a caller that may do the action on none of the things in
// its workspace, whose ids it asks for only if it must.
func (c Caller) requireSome(ctx context.Context, resource, action string, ids func(context.Context, string) ([]string, error)) error {
	all := resource + ".*." + action
	if c.holds(all) {
		return nil
	}
	some, err := ids(ctx, c.WorkspaceID())
	if err != nil {
		return err
	}
	for _, id := range some {
		if c.holds(resource + "." + id + "." + action) {
			return nil
		}
	}
	return c.require(all)
}
