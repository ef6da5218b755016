package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/query"
)

// GetVerifications queries key verifications with SQL, in the dialect of ClickHouse.
//
// Tables are key_verifications_v1 and, as sums, key_verifications_per_minute_v1,
// …_per_hour_v1, …_per_day_v1 and …_per_month_v1. A query is one SELECT and returns at
// most 10,000 rows and 4 MiB; it can take 10 seconds. A workspace can run 1,000 queries
// an hour, for 30 minutes in all. Events can be queried as soon as they have happened.
//
// The root key needs api.*.read_analytics, or api.<apiId>.read_analytics for
// the events of those APIs only. If the service records no events, the operation
// returns 412.
func (e *Engine) GetVerifications(
	ctx context.Context, who Caller, r *latchkey.AnalyticsRequest,
) ([]latchkey.AnalyticsRow, error) {
	spaces, err := e.spacesToRead(ctx, &who, events.Verifications)
	if err != nil {
		return nil, err
	}
	return e.analyze(ctx, &who, events.Verifications, spaces, r.Query)
}

// GetRatelimits queries decisions on rate limits with SQL, in the dialect of ClickHouse.
// Limits that verifications check are not among them.
//
// Tables are ratelimits_v1 and, as sums, ratelimits_per_minute_v1, …_per_hour_v1,
// …_per_day_v1 and …_per_month_v1. A query is one SELECT and returns at most 10,000 rows
// and 4 MiB; it can take 10 seconds. A workspace can run 1,000 queries an hour, for 30
// minutes in all. Events can be queried as soon as they have happened.
//
// The root key needs ratelimit.*.read_analytics, or
// ratelimit.<namespaceId>.read_analytics for the events of those namespaces
// only. If the service records no events, the operation returns 412.
func (e *Engine) GetRatelimits(
	ctx context.Context, who Caller, r *latchkey.AnalyticsRequest,
) ([]latchkey.AnalyticsRow, error) {
	spaces, err := e.spacesToRead(ctx, &who, events.Limits)
	if err != nil {
		return nil, err
	}
	return e.analyze(ctx, &who, events.Limits, spaces, r.Query)
}

// eventSpace is what events are in: the keyspace of an API, or a rate-limit namespace.
type eventSpace struct {
	id   string // of the keyspace or namespace
	on   ids    // for the rules of operations
	name string // of the API or namespace
}

// eventSpaces returns the spaces of a kind of events of a workspace, deleted ones too.
func (e *Engine) eventSpaces(
	ctx context.Context, workspace string, kind events.Kind,
) (all []eventSpace, err error) {
	if kind == events.Verifications {
		apis, err := e.db.APIKeyspaces(ctx, workspace)
		for _, api := range apis {
			on := ids{API: api.ID, Keyspace: api.KeyspaceID}
			all = append(all, eventSpace{api.KeyspaceID, on, api.Name})
		}
		return all, err
	}
	namespaces, err := e.db.NamespaceNames(ctx, workspace)
	for _, n := range namespaces {
		all = append(all, eventSpace{n.ID, ids{Namespace: n.ID}, n.Name})
	}
	return all, err
}

// spacesToRead returns the spaces whose events the caller can query, nil for all. It returns an
// error if it can query none.
func (e *Engine) spacesToRead(
	ctx context.Context, who *Caller, kind events.Kind,
) ([]string, error) {
	if who.permits("", everything) {
		return nil, nil
	}
	all, err := e.eventSpaces(ctx, who.WorkspaceID(), kind)
	if err != nil {
		return nil, err
	}
	return who.readable("", all)
}

// readable returns those of the spaces for which the caller satisfies the rules of its operation
// under the condition. It returns an error if there are none.
func (c *Caller) readable(when latchkey.Condition, all []eventSpace) (some []string, err error) {
	for _, space := range all {
		if c.permits(when, space.on) {
			some = append(some, space.id)
		}
	}
	if len(some) == 0 {
		return []string{}, c.requireWhen(when, everything)
	}
	return some, nil
}

// queryBounds bound a query.
var queryBounds = query.Bounds{Timeout: 10 * time.Second, Rows: 10_000, Bytes: 4 << 20}

// analyze runs a query on the events of spaces of the caller's workspace.
func (e *Engine) analyze(
	ctx context.Context, who *Caller, kind events.Kind, spaces []string, sql string,
) ([]latchkey.AnalyticsRow, error) {
	done, err := e.beginQuery(ctx, who)
	if err != nil {
		return nil, err
	}
	defer done()
	result, err := e.analytics.Run(ctx, &query.Question{
		SQL: sql, Kind: kind, Now: e.time(), Bounds: queryBounds,
		Scope: query.Scope{Workspace: who.WorkspaceID(), Spaces: spaces},
	})
	if err != nil {
		return nil, queryError(err)
	}
	rows := make([]latchkey.AnalyticsRow, len(result.Rows))
	for i, values := range result.Rows {
		rows[i] = make(latchkey.AnalyticsRow, len(values))
		for j, v := range values {
			rows[i][result.Columns[j]] = v
		}
	}
	return rows, nil
}

// beginQuery waits for the turn of a query of events. Done ends it.
func (e *Engine) beginQuery(ctx context.Context, who *Caller) (done func(), err error) {
	if e.events == nil {
		return nil, errAnalyticsNotConfigured.with(
			"This service records no events: it runs with --events off.")
	}
	return e.queryQuota.begin(ctx, who.WorkspaceID(), who.session().externalID, e.now())
}

// queryErrors are the errors of refused queries.
var queryErrors = map[query.Reason]errorKind{
	query.Invalid:         badQuery("invalid_analytics_query"),
	query.NotSelect:       badQuery("invalid_analytics_query_type"),
	query.UnknownTable:    badQuery("invalid_analytics_table"),
	query.UnknownFunction: badQuery("invalid_analytics_function"),
	query.TooOld:          badQuery("query_range_exceeds_retention"),
	query.TooSlow:         heavyQuery("query_execution_timeout"),
	query.TooLarge:        heavyQuery("query_memory_limit_exceeded"),
	query.TooManyRows:     heavyQuery("query_rows_limit_exceeded"),
}

func badQuery(what string) errorKind {
	return errorKind{400, "Bad Request", "user/bad_request/" + what}
}

func heavyQuery(what string) errorKind {
	return errorKind{422, "Unprocessable Entity", "user/unprocessable_entity/" + what}
}

// queryError turns an error of a query into that of the operation.
func queryError(err error) error {
	var refused *query.Error
	switch {
	case errors.As(err, &refused):
		return queryErrors[refused.Reason].with("%s.", refused.Message)
	case errors.Is(err, events.ErrUnavailable):
		return eventsUnavailable(err)
	}
	return fmt.Errorf("query: %w", err)
}

func eventsUnavailable(err error) error {
	return errors.Join(errAnalyticsUnavailable.with(
		"The events can't be read now. Try again later."), err)
}
