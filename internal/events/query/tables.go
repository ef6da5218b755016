package query

import (
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// column is a column of a table or of a subquery.
type column struct {
	name string
	typ  typ
	from events.Columns // that its values come from
}

// tableDef is a table of queries.
type tableDef struct {
	name    string
	kind    events.Kind
	step    events.Step
	kept    time.Duration // 0 for as long as single events
	columns []column
}

func plainType(k kind) typ { return typ{kind: k} }

const day = 24 * time.Hour

// Points of time of the steps have different types.
func timeColumn(k kind) column { return column{"time", plainType(k), events.ColTime} }

// strings are columns of texts of the subject.
func subjects(names ...string) (columns []column) {
	for _, name := range names {
		columns = append(columns, column{name, plainType(text), events.ColSubject})
	}
	return columns
}

var (
	tags    = column{"tags", typ{kind: array, elem: text}, events.ColTags}
	outcome = column{"outcome", plainType(text), events.ColOutcome}

	rawVerifications = slices.Concat(
		[]column{{"request_id", plainType(text), events.ColRequest}, timeColumn(integer)},
		subjects("workspace_id", "key_space_id", "identity_id", "external_id", "key_id"),
		[]column{
			{"region", plainType(text), 0}, {"source", plainType(text), 0},
			{"app_id", plainType(text), 0}, outcome, tags,
			{"spent_credits", plainType(integer), events.ColAmount},
			{"latency", plainType(float), events.ColLatency},
		},
	)
	rawLimits = slices.Concat(
		[]column{{"request_id", plainType(text), events.ColRequest}, timeColumn(integer)},
		subjects("workspace_id", "namespace_id", "identifier"),
		[]column{
			{"passed", plainType(boolean), events.ColOutcome},
			{"latency", plainType(float), events.ColLatency},
		},
		subjects("override_id"),
		[]column{
			{"limit", plainType(unsigned), events.ColLimit},
			{"remaining", plainType(unsigned), events.ColLeft},
			{"reset_at", plainType(integer), events.ColReset},
			{"tokens", plainType(unsigned), events.ColAmount},
		},
	)
)

// sumsOfVerifications are the columns of the sums of verifications.
func sumsOfVerifications(time kind) []column {
	return slices.Concat([]column{timeColumn(time)},
		subjects("workspace_id", "key_space_id", "identity_id", "external_id", "key_id"),
		[]column{
			outcome, {"source", plainType(text), 0}, {"app_id", plainType(text), 0}, tags,
			{"count", plainType(integer), events.ColCount},
			{"spent_credits", plainType(integer), events.ColAmount},
		})
}

// sumsOfLimits are the columns of the sums of decisions on limits.
func sumsOfLimits(time kind) []column {
	return slices.Concat([]column{timeColumn(time)},
		subjects("workspace_id", "namespace_id", "identifier"),
		[]column{
			{"passed", plainType(integer), events.ColOutcome | events.ColCount},
			{"total", plainType(integer), events.ColCount},
			{"total_tokens", plainType(integer), events.ColAmount},
			{"passed_tokens", plainType(integer), events.ColOutcome | events.ColAmount},
		})
}

// tables are all tables. A query can use those of its kind.
var tables = []*tableDef{
	{"key_verifications_v1", events.Verifications, events.Raw, 0, rawVerifications},
	{
		"key_verifications_per_minute_v1", events.Verifications, events.Minute, 0,
		sumsOfVerifications(dateTime),
	},
	{
		"key_verifications_per_hour_v1", events.Verifications, events.Hour, 90 * day,
		sumsOfVerifications(dateTime),
	},
	{
		"key_verifications_per_day_v1", events.Verifications, events.Day, 365 * day,
		sumsOfVerifications(date),
	},
	{
		"key_verifications_per_month_v1", events.Verifications, events.Month, 3 * 365 * day,
		sumsOfVerifications(date),
	},
	{"ratelimits_v1", events.Limits, events.Raw, 0, rawLimits},
	{"ratelimits_per_minute_v1", events.Limits, events.Minute, 7 * day, sumsOfLimits(dateTime)},
	{"ratelimits_per_hour_v1", events.Limits, events.Hour, 30 * day, sumsOfLimits(dateTime)},
	{"ratelimits_per_day_v1", events.Limits, events.Day, 100 * day, sumsOfLimits(date)},
	{"ratelimits_per_month_v1", events.Limits, events.Month, 3 * 365 * day, sumsOfLimits(date)},
}

// tableNamed returns a table of a kind.
func tableNamed(name string, kind events.Kind) *tableDef {
	at := slices.IndexFunc(tables, func(t *tableDef) bool {
		return t.name == name && t.kind == kind
	})
	if at < 0 {
		return nil
	}
	return tables[at]
}

// retention returns how long the rows of a table are kept, when single events are kept for
// a time.
func (t *tableDef) retention(single time.Duration) time.Duration {
	switch {
	case t.kept == 0:
		return single
	case t.step == events.Minute:
		return min(t.kept, single)
	}
	return t.kept
}
