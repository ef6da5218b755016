package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	spaces, err := e.keyspacesToRead(ctx, &who)
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
	spaces, err := e.namespacesToRead(ctx, &who)
	if err != nil {
		return nil, err
	}
	return e.analyze(ctx, &who, events.Limits, spaces, r.Query)
}

// keyspacesToRead returns the keyspaces whose events the caller can read, nil for all. It
// returns an error if it can read none.
func (e *Engine) keyspacesToRead(ctx context.Context, who *Caller) ([]string, error) {
	if who.permits("", everything) {
		return nil, nil
	}
	apis, err := e.db.APIKeyspaces(ctx, who.WorkspaceID())
	if err != nil {
		return nil, fmt.Errorf("APIs: %w", err)
	}
	var spaces []string
	for _, api := range apis {
		if who.permits("", ids{API: api.ID, Keyspace: api.KeyspaceID}) {
			spaces = append(spaces, api.KeyspaceID)
		}
	}
	return spaces, who.requireAny(spaces)
}

// namespacesToRead is keyspacesToRead for namespaces.
func (e *Engine) namespacesToRead(ctx context.Context, who *Caller) ([]string, error) {
	if who.permits("", everything) {
		return nil, nil
	}
	spaces, err := e.db.NamespaceIDs(ctx, who.WorkspaceID())
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	spaces = slices.DeleteFunc(spaces, func(id string) bool {
		return !who.permits("", ids{Namespace: id})
	})
	return spaces, who.requireAny(spaces)
}

// requireAny returns the error of a missing permission unless the caller can read some spaces.
func (c *Caller) requireAny(spaces []string) error {
	if len(spaces) > 0 {
		return nil
	}
	return c.require(everything)
}

// queryBounds bound a query.
var queryBounds = query.Bounds{Timeout: 10 * time.Second, Rows: 10_000, Bytes: 4 << 20}

// analyze runs a query on the events of spaces of the caller's workspace.
func (e *Engine) analyze(
	ctx context.Context, who *Caller, kind events.Kind, spaces []string, sql string,
) ([]latchkey.AnalyticsRow, error) {
	if e.analytics == nil {
		return nil, errAnalyticsNotConfigured.with(
			"This service records no events: it runs with --events off.")
	}
	done, err := e.queryQuota.begin(ctx, who.WorkspaceID(), e.now())
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
		return errors.Join(errAnalyticsUnavailable.with(
			"The events can't be read now. Try again later."), err)
	}
	return fmt.Errorf("query: %w", err)
}
