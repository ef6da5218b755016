// Package period says in which hour, day, week or month of a time zone a moment
// lies. Periods of one kind tile time: every moment is in exactly one of them.
package period

import (
	"math"
	"time"
)

// An Every is the length of a period. Its texts are those of the API.
type Every string

// The lengths. The zero value is Never: one period without beginning and end.
const (
	Never Every = ""
	Hour  Every = "hour"
	Day   Every = "day"
	Week  Every = "week"
	Month Every = "month"
)

// A Period divides time. Its zero value is Never. New makes one from what a
// request says and checks it; At takes any value.
type Period struct {
	Every Every
	// Zone is where clocks are read; nil is UTC.
	Zone *time.Location
	// Anchor is the first day of a Week, 1 (Monday) to 7 (Sunday), or of a
	// Month, 1 to 31; in a month without that day it is the last one. 0 is 1.
	Anchor int
}

// At returns the period that the moment lies in: start ≤ ms < end, in unix
// milliseconds. Of Never, start and end are the least and the largest int64.
//
// A day is from the first moment of its date until the first moment of the next
// one: 23 or 25 hours where clocks change, and never zero. Hours are those of
// the local clock; one that is cut by a change of less than an hour is shorter.
func (p Period) At(ms int64) (start, end int64) {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	t := time.UnixMilli(ms).In(zone)
	switch p.Every {
	case Hour:
		return hour(t)
	case Day, Week, Month:
		return p.days(t)
	default:
		return math.MinInt64, math.MaxInt64
	}
}

// hour returns the hour of the local clock that t lies in, cut where the offset
// from UTC changes.
func hour(t time.Time) (start, end int64) {
	_, offset := t.Zone()
	shift := time.Duration(offset) * time.Second
	// Truncate counts from year 1 in UTC, so the local clock is made UTC's.
	from := t.UTC().Add(shift).Truncate(time.Hour).Add(-shift)
	to := from.Add(time.Hour)
	since, until := t.ZoneBounds()
	if !since.IsZero() && since.After(from) {
		from = since
	}
	if !until.IsZero() && until.Before(to) {
		to = until
	}
	return from.UnixMilli(), to.UnixMilli()
}

// days returns the period of whole days that t lies in. The loop goes round
// more than once only where clocks were set back past the end of a period, so
// that its last date was seen again within the next one.
func (p Period) days(t time.Time) (start, end int64) {
	date := p.beginning(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
	from := firstMoment(date, t.Location())
	for {
		date = p.next(date)
		to := firstMoment(date, t.Location())
		if to.After(t) {
			return from.UnixMilli(), to.UnixMilli()
		}
		from = to
	}
}

// beginning returns the first date of the period of a date. Dates are midnights
// in UTC.
func (p Period) beginning(date time.Time) time.Time {
	switch p.Every {
	case Week:
		first := max(p.Anchor, 1) % 7 // a time.Weekday: Sunday is 0
		return date.AddDate(0, 0, -(int(date.Weekday())-first+7)%7)
	case Month:
		if first := p.inMonth(date.Year(), date.Month()); !first.After(date) {
			return first
		}
		return p.inMonth(date.Year(), date.Month()-1)
	default:
		return date
	}
}

// next returns the first date of the period after the one that begins at date.
func (p Period) next(date time.Time) time.Time {
	switch p.Every {
	case Week:
		return date.AddDate(0, 0, 7)
	case Month:
		return p.inMonth(date.Year(), date.Month()+1)
	default:
		return date.AddDate(0, 0, 1)
	}
}

// inMonth returns the date in a month on which its period begins.
func (p Period) inMonth(year int, month time.Month) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(year, month, min(max(p.Anchor, 1), last), 0, 0, 0, 0, time.UTC)
}

// firstMoment returns the first moment at which the clocks of the zone show the
// date or a later one. That is midnight, unless clocks skip it. It can't
// decrease with the date, which is why periods have neither gaps nor overlaps.
func firstMoment(date time.Time, zone *time.Location) time.Time {
	const earlier = 48 * time.Hour // more than any offset from UTC
	t := date.Add(-earlier).In(zone)
	for {
		_, offset := t.Zone()
		_, until := t.ZoneBounds()
		at := date.Add(-time.Duration(offset) * time.Second)
		if at.Before(t) {
			at = t // the clocks skipped midnight when they were set to this offset
		}
		if until.IsZero() || at.Before(until) {
			return at
		}
		t = until
	}
}
