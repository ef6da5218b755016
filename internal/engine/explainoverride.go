package engine

import (
	"context"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// explainedOverrides bounds the list of overrides that match an identifier.
const explainedOverrides = 100

// ExplainOverride says which overrides match an identifier, which of them applies, and how
// much of the limit is used at this moment. Without an override the limit and the duration
// of the request apply, as in ratelimit.limit. It counts nothing and creates no namespace. In
// a cluster with the limiter mode fast, the state is that which the node that responded
// would decide by.
//
// The root key needs the permissions to read the overrides of the namespace and to check
// its limits. An unknown or deleted namespace returns 404.
func (e *Engine) ExplainOverride(
	ctx context.Context, who Caller, r *latchkey.ExplainOverrideRequest,
) (latchkey.OverrideExplanation, error) {
	none := latchkey.OverrideExplanation{}
	limit, limited := r.Limit.Get()
	duration, timed := r.Duration.Get()
	if limited != timed {
		return none, invalid(latchkey.Fault{
			Location: "/properties/limit", Message: "limit and duration must be sent together",
			Fix: "Send both, as calls of ratelimit.limit do, or neither.",
		})
	}
	space, err := e.namespace(ctx, &who, r.Namespace)
	if err != nil {
		return none, err
	}
	if space.Unknown() || space.deleted {
		return none, namespaceNotFound()
	}
	if err := who.require(ids{Namespace: space.id}); err != nil {
		return none, err
	}
	x := latchkey.OverrideExplanation{
		Summary:   "No override matches, and the request has no limit and duration.",
		Overrides: []latchkey.Override{},
	}
	for _, o := range space.overrides.Matching(r.Identifier, explainedOverrides) {
		x.Overrides = append(x.Overrides, overrideShown(&o))
	}
	if len(x.Overrides) == 0 && !limited {
		return x, nil
	}
	asked, _ := space.ask(who.WorkspaceID(), &latchkey.LimitRequest{
		Namespace: r.Namespace, Identifier: r.Identifier, Limit: limit, Duration: duration,
		Cost: r.Cost, Algorithm: r.Algorithm,
	})
	if x.State, err = e.lookAt(ctx, asked); err != nil {
		return none, err
	}
	what := "No override matches; the limit of the request applies"
	if len(x.Overrides) > 0 {
		what = "The override of " + x.Overrides[0].Identifier + " applies"
	}
	x.Summary = fmt.Sprintf("%s: %d of %d left.", what, x.State.Remaining, x.State.Limit)
	return x, nil
}

// lookAt returns the state of a limit, and whether the request would pass.
func (e *Engine) lookAt(
	ctx context.Context, asked ratelimit.Request,
) (*latchkey.OverrideState, error) {
	state := asked
	state.Cost = 0
	decisions, err := ratelimit.Peek(ctx, e.limiter, e.now(), []ratelimit.Request{state, asked})
	if err != nil {
		return nil, err
	}
	return &latchkey.OverrideState{
		Success: decisions[1].Passed, Limit: asked.Limit,
		Duration:  latchkey.PerMilli(asked.Duration),
		Algorithm: latchkey.Algorithm(asked.Algorithm.String()),
		Used:      asked.Limit - decisions[0].Remaining, Remaining: decisions[0].Remaining,
		Reset:      latchkey.AtMilli(decisions[0].Reset),
		RetryAfter: latchkey.PerMilli(decisions[1].Wait),
	}, nil
}
