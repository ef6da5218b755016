package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// Quota is the state of a workspace's request limit.
type Quota struct {
	Limit     int64         // requests per minute
	Remaining int64         // requests left in this minute
	Reset     time.Duration // until the end of the minute, rounded up to whole seconds
}

// checkQuota counts a request on the limit of the caller's workspace and
// returns a 429 if the limit is exceeded. Without a limit the quota is nil. A
// limit of 0 rejects every request without RetryAfter, because no later request
// can succeed.
func (e *Engine) checkQuota(ctx context.Context, who *Caller) (*Quota, error) {
	const window = time.Minute
	limit := who.root.requestsPerMinute
	switch limit {
	case unbounded:
		return nil, nil
	case 0:
		return nil, errTooManyRequests.with("This workspace's request limit is 0.")
	}
	now, identifier, whose := e.now(), who.WorkspaceID(), "workspace"
	switch { // an end user must not use up the limit of the workspace
	case who.root.session != nil:
		identifier = who.root.id
	case who.root.holder != nil:
		identifier, whose = who.root.holder.family, "key"
	}
	d, err := e.limiter.TakeOne(ctx, now, ratelimit.Request{
		Key: ratelimit.Key{
			Workspace: who.WorkspaceID(), Namespace: "workspace", Identifier: identifier,
			Duration: window.Milliseconds(),
		},
		Limit: limit,
		Cost:  1,
	})
	if err != nil {
		return nil, e.public(ctx, *who, "request limit", err)
	}
	left := time.Duration(d.Reset-now) * time.Millisecond
	quota := &Quota{Limit: limit, Remaining: d.Remaining, Reset: ceil(left, time.Second)}
	if d.Passed {
		return quota, nil
	}
	exceeded := errTooManyRequests.with("This %s has used its %d requests per minute.",
		whose, limit)
	exceeded.RetryAfter = cmp.Or(time.Duration(d.Wait)*time.Millisecond, quota.Reset)
	return quota, exceeded
}

// ceil rounds d up to a multiple of unit.
func ceil(d, unit time.Duration) time.Duration { return (d + unit - 1).Truncate(unit) }
