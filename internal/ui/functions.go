package ui

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ui/assets"
)

// functions are what templates call.
var functions = template.FuncMap{
	"asset":    assets.Path,
	"icon":     icon,
	"number":   number,
	"short":    short,
	"moment":   moment,
	"until":    until,
	"duration": duration,
	"limit":    limit,
	"plural":   plural,
	"percent":  percent,
	"excerpt":  func(meta latchkey.Meta) string { return ellipsis(string(meta), 60) },
	"has":      slices.Contains[[]string],
	"list":     func(items ...any) []any { return items },
	"units":    func() []unitChoice { return unitChoices },
	"more":     func(l []latchkey.Ratelimit) string { return strconv.Itoa(len(l)-1) + " more" },
	"milliseconds": func(d time.Duration) string {
		return number(max(1, d.Milliseconds())) + " ms"
	},
}

// icon returns the markup of an icon that icons.txt lists. It is for the eye only.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` +
		template.HTMLEscapeString(assets.Icon(name)) + `"></use></svg>`)
}

// narrow is the space between thousands, and between a number and its unit.
const narrow = "\u202f"

// number returns a number with spaces between thousands.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	if len(digits) < 5 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:len(text)-len(digits)])
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(narrow)
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// short returns a number in at most four characters and its unit: 1.37 M for 1,370,000.
func short(n int64) string {
	value, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if value < 1000 && value > -1000 || n < 10_000 && n > -10_000 {
			break
		}
		value, unit = value/1000, u
	}
	if unit == "" {
		return number(n)
	}
	digits := 2
	switch {
	case value >= 100:
		digits = 0
	case value >= 10:
		digits = 1
	}
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + narrow + unit
}

// percent returns how many percent a part is of a whole, 0 to 100.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(100, max(0, int64(float64(part)/float64(whole)*100)))
}

// ellipsis returns the beginning of a text that is longer than that many bytes.
func ellipsis(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return clip(text, most) + "…"
}

// plural returns a number with the word for that many.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(int64(n)) + " " + many
}

// moment returns the markup of a time: how long ago it is up to seven days, else its date.
func moment(t latchkey.Time, now time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="faint">never</span>`
	}
	return element(t.Time, ago(t.Time, now))
}

// element returns the markup of a time with all digits in its title.
func element(t time.Time, text string) template.HTML {
	at := t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		at.Format(time.RFC3339), at.Format("2 January 2006, 15:04:05 UTC"),
		template.HTMLEscapeString(text)))
}

// ago returns how long ago a time is, up to seven days, else its date.
func ago(t, now time.Time) string {
	past := now.Sub(t)
	switch {
	case past < 0 || past >= 7*24*time.Hour:
		return date(t, now)
	case past < 10*time.Second:
		return "just now"
	}
	return span(past) + " ago"
}

// date returns a date, with the year if it isn't this one.
func date(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}

// until returns the markup of when something ends: "in 18 h" up to seven days before.
func until(t latchkey.Time, now time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="faint">never</span>`
	}
	left := t.Sub(now)
	if left > 0 && left < 7*24*time.Hour {
		return element(t.Time, "in "+span(left))
	}
	return element(t.Time, date(t.Time, now))
}

// span returns a positive duration in its largest unit.
func span(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= u.of {
			return strconv.FormatInt(int64(d/u.of), 10) + narrow + u.name
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + narrow + "s"
}

// units are those of windows, the longest first.
var units = []struct {
	ms               int64
	name, one, short string
}{
	{24 * 60 * 60 * 1000, "days", "a day", "d"}, {60 * 60 * 1000, "hours", "an hour", "h"},
	{60 * 1000, "minutes", "a minute", "min"}, {1000, "seconds", "a second", "s"},
	{1, "milliseconds", "a millisecond", "ms"},
}

// duration returns the length of a window after a number: "a minute", or "in 5 minutes".
func duration(d latchkey.Duration) string {
	for _, u := range units {
		n := d.Milliseconds() / u.ms
		switch {
		case n*u.ms != d.Milliseconds() || n == 0:
		case n == 1:
			return u.one
		default:
			return "in " + number(n) + " " + u.name
		}
	}
	return "in 0 seconds"
}

// unitChoice is a unit to choose for the window of a limit.
type unitChoice struct{ Value, Name string }

var unitChoices = []unitChoice{
	{"1000", "second"}, {"60000", "minute"}, {"3600000", "hour"}, {"86400000", "day"},
	{"1", "millisecond"},
}

// labels are the names of fields of the API in forms, where they differ.
var labels = map[string]string{
	"externalId": "Identity", "byteLength": "Random bytes", "meta": "Metadata",
	"ratelimits": "Limits", "expires": "End", "ipWhitelist": "Addresses",
	"defaultPrefix": "Prefix", "defaultBytes": "Random bytes",
}

// label returns the name of a field in a form.
func label(field string) string {
	if text := labels[field]; text != "" {
		return text
	}
	return strings.TrimSuffix(sentence(field), ".")
}

// limit returns a limit in short: 10/s, 600/min, 5/10 min.
func limit(l latchkey.Ratelimit) string {
	for _, u := range units {
		n := l.Duration.Milliseconds() / u.ms
		switch {
		case n*u.ms != l.Duration.Milliseconds() || n == 0:
		case n == 1:
			return number(l.Limit) + "/" + u.short
		default:
			return number(l.Limit) + "/" + number(n) + narrow + u.short
		}
	}
	return number(l.Limit)
}

// bidi are the characters that change the order of others, as visible escapes: a name must
// not look like another one.
var bidi = strings.NewReplacer(
	"\u061c", `\u061c`, "\u200e", `\u200e`, "\u200f", `\u200f`, "\u202a", `\u202a`,
	"\u202b", `\u202b`, "\u202c", `\u202c`, "\u202d", `\u202d`, "\u202e", `\u202e`,
	"\u2066", `\u2066`, "\u2067", `\u2067`, "\u2068", `\u2068`, "\u2069", `\u2069`,
)
