package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/tally"
	"github.com/latchkeyhq/latchkey/internal/period"
)

const (
	maxIntervals = 1000   // of a time series
	maxPoints    = 20_000 // of all groups of a time series together
)

// GetUsageTotals adds up what happened in a time: verifications of keys, or decisions
// of ratelimit.limit and multiLimit. With groupBy it returns the sums of the largest
// groups, too: per customer, key, API, namespace, identifier, tag or outcome. Events
// count as soon as they have happened. Limits that verifications check are not among
// the decisions.
//
// The time is from start until end, or a month in a time zone. Sums are kept by the
// hour for 90 days (of decisions 30), by the day for a year (100 days) and by the
// month for three years, all in UTC; a time that begins earlier returns 400. The
// operation counts on the quota of analytics queries: 1,000 an hour and workspace,
// for 30 minutes in all, and 10 seconds each. More than 500,000 groups return 422.
//
// The root key needs read_analytics for APIs or for namespaces, as kind says. With one
// for some of them it gets the sums of those. If the service records no events, the
// operation returns 412.
func (e *Engine) GetUsageTotals(
	ctx context.Context, who Caller, r *latchkey.UsageTotalsRequest,
) (latchkey.UsageReport, error) {
	selected, err := e.selectEvents(ctx, &who, &eventSelection{
		kind: r.Kind, groupBy: r.GroupBy, api: r.APIID, key: r.KeyID, identity: r.IdentityID,
		externalID: r.ExternalID, namespace: r.Namespace, identifier: r.Identifier, tag: r.Tag,
		outcome: r.Outcome,
	})
	if err != nil {
		return latchkey.UsageReport{}, err
	}
	start, end, _, err := e.usageTime(r.Start, r.End, r.Month, r.TimeZone)
	if err != nil {
		return latchkey.UsageReport{}, err
	}
	answer, err := e.addUp(ctx, &who, selected, &tally.Question{
		Bounds: []int64{start, end}, Top: cmp.Or(r.Top, 100), ByCredits: r.OrderBy == "credits",
	})
	if err != nil {
		return latchkey.UsageReport{}, err
	}
	return latchkey.UsageReport{
		Start: latchkey.AtMilli(start), End: latchkey.AtMilli(end),
		Total:  latchkey.UsageSum(answer.Total),
		Groups: selected.groups(answer, nil), AllGroups: answer.AllGroups, Dropped: answer.Dropped,
	}, nil
}

// GetUsageTimeseries adds up what happened in each hour, day, week or month of a time,
// in a time zone. It returns the sums of every interval, of all events and of the
// largest groups; otherwise it is like usage.getTotals.
//
// A time has at most 1,000 intervals, and the groups have 20,000 together; more
// return 400.
func (e *Engine) GetUsageTimeseries(
	ctx context.Context, who Caller, r *latchkey.UsageTimeseriesRequest,
) (latchkey.UsageTimeseries, error) {
	selected, err := e.selectEvents(ctx, &who, &eventSelection{
		kind: r.Kind, groupBy: r.GroupBy, api: r.APIID, key: r.KeyID, identity: r.IdentityID,
		externalID: r.ExternalID, namespace: r.Namespace, identifier: r.Identifier, tag: r.Tag,
		outcome: r.Outcome,
	})
	if err != nil {
		return latchkey.UsageTimeseries{}, err
	}
	start, end, zone, err := e.usageTime(r.Start, r.End, r.Month, r.TimeZone)
	if err != nil {
		return latchkey.UsageTimeseries{}, err
	}
	every := period.Period{Every: period.Every(cmp.Or(r.Interval, "day")), Zone: zone}
	bounds, err := intervals(every, start, end)
	if err != nil {
		return latchkey.UsageTimeseries{}, err
	}
	top := cmp.Or(r.Top, 10)
	if n := len(bounds) - 1; len(r.GroupBy) > 0 && top*n > maxPoints {
		return latchkey.UsageTimeseries{}, invalid(latchkey.Fault{
			Location: "/properties/top",
			Message: fmt.Sprintf("%d groups of %d intervals are more than %d sums", top, n,
				maxPoints),
			Fix: "Ask for fewer groups, longer intervals or a shorter time.",
		})
	}
	answer, err := e.addUp(ctx, &who, selected, &tally.Question{
		Bounds: bounds, InParts: true, Top: top, ByCredits: r.OrderBy == "credits",
	})
	if err != nil {
		return latchkey.UsageTimeseries{}, err
	}
	return latchkey.UsageTimeseries{
		Start: latchkey.AtMilli(start), End: latchkey.AtMilli(end),
		Total: latchkey.UsageSum(answer.Total),
		Data:  points(bounds, answer.Series), Groups: selected.groups(answer, bounds),
		AllGroups: answer.AllGroups, Dropped: answer.Dropped,
	}, nil
}

