package engine

import (
	"context"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/tally"
)

// GetPortalVerifications counts the verifications of the keys of the session's end
// user within a time, by key, interval and result. Intervals take a minute for an hour,
// 5 minutes for 6 hours, 15 minutes for a day, an hour for a week, 6 hours for 30 days
// and otherwise a day, in UTC; the first and the last one are cut off at the time.
//
// A key that isn't his, or not in the portal's keyspace, returns 404. A time before
// what is kept returns 400, and one of more than 400 days, too. An end user whose keys
// have more than 20,000 sums gets 422, and can ask for one key. If the service records
// no events, the operation returns 412.
func (e *Engine) GetPortalVerifications(
	ctx context.Context, who Caller, r *latchkey.PortalVerificationsRequest,
) (latchkey.PortalVerifications, error) {
	s := who.session()
	if err := who.require(ids{API: s.api, Keyspace: s.keyspace}); err != nil {
		return latchkey.PortalVerifications{}, err
	}
	start, end := r.StartTime.Or(latchkey.Time{}), r.EndTime.Or(latchkey.Time{})
	bounds, length, err := portalIntervals(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return latchkey.PortalVerifications{}, err
	}
	if r.KeyID != "" {
		row, err := e.db.LiveKey(ctx, r.KeyID, who.WorkspaceID())
		if err != nil {
			return latchkey.PortalVerifications{}, orNotFound(err, keyNotFound())
		}
		if !s.owns(&row.Key) {
			return latchkey.PortalVerifications{}, keyNotFound()
		}
	}
	mostKeys := maxPoints / (len(bounds) - 1)
	answer, err := e.addUp(ctx, &who, &selectedEvents{
		kind:   events.Verifications,
		scope:  tally.Scope{Workspace: who.WorkspaceID(), Spaces: []string{s.keyspace}},
		filter: tally.Filter{External: s.externalID, Key: r.KeyID},
		by:     []tally.Dimension{tally.ByKey, tally.ByOutcome},
	}, &tally.Question{Bounds: bounds, InParts: true, Top: mostKeys * len(events.Outcomes)})
	if err != nil {
		return latchkey.PortalVerifications{}, err
	}
	keys := portalSums(answer, bounds, length)
	if len(keys) > mostKeys || answer.AllGroups > len(answer.Groups) {
		return latchkey.PortalVerifications{}, heavyQuery("query_rows_limit_exceeded").with(
			"More than %d keys were verified. Ask for one key, or for a shorter time.", mostKeys)
	}
	return latchkey.PortalVerifications{BucketMillis: length, Keys: keys}, nil
}

// portalIntervals returns the bounds of the intervals of a time, and their length in ms.
func portalIntervals(start, end int64) (bounds []int64, length int64, err error) {
	wrong := func(message string) ([]int64, int64, error) {
		return nil, 0, invalid(latchkey.Fault{Location: "/properties/endTime", Message: message})
	}
	const day = 24 * time.Hour
	const longest = 400 * day
	switch span := end - start; {
	case span <= 0:
		return wrong("endTime must be after startTime")
	case span > longest.Milliseconds():
		return wrong("endTime must be within 400 days of startTime")
	}
	steps := []struct{ up, length time.Duration }{
		{time.Hour, time.Minute}, {6 * time.Hour, 5 * time.Minute}, {day, 15 * time.Minute},
		{7 * day, time.Hour}, {30 * day, 6 * time.Hour}, {longest, day},
	}
	for _, s := range steps {
		if end-start <= s.up.Milliseconds() {
			length = s.length.Milliseconds()
			break
		}
	}
	for at := start; at < end; at += length - at%length {
		bounds = append(bounds, at)
	}
	return append(bounds, end), length, nil
}

// portalSums returns the sums of an answer by key, the keys with the most verifications of a
// result first.
func portalSums(
	answer *tally.Answer, bounds []int64, length int64,
) []latchkey.PortalKeyVerifications {
	keys := []latchkey.PortalKeyVerifications{}
	places := map[string]int{}
	for _, g := range answer.Groups {
		i, known := places[g.Labels[0]]
		if !known {
			i = len(keys)
			places[g.Labels[0]] = i
			data := make([]latchkey.PortalVerificationsPoint, len(bounds)-1)
			for n := range data {
				data[n].Time = bounds[n] - bounds[n]%length
			}
			keys = append(keys, latchkey.PortalKeyVerifications{KeyID: g.Labels[0], Data: data})
		}
		for n := range g.Series {
			point := &keys[i].Data[n]
			point.Total += g.Series[n].Count
			*portalCount(point, latchkey.Code(g.Labels[1])) += g.Series[n].Count
		}
	}
	return keys
}

// portalCount returns the count of a result.
func portalCount(p *latchkey.PortalVerificationsPoint, code latchkey.Code) *int64 {
	switch code {
	case latchkey.Valid:
		return &p.Valid
	case latchkey.RateLimited:
		return &p.RateLimited
	case latchkey.InsufficientPermissions:
		return &p.InsufficientPermissions
	case latchkey.Forbidden:
		return &p.Forbidden
	case latchkey.Disabled:
		return &p.Disabled
	case latchkey.Expired:
		return &p.Expired
	case latchkey.UsageExceeded:
		return &p.UsageExceeded
	case latchkey.NotFound: // is of no key
	}
	return new(int64)
}
