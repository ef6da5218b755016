package period_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey/internal/period"
)

// zones have what is hard: midnights that don't exist (Sao_Paulo, Beirut, Cairo,
// Asuncion) or exist twice (Havana, St_Johns at 00:01), days that don't (Apia,
// Kwajalein), offsets and changes of half hours (Lord_Howe, Kathmandu), clocks
// set back in winter (Dublin), no fixed dates (Casablanca), seconds (Monrovia).
var zones = []string{
	"", "UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo",
	"Asia/Beirut", "Africa/Cairo", "America/Asuncion", "America/Havana", "America/St_Johns",
	"Pacific/Apia", "Pacific/Kwajalein", "Australia/Lord_Howe", "Asia/Kathmandu",
	"Africa/Casablanca", "Africa/Monrovia", "Asia/Tehran", "America/Nuuk", "Antarctica/Troll",
	"Asia/Manila", "America/Juneau", "Pacific/Kiritimati", "Etc/GMT+12",
}

func mustNew(t testing.TB, every period.Every, zone string, anchor int) period.Period {
	t.Helper()
	p, err := period.New(every, zone, anchor)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ms(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// draw returns any valid period, with the name of its zone.
func draw(t *rapid.T) period.Period {
	every := rapid.SampledFrom([]period.Every{
		period.Never, period.Hour, period.Day, period.Week, period.Month,
	}).Draw(t, "every")
	anchor := 0
	switch every {
	case period.Week:
		anchor = rapid.IntRange(0, 7).Draw(t, "anchor")
	case period.Month:
		anchor = rapid.IntRange(0, 31).Draw(t, "anchor")
	case period.Never, period.Hour, period.Day:
	}
	p, err := period.New(every, rapid.SampledFrom(zones).Draw(t, "zone"), anchor)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPeriodsTileTime: a period contains its moment, all its moments name it,
// and the next one begins where it ends.
func TestPeriodsTileTime(t *testing.T) {
	from, to := ms(t, "1890-01-01T00:00:00Z"), ms(t, "2190-01-01T00:00:00Z")
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		at := rapid.Int64Range(from, to).Draw(t, "at")
		for range 5 {
			start, end := p.At(at)
			if at < start || at >= end {
				t.Fatalf("%d is not within %d to %d", at, start, end)
			}
			for _, same := range []int64{start, end - 1, start + (end-start)/2} {
				if s, e := p.At(same); s != start || e != end {
					t.Fatalf("%d is in %d to %d, but %d, within, in %d to %d", at, start, end, same, s, e)
				}
			}
			if p.Every == period.Never {
				return
			}
			if before, e := p.At(start - 1); e != start || before >= start {
				t.Fatalf("before %d is a period that ends at %d", start, e)
			}
			at = end // the next one contains its beginning, and so on
		}
	})
}

// TestPeriodsTileDecades walks through forty years without a gap, and sees that
// boundaries are at local midnight wherever the zone has one.
func TestPeriodsTileDecades(t *testing.T) {
	for _, zone := range zones {
		for _, p := range []period.Period{
			mustNew(t, period.Day, zone, 0), mustNew(t, period.Week, zone, 3),
			mustNew(t, period.Month, zone, 31),
		} {
			first := ms(t, "1990-01-01T00:00:00Z")
			for at := first; at < ms(t, "2030-01-01T00:00:00Z"); {
				start, end := p.At(at)
				if at != first && start != at {
					t.Fatalf("%s %s: %d to %d does not begin at %d", zone, p.Every, start, end, at)
				}
				if p.Every == period.Day && (end-start < 22*hourMs || end-start > 26*hourMs) {
					t.Fatalf("%s: the day from %s has %d minutes", zone,
						time.UnixMilli(start).In(p.Zone), (end-start)/60_000)
				}
				midnight(t, p, start)
				at = end
			}
		}
	}
}

const hourMs = int64(time.Hour / time.Millisecond)

// midnight sees that a period begins at 00:00, or where clocks skipped it.
func midnight(t *testing.T, p period.Period, start int64) {
	t.Helper()
	at := time.UnixMilli(start).In(p.Zone)
	if at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 {
		return
	}
	if since, _ := at.ZoneBounds(); !since.Equal(at) {
		t.Errorf("%s in %s is neither midnight nor a change of clocks", at, p.Zone)
	}
}

// TestPeriodsAsTheCalendarHasThem are written by hand from calendars.
func TestPeriodsAsTheCalendarHasThem(t *testing.T) {
	for _, test := range []struct {
		every          period.Every
		zone           string
		anchor         int
		at, start, end string
	}{
		{period.Hour, "", 0, "2026-11-28T23:15:00Z", "2026-11-28T23:00:00Z", "2026-11-29T00:00:00Z"},
		{period.Hour, "Asia/Kathmandu", 0,
			"2026-11-28T23:15:00Z", "2026-11-28T23:15:00Z", "2026-11-29T00:15:00Z"},
		// Clocks go from 02:00 back to 01:30: that hour has 30 minutes.
		{period.Hour, "Australia/Lord_Howe", 0,
			"2026-04-05T01:45:00+10:30", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30"},
		// The hour from 2 to 3 comes twice and is two periods.
		{period.Hour, "Europe/Berlin", 0,
			"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+02:00"},
		{period.Hour, "Europe/Berlin", 0,
			"2026-10-25T02:30:00+01:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"},
		{period.Day, "", 0, "2026-02-28T12:00:00Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"},
		{period.Day, "Europe/Berlin", 0, // 23 hours
			"2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
		{period.Day, "Europe/Berlin", 0, // 25 hours
			"2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{period.Day, "America/Sao_Paulo", 0, // there was no midnight
			"2017-10-15T05:00:00-02:00", "2017-10-15T01:00:00-02:00", "2017-10-16T00:00:00-02:00"},
		{period.Day, "America/Havana", 0, // midnight came twice
			"2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
		{period.Day, "America/St_Johns", 0, // at 00:01 it was 23:01 again, of a day that was over
			"2010-11-06T23:30:00-03:30", "2010-11-07T00:00:00-02:30", "2010-11-08T00:00:00-03:30"},
		{period.Day, "Pacific/Apia", 0, // there was no 30 December
			"2011-12-29T12:00:00-10:00", "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"},
		{period.Week, "", 0, "2026-11-28T23:15:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		{period.Week, "", 7, "2026-11-28T23:15:00Z", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"},
		{period.Week, "", 6, "2026-11-28T00:00:00Z", "2026-11-28T00:00:00Z", "2026-12-05T00:00:00Z"},
		{period.Month, "", 0, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{period.Month, "", 15, "2027-01-14T00:00:00Z", "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"},
		{period.Month, "", 31, "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{period.Month, "", 30, "2028-03-01T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"},
		{period.Month, "America/New_York", 1,
			"2026-11-30T23:59:00-05:00", "2026-11-01T00:00:00-04:00", "2026-12-01T00:00:00-05:00"},
	} {
		p := mustNew(t, test.every, test.zone, test.anchor)
		start, end := p.At(ms(t, test.at))
		if start != ms(t, test.start) || end != ms(t, test.end) {
			t.Errorf("%s of %s in %q: %s to %s, want %s to %s", test.every, test.at, test.zone,
				time.UnixMilli(start).In(p.Zone), time.UnixMilli(end).In(p.Zone), test.start, test.end)
		}
	}
}

// TestAnyPeriodAndMomentHaveAnAnswer: neither what stands in a database nor a
// broken clock makes At panic or loop.
func TestAnyPeriodAndMomentHaveAnAnswer(t *testing.T) {
	for _, every := range []period.Every{"", "hour", "day", "week", "month", "year"} {
		for _, anchor := range []int{math.MinInt, -1, 0, 40, math.MaxInt} {
			for _, at := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
				period.Period{Every: every, Anchor: anchor}.At(at)
			}
		}
	}
	if start, end := (period.Period{}).At(1); start != math.MinInt64 || end != math.MaxInt64 {
		t.Errorf("Never is %d to %d", start, end)
	}
}

func TestOnlyNamesOfTheDatabaseAreZones(t *testing.T) {
	for _, name := range []string{
		"Local", "localtime", "posixrules", "right/Europe/Berlin", "posix/Europe/Berlin",
		"Europe/Atlantis", "/etc/localtime", "../zoneinfo/UTC", "Europe/../UTC", "Europe//Berlin",
		"Europe\\Berlin", "Europe/Berlin\x00", "UTC\n", " UTC", "+01:00", "Europe", "Europe/",
		"A/B/C/D", strings.Repeat("A", 65),
	} {
		_, err := period.New(period.Day, name, 0)
		if e := new(period.Error); !errors.As(err, &e) || e.Field != "timeZone" || e.Fix == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	for _, test := range []struct {
		every  period.Every
		anchor int
		field  string
	}{
		{"year", 0, "every"}, {period.Week, 8, "anchor"}, {period.Month, 32, "anchor"},
		{period.Month, -1, "anchor"}, {period.Day, 1, "anchor"}, {period.Never, 1, "anchor"},
	} {
		_, err := period.New(test.every, "", test.anchor)
		if e := new(period.Error); !errors.As(err, &e) || e.Field != test.field || e.Fix == "" {
			t.Errorf("%s with anchor %d: %v", test.every, test.anchor, err)
		}
	}
}
