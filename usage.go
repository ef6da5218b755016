package latchkey

import (
	"context"
	"iter"
)

// The kinds of events.
const (
	EventVerifications = "verifications" // verifications of keys
	EventRatelimits    = "ratelimits"    // decisions of ratelimit.limit and ratelimit.multiLimit
)

// UsageTotalsRequest asks what happened in a time, in sums. Each field that selects events
// narrows the sums down.
type UsageTotalsRequest struct {
	// Kind is what to add up.
	Kind string `json:"kind,omitempty" check:"enum=verifications|ratelimits,default=verifications"`
	// Start is the first millisecond of the time, in unix milliseconds.
	Start Opt[Time] `json:"start,omitzero" check:"min=0,max=4102444800000"`
	// End is the first millisecond after the time, in unix milliseconds; by default now.
	End Opt[Time] `json:"end,omitzero" check:"min=0,max=4102444800000"`
	// Month is a calendar month in place of start and end, for example "2026-10".
	Month string `json:"month,omitempty" check:"min=7,max=7"`
	// TimeZone is the IANA time zone in which the month begins and ends; UTC by default.
	TimeZone string `json:"timeZone,omitempty" check:"min=1,max=64"`
	// GroupBy asks for the sums of each value of these fields, or of each pair of values. An event
	// with several tags is in the group of each.
	GroupBy []string `json:"groupBy,omitempty" check:"min=1,max=2,items.enum=apiId|keyId|identityId|externalId|namespaceId|identifier|tag|outcome"`
	// Top is how many groups to return: those with the largest sums.
	Top int `json:"top,omitempty" check:"min=1,max=1000,default=100"`
	// OrderBy is the sum that orders the groups.
	OrderBy string `json:"orderBy,omitempty" check:"enum=count|credits,default=count"`
	// APIID selects verifications of the keys of this API.
	APIID string `json:"apiId,omitempty" check:"min=1,max=255"`
	// KeyID selects verifications of this key.
	KeyID string `json:"keyId,omitempty" check:"min=1,max=255"`
	// IdentityID selects verifications of the keys that this identity had at the time.
	IdentityID string `json:"identityId,omitempty" check:"min=1,max=255"`
	// ExternalID selects verifications of the keys that had this external id at the time.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Namespace selects decisions in the rate-limit namespace with this id or name.
	Namespace string `json:"namespace,omitempty" check:"min=1,max=255"`
	// Identifier selects decisions on this identifier.
	Identifier string `json:"identifier,omitempty" check:"min=1,max=255"`
	// Tag selects verifications that had this tag.
	Tag string `json:"tag,omitempty" check:"min=1,max=512"`
	// Outcome selects events with this result: the code of a verification, or PASSED or DENIED.
	Outcome string `json:"outcome,omitempty" check:"enum=VALID|RATE_LIMITED|EXPIRED|DISABLED|INSUFFICIENT_PERMISSIONS|FORBIDDEN|USAGE_EXCEEDED|PASSED|DENIED"`
}

// UsageReport has the sums of a time.
type UsageReport struct {
	// Start is the first millisecond of the time, in unix milliseconds.
	Start Time `json:"start" check:"required"`
	// End is the first millisecond after the time, in unix milliseconds.
	End Time `json:"end" check:"required"`
	// Total are the sums of all events.
	Total UsageSum `json:"total" check:"required"`
	// Groups are the groups with the largest sums, the largest first.
	Groups []UsageGroup `json:"groups" check:"required"`
	// AllGroups is the number of groups, those beyond top among them.
	AllGroups int `json:"allGroups" check:"required"`
	// Dropped is how many events the service couldn't store within the time, of all workspaces
	// together. The sums may lack up to that many.
	Dropped int64 `json:"dropped" check:"required"`
}

// UsageSum is what events add up to.
type UsageSum struct {
	// Count is the number of events.
	Count int64 `json:"count" check:"required"`
	// Passed is the number of valid verifications, or of decisions that let a request pass.
	Passed int64 `json:"passed" check:"required"`
	// Credits are the credits that verifications spent, or the cost of the requests that passed.
	Credits int64 `json:"credits" check:"required"`
}

// UsageGroup are the sums of a group. It has the fields of groupBy; one is absent for events
// without it.
type UsageGroup struct {
	// APIID is the API of the keys.
	APIID string `json:"apiId,omitempty"`
	// APIName is the name of this API.
	APIName string `json:"apiName,omitempty"`
	// KeyID is the key. It can be deleted since.
	KeyID string `json:"keyId,omitempty"`
	// IdentityID is the identity of the keys. It can be deleted since.
	IdentityID string `json:"identityId,omitempty"`
	// ExternalID is the external id of this identity.
	ExternalID string `json:"externalId,omitempty"`
	// NamespaceID is the rate-limit namespace.
	NamespaceID string `json:"namespaceId,omitempty"`
	// NamespaceName is the name of this namespace.
	NamespaceName string `json:"namespaceName,omitempty"`
	// Identifier is the identifier of the rate limit.
	Identifier string `json:"identifier,omitempty"`
	// Tag is the tag of the verifications.
	Tag string `json:"tag,omitempty"`
	// Outcome is the result: the code of a verification, or PASSED or DENIED.
	Outcome string `json:"outcome,omitempty"`
	// Count is the number of events.
	Count int64 `json:"count" check:"required"`
	// Passed is the number of valid verifications, or of decisions that let a request pass.
	Passed int64 `json:"passed" check:"required"`
	// Credits are the credits that verifications spent, or the cost of the requests that passed.
	Credits int64 `json:"credits" check:"required"`
	// Data are the sums of each interval, in a response of usage.getTimeseries.
	Data []UsagePoint `json:"data,omitempty"`
}