// ListEvents returns one page of events, newest first: verifications of keys, or
// decisions of ratelimit.limit and multiLimit, each with its result and the numbers
// behind it. Events can be listed as soon as they have happened, and for 90 days
// (decisions for 31), or shorter if the operator says so.
//
// A page has at most 4 MiB. The operation counts on the quota of analytics queries, and
// needs the same permissions as usage.getTotals.
func (e *Engine) ListEvents(
	ctx context.Context, who Caller, r *latchkey.ListEventsRequest,
) (latchkey.Page[latchkey.Event], error) {
	selected, err := e.selectEvents(ctx, &who, &eventSelection{
		kind: r.Kind, api: r.APIID, key: r.KeyID, identity: r.IdentityID,
		externalID: r.ExternalID, namespace: r.Namespace, identifier: r.Identifier, tag: r.Tag,
		outcome: r.Outcome,
	})
	if err != nil {
		return latchkey.Page[latchkey.Event]{}, err
	}
	end, given := r.End.Get()
	if !given {
		end = latchkey.AtMilli(e.now() + 1)
	}
	size := pageSize(r.Limit, 100)
	list := &tally.ListQuestion{
		Kind: selected.kind, Scope: selected.scope, Filter: selected.filter,
		From: r.Start.Or(latchkey.AtMilli(0)).UnixMilli(), To: end.UnixMilli(),
		OldestFirst: r.Order == "oldest", Most: size, Place: r.Cursor,
	}
	var found []tally.Event
	err = e.queryEvents(ctx, &who, func(ctx context.Context) (err error) {
		found, err = tally.List(ctx, e.events, list)
		return err
	})
	if err != nil {
		return latchkey.Page[latchkey.Event]{}, err
	}
	page := latchkey.Page[latchkey.Event]{Data: []latchkey.Event{}}
	var scale scale[latchkey.Event]
	for i := range found {
		event := selected.event(&found[i])
		if len(page.Data) == size || scale.add(event) > maxPageBytes && i > 0 {
			page.Pagination = latchkey.Pagination{HasMore: true, Cursor: found[i].Place}
			break
		}
		page.Data = append(page.Data, event)
	}
	return page, nil
}

// queryTimeout bounds a question about events.
const queryTimeout = 10 * time.Second

// addUp answers a question about what was selected.
func (e *Engine) addUp(
	ctx context.Context, who *Caller, selected *selectedEvents, q *tally.Question,
) (answer *tally.Answer, err error) {
	q.Kind, q.Scope, q.Filter = selected.kind, selected.scope, selected.filter
	q.By, q.Now = selected.by, e.time()
	err = e.queryEvents(ctx, who, func(ctx context.Context) (err error) {
		answer, err = tally.Add(ctx, e.events, q)
		return err
	})
	return answer, err
}

