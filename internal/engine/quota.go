package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// Quota is where the caller's workspace stands with its API requests.
type Quota struct {
	Limit     int64         // how many requests may be made in a minute
	Remaining int64         // how many are left
	Reset     time.Duration // until the current minute ends, rounded up to whole seconds
}

// admit counts a request on the limit of the caller's workspace, and refuses it
// with 429 when there is no room. Where there is no limit there is no quota
// either. A limit of 0 refuses everything, without a time to come back, because
// there is none.
func (e *Engine) checkQuota(ctx context.Context, who *Caller) (*Quota, error) {
	const window = time.Minute
	limit := who.root.requestsPerMinute
	switch limit {
	case unbounded:
		return nil, nil
	case 0:
		return nil, errTooManyRequests.with("This workspace may make no requests.")
	}
	now := e.now()
	d, err := e.limiter.TakeOne(ctx, now, ratelimit.Request{
		Key: ratelimit.Key{
			Workspace: who.WorkspaceID(), Namespace: "workspace", Identifier: who.WorkspaceID(), Duration: window.Milliseconds(),
		},
		Limit: limit,
		Cost:  1,
	})
	if err != nil {
		return nil, e.public(ctx, *who, "admission", err)
	}
	left := time.Duration(d.Reset-now) * time.Millisecond
	quota := &Quota{Limit: limit, Remaining: d.Remaining, Reset: ceil(left, time.Second)}
	if d.Passed {
		return quota, nil
	}
	refusal := errTooManyRequests.with("This workspace has used up its %d requests per minute.", limit)
	refusal.RetryAfter = cmp.Or(time.Duration(d.Wait)*time.Millisecond, quota.Reset)
	return quota, refusal
}

// ceil rounds d up to a multiple of unit.
func ceil(d, unit time.Duration) time.Duration { return (d + unit - 1).Truncate(unit) }