// UsageTimeseriesRequest asks what happened in each hour, day, week or month of a time. Each field
// that selects events narrows the sums down.
type UsageTimeseriesRequest struct {
	// Kind is what to add up.
	Kind string `json:"kind,omitempty" check:"enum=verifications|ratelimits,default=verifications"`
	// Start is the first millisecond of the time, in unix milliseconds.
	Start Opt[Time] `json:"start,omitzero" check:"min=0,max=4102444800000"`
	// End is the first millisecond after the time, in unix milliseconds; by default now.
	End Opt[Time] `json:"end,omitzero" check:"min=0,max=4102444800000"`
	// Month is a calendar month in place of start and end, for example "2026-10".
	Month string `json:"month,omitempty" check:"min=7,max=7"`
	// Interval is the length of the intervals. Weeks begin on Monday. The first and the last
	// interval are cut off at start and end.
	Interval string `json:"interval,omitempty" check:"enum=hour|day|week|month,default=day"`
	// TimeZone is the IANA time zone in which intervals begin; UTC by default.
	TimeZone string `json:"timeZone,omitempty" check:"min=1,max=64"`
	// GroupBy asks for the sums of each value of these fields, or of each pair of values. An event
	// with several tags is in the group of each.
	GroupBy []string `json:"groupBy,omitempty" check:"min=1,max=2,items.enum=apiId|keyId|identityId|externalId|namespaceId|identifier|tag|outcome"`
	// Top is how many groups to return: those with the largest sums of the whole time.
	Top int `json:"top,omitempty" check:"min=1,max=100,default=10"`
	// OrderBy is the sum that orders the groups.
	OrderBy string `json:"orderBy,omitempty" check:"enum=count|credits,default=count"`
	// APIID selects verifications of the keys of this API.
	APIID string `json:"apiId,omitempty" check:"min=1,max=255"`
	// KeyID selects verifications of this key.
	KeyID string `json:"keyId,omitempty" check:"min=1,max=255"`
	// IdentityID selects verifications of the keys that this identity had at the time.
	IdentityID string `json:"identityId,omitempty" check:"min=1,max=255"`
	// ExternalID selects verifications of the keys that had this external id at the time.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Namespace selects decisions in the rate-limit namespace with this id or name.
	Namespace string `json:"namespace,omitempty" check:"min=1,max=255"`
	// Identifier selects decisions on this identifier.
	Identifier string `json:"identifier,omitempty" check:"min=1,max=255"`
	// Tag selects verifications that had this tag.
	Tag string `json:"tag,omitempty" check:"min=1,max=512"`
	// Outcome selects events with this result: the code of a verification, or PASSED or DENIED.
	Outcome string `json:"outcome,omitempty" check:"enum=VALID|RATE_LIMITED|EXPIRED|DISABLED|INSUFFICIENT_PERMISSIONS|FORBIDDEN|USAGE_EXCEEDED|PASSED|DENIED"`
}

// UsageTimeseries has the sums of each interval of a time.
type UsageTimeseries struct {
	// Start is the first millisecond of the time, in unix milliseconds.
	Start Time `json:"start" check:"required"`
	// End is the first millisecond after the time, in unix milliseconds.
	End Time `json:"end" check:"required"`
	// Total are the sums of all events.
	Total UsageSum `json:"total" check:"required"`
	// Data are the sums of every interval, the first one first.
	Data []UsagePoint `json:"data" check:"required"`
	// Groups are the groups with the largest sums, the largest first.
	Groups []UsageGroup `json:"groups" check:"required"`
	// AllGroups is the number of groups, those beyond top among them.
	AllGroups int `json:"allGroups" check:"required"`
	// Dropped is how many events the service couldn't store within the time, of all workspaces
	// together. The sums may lack up to that many.
	Dropped int64 `json:"dropped" check:"required"`
}

// UsagePoint are the sums of one interval.
type UsagePoint struct {
	// Time is the beginning of the interval, in unix milliseconds.
	Time Time `json:"time" check:"required"`
	// Count is the number of events.
	Count int64 `json:"count" check:"required"`
	// Passed is the number of valid verifications, or of decisions that let a request pass.
	Passed int64 `json:"passed" check:"required"`
	// Credits are the credits that verifications spent, or the cost of the requests that passed.
	Credits int64 `json:"credits" check:"required"`
}