// queryEvents runs f when it is its turn, within the time of a query.
func (e *Engine) queryEvents(
	ctx context.Context, who *Caller, f func(context.Context) error,
) error {
	done, err := e.beginQuery(ctx, who)
	if err != nil {
		return err
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err = f(limited)
	var old *tally.OldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &old):
		return tooOld(old)
	case errors.Is(err, tally.ErrPlace):
		return invalid(latchkey.Fault{
			Location: "/properties/cursor", Message: "cursor must be the cursor of a page of this list",
			Fix: "Leave it out to start with the first event.",
		})
	case errors.Is(err, tally.ErrTooManyGroups):
		return heavyQuery("query_memory_limit_exceeded").with("The events have more than %d groups, "+
			"or their names more than %d MiB. Select fewer events, or group by another field.",
			tally.MaxGroups, tally.MaxLabelBytes>>20)
	case limited.Err() != nil && ctx.Err() == nil:
		return heavyQuery("query_execution_timeout").with("The events can't be read within %v. Ask "+
			"for a shorter time.", queryTimeout)
	case errors.Is(err, tally.ErrUnavailable):
		return eventsUnavailable(err)
	}
	return fmt.Errorf("events: %w", err)
}

// tooOld is the error of a time that begins before what is kept.
func tooOld(old *tally.OldError) error {
	rows := map[events.Step]string{
		events.Raw: "a time that doesn't begin and end with an hour", events.Hour: "hours",
		events.Day: "days", events.Month: "months",
	}
	return badQuery("query_range_exceeds_retention").with("The time begins too early: what is needed "+
		"for %s in UTC is kept for %d days. Use a later start, or the first day of a month.",
		rows[old.Step], old.Kept/(24*time.Hour))
}

// eventSelection is what requests say about the events that they are about.
type eventSelection struct {
	kind    string
	groupBy []string

	api, key, identity, externalID, tag string // of verifications
	namespace, identifier               string // of decisions on limits
	outcome                             string
}

// selectedEvents are the events that a request is about.
type selectedEvents struct {
	kind   events.Kind
	scope  tally.Scope
	filter tally.Filter
	by     []tally.Dimension
	spaces map[string]eventSpace // by id
}

// dimensions are the values of groupBy.
var dimensions = map[string]struct {
	by   tally.Dimension
	kind string // "" for both
}{
	"apiId":       {tally.BySpace, latchkey.EventVerifications},
	"keyId":       {tally.ByKey, latchkey.EventVerifications},
	"identityId":  {tally.ByIdentity, latchkey.EventVerifications},
	"externalId":  {tally.ByExternal, latchkey.EventVerifications},
	"tag":         {tally.ByTag, latchkey.EventVerifications},
	"namespaceId": {tally.BySpace, latchkey.EventRatelimits},
	"identifier":  {tally.ByKey, latchkey.EventRatelimits},
	"outcome":     {tally.ByOutcome, ""},
}

// selectEvents checks what a request selects, and that the caller can read it.
func (e *Engine) selectEvents(
	ctx context.Context, who *Caller, s *eventSelection,
) (*selectedEvents, error) {
	s.kind = cmp.Or(s.kind, latchkey.EventVerifications)
	selected := &selectedEvents{
		kind: events.Verifications, spaces: map[string]eventSpace{},
		filter: tally.Filter{
			Key: cmp.Or(s.key, s.identifier), Identity: s.identity, External: s.externalID,
			Tag: s.tag, Outcome: s.outcome,
		},
	}
	when := latchkey.WhenVerifications
	if s.kind == latchkey.EventRatelimits {
		selected.kind, when = events.Limits, latchkey.WhenRatelimits
	}
	if faults := s.faults(selected.kind); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	for _, name := range s.groupBy {
		selected.by = append(selected.by, dimensions[name].by)
	}
	all, err := e.eventSpaces(ctx, who.WorkspaceID(), selected.kind)
	if err != nil {
		return nil, fmt.Errorf("spaces: %w", err)
	}
	for _, space := range all {
		selected.spaces[space.id] = space
	}
	selected.scope.Workspace = who.WorkspaceID()
	if !who.permits(when, everything) {
		if selected.scope.Spaces, err = who.readable(when, all); err != nil {
			return nil, err
		}
	}
	switch {
	case s.api != "":
		err = selected.narrow(who, when, apiNotFound(), func(space *eventSpace) bool {
			return space.on.API == s.api
		})
	case s.namespace != "":
		err = selected.narrow(who, when, namespaceNotFound(), func(space *eventSpace) bool {
			return space.id == s.namespace || space.name == s.namespace
		})
	}
	return selected, err
}

