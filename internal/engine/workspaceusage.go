package engine

import (
	"context"
	"errors"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// GetLimits returns the limits of the caller's workspace. A limit of null is none.
// The number of billable operations is that of this month, a minute late.
func (e *Engine) GetLimits(
	ctx context.Context, who Caller, _ *latchkey.WorkspaceLimitsRequest,
) (latchkey.WorkspaceLimits, error) {
	used, err := e.usedIn(ctx, who.WorkspaceID(), beginOfMonth(e.now()))
	if err != nil {
		return latchkey.WorkspaceLimits{}, err
	}
	unlimited := latchkey.WorkspaceLimit{Limit: latchkey.Null[int64]()}
	limits := latchkey.WorkspaceLimits{
		BillableOperations: unlimited, RequestsPerMinute: unlimited, LogsRetentionDays: unlimited,
		AuditRetentionDays: unlimited,
		Logdrains:          latchkey.WorkspaceLimit{Limit: latchkey.Int(0), Current: latchkey.Int(0)},
	}
	limits.BillableOperations.Current = latchkey.Int(used.Verifications + used.Ratelimits)
	if n := who.root.requestsPerMinute; n != unbounded {
		limits.RequestsPerMinute.Limit = latchkey.Int(n)
	}
	if e.auditRetention > 0 {
		limits.AuditRetentionDays.Limit = latchkey.Int(int64(e.auditRetention / (24 * time.Hour)))
	}
	return limits, nil
}

// GetUsage returns what the caller's workspace used in a calendar month (UTC): the
// valid verifications, and the calls of ratelimit.limit and multiLimit that passed.
// The numbers are a minute late, and a node that is killed loses those of its last
// minute; the budgets and limits of keys are exact.
//
// A month that hasn't begun, or that began more than 90 days ago, returns 400.
func (e *Engine) GetUsage(
	ctx context.Context, who Caller, r *latchkey.WorkspaceUsageRequest,
) (latchkey.WorkspaceUsage, error) {
	now := time.UnixMilli(e.now()).UTC()
	month := beginOfMonth(e.now())
	if p := r.Period; p != nil {
		month = time.Date(p.Year, time.Month(p.Month), 1, 0, 0, 0, 0, time.UTC)
	}
	const reach = 90 * 24 * time.Hour
	if month.After(now) || now.Sub(month) > reach {
		return latchkey.WorkspaceUsage{}, invalid(latchkey.Fault{
			Location: "/properties/period",
			Message:  "the month must have begun within the last 90 days",
			Fix:      "Send a later month, or leave period out for this month.",
		})
	}
	used, err := e.usedIn(ctx, who.WorkspaceID(), month)
	if err != nil {
		return latchkey.WorkspaceUsage{}, err
	}
	end := month.AddDate(0, 1, 0)
	if end.After(now) {
		end = now
	}
	return latchkey.WorkspaceUsage{
		Period: latchkey.UsagePeriod{Start: latchkey.At(month), End: latchkey.At(end)},
		Totals: latchkey.UsageTotals{API: used},
		Breakdowns: latchkey.UsageBreakdowns{
			ByEnvironment: []latchkey.Empty{}, ByApp: []latchkey.Empty{},
		},
	}, nil
}

// usedIn returns what a workspace used in a month, as far as it is saved.
func (e *Engine) usedIn(
	ctx context.Context, workspace string, month time.Time,
) (used latchkey.UsageOfAPI, err error) {
	for kind, into := range map[string]*int64{
		usedVerifications: &used.Verifications, usedRatelimits: &used.Ratelimits,
	} {
		*into, err = e.db.Amount(ctx, workspace, monthly(kind, month))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return latchkey.UsageOfAPI{}, err
		}
	}
	return used, nil
}