// ListEventsRequest asks for one page of single events. Each field that selects events narrows the
// list down.
type ListEventsRequest struct {
	// Kind is what to list.
	Kind string `json:"kind,omitempty" check:"enum=verifications|ratelimits,default=verifications"`
	// Start is the first millisecond of the time, in unix milliseconds; by default that of the
	// oldest event.
	Start Opt[Time] `json:"start,omitzero" check:"min=0,max=4102444800000"`
	// End is the first millisecond after the time, in unix milliseconds; by default now.
	End Opt[Time] `json:"end,omitzero" check:"min=0,max=4102444800000"`
	// Order says which events are first.
	Order string `json:"order,omitempty" check:"enum=newest|oldest,default=newest"`
	// Limit is the largest number of events in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=10000,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// APIID selects verifications of the keys of this API.
	APIID string `json:"apiId,omitempty" check:"min=1,max=255"`
	// KeyID selects verifications of this key.
	KeyID string `json:"keyId,omitempty" check:"min=1,max=255"`
	// IdentityID selects verifications of the keys that this identity had at the time.
	IdentityID string `json:"identityId,omitempty" check:"min=1,max=255"`
	// ExternalID selects verifications of the keys that had this external id at the time.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Namespace selects decisions in the rate-limit namespace with this id or name.
	Namespace string `json:"namespace,omitempty" check:"min=1,max=255"`
	// Identifier selects decisions on this identifier.
	Identifier string `json:"identifier,omitempty" check:"min=1,max=255"`
	// Tag selects verifications that had this tag.
	Tag string `json:"tag,omitempty" check:"min=1,max=512"`
	// Outcome selects events with this result: the code of a verification, or PASSED or DENIED.
	Outcome string `json:"outcome,omitempty" check:"enum=VALID|RATE_LIMITED|EXPIRED|DISABLED|INSUFFICIENT_PERMISSIONS|FORBIDDEN|USAGE_EXCEEDED|PASSED|DENIED"`
}

// Event is one verification of a key, or one decision on a rate limit.
type Event struct {
	// Time is when it happened, in unix milliseconds.
	Time Time `json:"time" check:"required"`
	// RequestID is the id of the request, as in the response.
	RequestID string `json:"requestId" check:"required"`
	// Outcome is the result: the code of a verification, or PASSED or DENIED.
	Outcome string `json:"outcome" check:"required"`
	// APIID is the API of the key.
	APIID string `json:"apiId,omitempty"`
	// KeyID is the key that was verified.
	KeyID string `json:"keyId,omitempty"`
	// IdentityID is the identity that the key had.
	IdentityID string `json:"identityId,omitempty"`
	// ExternalID is the external id of this identity.
	ExternalID string `json:"externalId,omitempty"`
	// NamespaceID is the namespace of the rate limit.
	NamespaceID string `json:"namespaceId,omitempty"`
	// Identifier is the identifier of the rate limit.
	Identifier string `json:"identifier,omitempty"`
	// OverrideID is the override that set the rate limit.
	OverrideID string `json:"overrideId,omitempty"`
	// Tags are those of the verification.
	Tags []string `json:"tags,omitempty"`
	// Credits are the credits that the verification spent, or the cost of the request.
	Credits int64 `json:"credits" check:"required"`
	// LatencyMicros is how long the service took to decide, in microseconds; 0 if it wasn't measured.
	LatencyMicros int64 `json:"latencyMicros" check:"required"`
	// Limit is the rate limit that decided.
	Limit Opt[int64] `json:"limit,omitzero"`
	// Remaining is what was left of it.
	Remaining Opt[int64] `json:"remaining,omitzero"`
	// Reset is when the window of the rate limit ended, in unix milliseconds.
	Reset Opt[Time] `json:"reset,omitzero"`
}

// Usage are the operations on what happened to keys and rate limits.
type Usage struct{ c *Client }

// GetTotals reads the sums of a time.
func (s Usage) GetTotals(
	ctx context.Context, r UsageTotalsRequest, opts ...CallOption,
) (UsageReport, error) {
	return call[UsageReport](ctx, s.c, "usage.getTotals", &r, opts)
}

// GetTimeseries reads the sums of each interval of a time.
func (s Usage) GetTimeseries(
	ctx context.Context, r UsageTimeseriesRequest, opts ...CallOption,
) (UsageTimeseries, error) {
	return call[UsageTimeseries](ctx, s.c, "usage.getTimeseries", &r, opts)
}

// ListEvents reads one page of events.
func (s Usage) ListEvents(
	ctx context.Context, r ListEventsRequest, opts ...CallOption,
) (Page[Event], error) {
	return list[Event](ctx, s.c, "usage.listEvents", &r, opts)
}

// AllEvents iterates over events, page after page.
func (s Usage) AllEvents(
	ctx context.Context, r ListEventsRequest, opts ...CallOption,
) iter.Seq2[Event, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Event], error) {
		next := r
		next.Cursor = cursor
		return s.ListEvents(ctx, next, opts...)
	})
}