// narrow keeps the spaces that is accepts. The caller must be able to read all of them.
func (s *selectedEvents) narrow(
	who *Caller, when latchkey.Condition, notFound error, is func(*eventSpace) bool,
) error {
	s.scope.Spaces = []string{}
	for id, space := range s.spaces {
		if !is(&space) {
			continue
		}
		if err := who.requireWhen(when, space.on); err != nil {
			return err
		}
		s.scope.Spaces = append(s.scope.Spaces, id)
	}
	if len(s.scope.Spaces) == 0 {
		return notFound
	}
	return nil
}

// faults returns the fields that have no meaning for the kind of events.
func (s *eventSelection) faults(kind events.Kind) (faults []latchkey.Fault) {
	only := func(field, of string) {
		faults = append(faults, latchkey.Fault{
			Location: "/properties/" + field,
			Message:  fmt.Sprintf("%s is about %s only, and kind is %s", field, of, s.kind),
			Fix:      fmt.Sprintf("Set kind to %q, or leave %s out.", of, field),
		})
	}
	for _, field := range []struct{ name, value, of string }{
		{"apiId", s.api, latchkey.EventVerifications}, {"keyId", s.key, latchkey.EventVerifications},
		{"identityId", s.identity, latchkey.EventVerifications},
		{"externalId", s.externalID, latchkey.EventVerifications},
		{"tag", s.tag, latchkey.EventVerifications},
		{"namespace", s.namespace, latchkey.EventRatelimits},
		{"identifier", s.identifier, latchkey.EventRatelimits},
	} {
		if field.value != "" && field.of != s.kind {
			only(field.name, field.of)
		}
	}
	if s.outcome != "" && !slices.Contains(tally.Outcomes(kind), s.outcome) {
		faults = append(faults, latchkey.Fault{
			Location: "/properties/outcome", Message: s.outcome + " is no outcome of " + s.kind,
		})
	}
	for i, name := range s.groupBy {
		if of := dimensions[name].kind; of != "" && of != s.kind {
			only("groupBy", of)
		}
		if slices.Contains(s.groupBy[:i], name) {
			faults = append(faults, latchkey.Fault{
				Location: "/properties/groupBy", Message: "groupBy has " + name + " twice",
			})
		}
	}
	return faults
}

// usageTime returns the time that a request is about, in unix ms, and its time zone.
func (e *Engine) usageTime(
	from, to latchkey.Opt[latchkey.Time], month, zoneName string,
) (start, end int64, zone *time.Location, err error) {
	wrong := func(field, message, fix string) (int64, int64, *time.Location, error) {
		return 0, 0, nil, invalid(latchkey.Fault{
			Location: "/properties/" + field, Message: message, Fix: fix,
		})
	}
	zone, err = period.Zone(zoneName)
	var bad *period.Error
	if errors.As(err, &bad) {
		return wrong(bad.Field, bad.Message, bad.Fix)
	}
	first, started := from.Get()
	last, ended := to.Get()
	switch {
	case month != "" && (started || ended):
		return wrong("month", "month stands for start and end", "Leave month out, or start and end.")
	case month != "":
		at, err := time.Parse("2006-01", month)
		if err != nil {
			return wrong("month", "month must be a year and a month", `Send one such as "2026-10".`)
		}
		middle := at.AddDate(0, 0, 14).UnixMilli() // in the month, whatever the zone
		start, end = period.Period{Every: period.Month, Zone: zone}.At(middle)
		return start, end, zone, nil
	case !started:
		return wrong("start", "start is missing", "Send start, or month.")
	case !ended:
		last = latchkey.AtMilli(e.now() + 1)
	}
	if start, end = first.UnixMilli(), last.UnixMilli(); start >= end {
		return wrong("end", "end must be after start", "")
	}
	return start, end, zone, nil
}

