package engine

import (
	"cmp"
	"context"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// Limit checks a rate limit and, if the request passes, counts it. The status
// is 200 either way; look at success. The window slides: usage of the previous
// window still counts in proportion to the part of it that is less than one
// duration old. A rejected request counts nothing, and a cost of 0 only reads
// the limit.
//
// With the algorithm "token_bucket" each identifier has a bucket of limit
// tokens, which refills evenly at limit tokens per duration (GCRA). A request
// passes if the bucket has as many tokens as it costs: a burst of the whole
// limit, then one unit each duration/limit. Reset is when the bucket is full
// again.
//
// An override replaces the limit, the duration and the algorithm of the
// request. A request without an algorithm uses that of its namespace. Requests
// with the same namespace, identifier, duration and algorithm share one count,
// even if their limits differ; a token bucket counts cost/limit.
//
// The root key needs ratelimit.*.limit or ratelimit.<namespaceId>.limit. The
// first use of a name creates its namespace, which needs
// ratelimit.*.create_namespace. A deleted namespace returns 410.
func (e *Engine) Limit(
	ctx context.Context, who Caller, r *latchkey.LimitRequest,
) (latchkey.LimitResult, error) {
	space, err := e.namespaceOrNew(ctx, &who, r.Namespace)
	if err != nil {
		return latchkey.LimitResult{}, err
	}
	if space.deleted {
		return latchkey.LimitResult{}, namespaceGone()
	}
	if err := who.require(ids{Namespace: space.id}); err != nil {
		return latchkey.LimitResult{}, err
	}
	if who.requestHash != "" {
		return e.limitOnce(ctx, who, space, r)
	}
	now := e.now()
	result, err := e.limit(ctx, now, who.WorkspaceID(), space, r)
	if err != nil {
		return latchkey.LimitResult{}, err
	}
	e.observeLimit(&who, now, space, r, &result)
	return result, nil
}

// observeLimit records a decision about a limit in the metrics, as a use of the workspace
// and as an event. It and
// observeLimits are the only places that do, and one of them runs once for each call,
// after the commit. Calls that end in an error, and replayed responses, are not observed.
func (e *Engine) observeLimit(
	who *Caller, now int64, space *namespace, r *latchkey.LimitRequest,
	result *latchkey.LimitResult,
) {
	e.countLimit(who, result.Success)
	if !result.Success {
		e.hooks.noticeDenied(who.WorkspaceID(), space, r, now)
	}
	e.recordLimit(who, &decision{space, r.Identifier, r.Cost.Or(1), now}, result)
}

// observeLimits records the decisions about a batch: one in the metrics, and an event for
// each limit.
func (e *Engine) observeLimits(
	who *Caller, now int64, spaces []*namespace, batch []latchkey.LimitRequest,
	result *latchkey.MultiLimitResult,
) {
	e.countLimit(who, result.Passed)
	for i := range result.Limits {
		check := &result.Limits[i]
		if !check.Passed {
			e.hooks.noticeDenied(who.WorkspaceID(), spaces[i], &batch[i], now)
		}
		e.recordLimit(who, &decision{spaces[i], batch[i].Identifier, batch[i].Cost.Or(1), now},
			&latchkey.LimitResult{
				Success: check.Passed, Limit: check.Limit, Remaining: check.Remaining,
				Reset: check.Reset, OverrideID: check.OverrideID,
			})
	}
}

func (e *Engine) countLimit(who *Caller, passed bool) {
	if passed {
		e.limitsPassed.Add(who.Lane)
		e.used.countRatelimit(who.root, who.Lane)
	} else {
		e.limitsDenied.Add(who.Lane)
	}
}

// limitOnce is limit for a request with an Idempotency-Key. It is a function of
// its own so that only such requests allocate its closure.
func (e *Engine) limitOnce(
	ctx context.Context, who Caller, space *namespace, r *latchkey.LimitRequest,
) (latchkey.LimitResult, error) {
	count := func(ctx context.Context, now int64) (latchkey.LimitResult, error) {
		return e.limit(ctx, now, who.WorkspaceID(), space, r)
	}
	return countOnce(ctx, e, who, count, func(now int64, result *latchkey.LimitResult) {
		e.observeLimit(&who, now, space, r, result)
	})
}

// limit checks and counts one limit.
func (e *Engine) limit(
	ctx context.Context, now int64, workspace string, space *namespace, r *latchkey.LimitRequest,
) (latchkey.LimitResult, error) {
	asked, overrideID := space.ask(workspace, r)
	d, err := e.limiter.TakeOne(ctx, now, asked)
	if err != nil {
		return latchkey.LimitResult{}, err
	}
	return latchkey.LimitResult{
		Success: d.Passed, Limit: asked.Limit, Remaining: d.Remaining,
		Reset: latchkey.AtMilli(d.Reset), RetryAfter: latchkey.PerMilli(d.Wait),
		OverrideID: overrideID,
	}, nil
}

// MultiLimit checks several rate limits at once: all are counted if all pass,
// and none otherwise. The response has a result for each, in the order of the
// request, so you can see which one was exceeded. Checks of the same count add
// up: two of cost 1 need 2.
//
// The root key needs ratelimit.*.limit, or ratelimit.<namespaceId>.limit of
// every namespace. The first use of a name creates its namespace, which needs
// ratelimit.*.create_namespace. A deleted namespace returns 410.
func (e *Engine) MultiLimit(
	ctx context.Context, who Caller, r *latchkey.MultiLimitRequest,
) (latchkey.MultiLimitResult, error) {
	names := make([]string, len(*r))
	for i, limit := range *r {
		names[i] = limit.Namespace
	}
	spaces, err := e.namespaces(ctx, who, names...)
	if err != nil {
		return latchkey.MultiLimitResult{}, err
	}
	if err := requireNamespaces(&who, spaces); err != nil {
		return latchkey.MultiLimitResult{}, err
	}
	count := func(ctx context.Context, now int64) (latchkey.MultiLimitResult, error) {
		return e.takeAll(ctx, who, now, spaces, *r)
	}
	return countOnce(ctx, e, who, count, func(now int64, result *latchkey.MultiLimitResult) {
		e.observeLimits(&who, now, spaces, *r, result)
	})
}

// requireNamespaces returns an error unless the caller can use all of the
// namespaces and none of them is deleted.
func requireNamespaces(who *Caller, spaces []*namespace) error {
	for _, space := range spaces {
		if err := who.require(ids{Namespace: space.id}); err != nil {
			return err
		}
	}
	for _, space := range spaces {
		if space.deleted {
			return namespaceGone()
		}
	}
	return nil
}

// takeAll checks and counts a batch. Spaces has the namespace of each check.
func (e *Engine) takeAll(
	ctx context.Context, who Caller, now int64, spaces []*namespace, batch []latchkey.LimitRequest,
) (latchkey.MultiLimitResult, error) {
	asked := make([]ratelimit.Request, len(batch))
	result := latchkey.MultiLimitResult{
		Passed: true, Limits: make([]latchkey.LimitCheck, len(batch)),
	}
	for i := range batch {
		asked[i], result.Limits[i].OverrideID = spaces[i].ask(who.WorkspaceID(), &batch[i])
	}
	decisions, err := e.limiter.Take(ctx, now, asked)
	if err != nil {
		return latchkey.MultiLimitResult{}, err
	}
	for i, d := range decisions {
		check := &result.Limits[i]
		check.Namespace, check.Identifier = batch[i].Namespace, batch[i].Identifier
		check.Limit, check.Passed = asked[i].Limit, d.Passed
		check.Remaining, check.Reset = d.Remaining, latchkey.AtMilli(d.Reset)
		check.RetryAfter = latchkey.PerMilli(d.Wait)
		result.Passed = result.Passed && d.Passed
	}
	return result, nil
}

// ask returns the request to the limiter, and the id of the override that
// applies, if any.
func (n *namespace) ask(
	workspace string, r *latchkey.LimitRequest,
) (asked ratelimit.Request, overrideID string) {
	asked = ratelimit.Request{
		Key: ratelimit.Key{
			Workspace: workspace, Namespace: n.id, Identifier: r.Identifier,
			Duration: r.Duration.Milliseconds(),
		},
		Limit:  r.Limit,
		Cost:   r.Cost.Or(1),
		Refuse: n.refuse,
	}
	algorithm := cmp.Or(string(r.Algorithm), n.algorithm)
	if o, applies := n.overrides.Resolve(r.Identifier); applies {
		asked.Limit, asked.Duration, overrideID = o.Limit, o.Duration, o.ID
		algorithm = cmp.Or(o.Algorithm, algorithm)
	}
	asked.Algorithm = algorithmNamed(algorithm)
	return asked, overrideID
}

// algorithmNamed returns the algorithm of that name. A name that only a later
// release knows is the default, because its rows can be read by this one.
func algorithmNamed(name string) ratelimit.Algorithm {
	algorithm, _ := ratelimit.ParseAlgorithm(name)
	return algorithm
}

// countOnce runs count without a transaction or, with an Idempotency-Key, once
// within a change that saves the response. It observes what was decided.
func countOnce[T any](
	ctx context.Context, e *Engine, who Caller,
	count func(ctx context.Context, now int64) (T, error), observe func(now int64, result *T),
) (T, error) {
	now, replayed := e.now(), false
	result, err := *new(T), error(nil)
	if who.requestHash == "" {
		result, err = count(ctx, now)
	} else {
		counting := once(func(ctx context.Context) (T, error) { return count(ctx, now) })
		work := func(ctx context.Context, c *Change) (T, error) {
			if c.tx.Rehearsed() {
				return *new(T), nil // what is counted can't be undone
			}
			return counting(ctx)
		}
		result, replayed, err = changeOnce(ctx, e, who, work)
	}
	if err != nil {
		return *new(T), err
	}
	if !replayed {
		observe(now, &result)
	}
	return result, nil
}

func namespaceGone() error {
	return errNamespaceGone.with("This namespace has been deleted. Its name can't be used again.")
}