// intervals returns the bounds of the intervals of a time.
func intervals(p period.Period, start, end int64) (bounds []int64, err error) {
	bounds = []int64{start}
	for at := start; at < end; {
		if len(bounds) > maxIntervals {
			return nil, invalid(latchkey.Fault{
				Location: "/properties/interval",
				Message:  fmt.Sprintf("the time has more than %d intervals", maxIntervals),
				Fix:      "Ask for longer intervals or a shorter time.",
			})
		}
		_, at = p.At(at)
		bounds = append(bounds, min(at, end))
	}
	return bounds, nil
}

// points returns the sums of intervals.
func points(bounds []int64, series []tally.Sum) []latchkey.UsagePoint {
	all := make([]latchkey.UsagePoint, len(series))
	for i, s := range series {
		all[i] = latchkey.UsagePoint{
			Time: latchkey.AtMilli(bounds[i]), Count: s.Count, Passed: s.Passed, Credits: s.Credits,
		}
	}
	return all
}

// groups returns the groups of an answer, with their intervals if it has bounds.
func (s *selectedEvents) groups(answer *tally.Answer, bounds []int64) []latchkey.UsageGroup {
	all := make([]latchkey.UsageGroup, len(answer.Groups))
	for i := range answer.Groups {
		from := &answer.Groups[i]
		all[i] = latchkey.UsageGroup{
			Count: from.Sum.Count, Passed: from.Sum.Passed, Credits: from.Sum.Credits,
		}
		if bounds != nil {
			all[i].Data = points(bounds, from.Series)
		}
		for d, by := range s.by {
			s.label(&all[i], by, from.Labels[d])
		}
	}
	return all
}

// label sets a field of groupBy.
func (s *selectedEvents) label(g *latchkey.UsageGroup, by tally.Dimension, text string) {
	switch verifications := s.kind == events.Verifications; {
	case by == tally.BySpace && verifications:
		g.APIID, g.APIName = s.spaces[text].on.API, s.spaces[text].name
	case by == tally.BySpace:
		g.NamespaceID, g.NamespaceName = text, s.spaces[text].name
	case by == tally.ByKey && verifications:
		g.KeyID = text
	case by == tally.ByKey:
		g.Identifier = text
	case by == tally.ByIdentity:
		g.IdentityID = text
	case by == tally.ByExternal:
		g.ExternalID = text
	case by == tally.ByTag:
		g.Tag = text
	case by == tally.ByOutcome:
		g.Outcome = text
	}
}

// event returns an event as the API has it.
func (s *selectedEvents) event(e *tally.Event) latchkey.Event {
	event := latchkey.Event{
		Time: latchkey.AtMilli(e.At), RequestID: e.RequestID, Outcome: e.Outcome, Tags: e.Tags,
		IdentityID: e.Subject.Identity, ExternalID: e.Subject.External,
		Credits: e.Amount, LatencyMicros: e.Latency,
	}
	if s.kind == events.Verifications {
		event.APIID, event.KeyID = s.spaces[e.Subject.Space].on.API, e.Subject.Key
		return event
	}
	event.NamespaceID, event.Identifier = e.Subject.Space, e.Subject.Key
	event.OverrideID = e.Subject.Override
	event.Limit, event.Remaining = latchkey.Int(e.Limit), latchkey.Int(e.Remaining)
	event.Reset = latchkey.Set(latchkey.AtMilli(e.Reset))
	return event
}
