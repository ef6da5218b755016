package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// keyForm is what the form of a key has in its fields.
type keyForm struct {
	Name, ExternalID, Meta string
	Roles                  []string
	Permissions            string // slugs, separated by spaces or commas
	Limits                 []limitFields
	Spend                  string // "", "fixed" or "refill"
	Remaining, Amount, Day string
	Interval               string // daily or monthly
	Ends                   string // "", a number of days, or "at"
	EndsAt                 string // a date and time in UTC
	Prefix, Bytes          string
	Disabled, Recoverable  bool
}

// limitFields are the fields of a rate limit.
type limitFields struct{ Name, Limit, Every, Unit, Algorithm, Apply string }

func (l limitFields) empty() bool { return l.Name == "" && l.Limit == "" }

// maxLimits is how many rate limits a key has.
const maxLimits = 50

// readKeyForm returns what a browser sent.
func readKeyForm(form url.Values) keyForm {
	f := keyForm{
		Name:       strings.TrimSpace(form.Get("name")),
		ExternalID: strings.TrimSpace(form.Get("externalId")),
		Meta:       unixLines(strings.TrimSpace(form.Get("meta"))), Roles: form["roles"],
		Permissions: form.Get("permissions"), Limits: readLimits(form),
		Spend: oneOf(form.Get("spend"), "fixed", "refill"), Remaining: form.Get("remaining"),
		Amount: form.Get("amount"), Day: form.Get("day"),
		Interval: oneOf(form.Get("interval"), "daily", "monthly"),
		Ends:     form.Get("ends"), EndsAt: form.Get("endsAt"),
		Prefix: strings.TrimSpace(form.Get("prefix")), Bytes: form.Get("bytes"),
		Disabled: form.Get("disabled") != "", Recoverable: form.Get("recoverable") != "",
	}
	return f
}

// readLimits returns the rate limits of a form, without empty rows.
func readLimits(form url.Values) (limits []limitFields) {
	at := func(name string, i int) string {
		if i < len(form[name]) {
			return strings.TrimSpace(form[name][i])
		}
		return ""
	}
	for i := range min(len(form["limit.name"]), maxLimits+1) {
		l := limitFields{
			at("limit.name", i), at("limit.limit", i), at("limit.every", i), at("limit.unit", i),
			oneOf(at("limit.algorithm", i), "sliding_window", "token_bucket"), at("limit.apply", i),
		}
		if !l.empty() {
			limits = append(limits, l)
		}
	}
	return limits
}

// Rows are the rows for rate limits: those that there are, and an empty one.
func (f keyForm) Rows() []limitFields { return limitRows(f.Limits) }

func limitRows(limits []limitFields) []limitFields {
	return append(slices.Clone(limits), limitFields{Every: "1", Unit: "60000", Apply: "every"})
}

// faults collects what is wrong with a form, by the name of its field.
type faults map[string]string

func (f faults) add(field string, err error) {
	if err != nil {
		f[field] = sentence(err.Error())
	}
}

// problem returns the faults as the reason why a form was not accepted, or nil.
func (f faults) problem() *problem {
	if len(f) == 0 {
		return nil
	}
	p := &problem{Fields: f}
	for _, field := range slices.Sorted(maps.Keys(f)) {
		p.Text += label(field) + ": " + f[field] + " "
	}
	return p
}

// create returns the request for a new key, or what is wrong with the form.
func (f keyForm) create(apiID string, now time.Time) (latchkey.CreateKeyRequest, *problem) {
	wrong := faults{}
	r := latchkey.CreateKeyRequest{
		APIID: apiID, Name: f.Name, ExternalID: f.ExternalID, Roles: f.Roles,
		Permissions: slugs(f.Permissions), Prefix: f.Prefix, Recoverable: f.Recoverable,
	}
	if f.Disabled {
		r.Enabled = latchkey.Set(false)
	}
	if f.Bytes != "" {
		n, err := parseNumber(f.Bytes)
		wrong.add("byteLength", err)
		r.ByteLength = int(min(n, math.MaxInt32))
	}
	r.Meta = f.meta(wrong)
	r.Expires = f.expires(now, wrong)
	r.Credits = f.credits(wrong)
	r.Ratelimits = requestLimits(f.Limits, wrong)
	return r, wrong.problem()
}

// update returns the request that changes what differs from how the form was shown.
func (f keyForm) update(
	keyID string, was keyForm, now time.Time,
) (latchkey.UpdateKeyRequest, *problem) {
	wrong := faults{}
	r := latchkey.UpdateKeyRequest{KeyID: keyID}
	if f.Name != was.Name {
		r.Name = orNull(f.Name, f.Name == "")
	}
	if f.ExternalID != was.ExternalID {
		r.ExternalID = orNull(f.ExternalID, f.ExternalID == "")
	}
	if f.Meta != was.Meta {
		meta := f.meta(wrong)
		r.Meta = orNull(meta, meta == "")
	}
	if f.Ends != was.Ends || f.EndsAt != was.EndsAt {
		at := f.expires(now, wrong)
		r.Expires = orNull(at, at.IsZero())
	}
	if !slices.Equal(f.Limits, was.Limits) {
		limits := requestLimits(f.Limits, wrong)
		r.Ratelimits = latchkey.Set(limits)
	}
	if f.Disabled != was.Disabled {
		r.Enabled = latchkey.Set(!f.Disabled)
	}
	f.updateCredits(&r, &was, wrong)
	return r, wrong.problem()
}

// updateCredits sets the balance only if its field was changed: calls have spent meanwhile.
func (f keyForm) updateCredits(r *latchkey.UpdateKeyRequest, was *keyForm, wrong faults) {
	same := f.Spend == was.Spend
	schedule := same && f.Amount == was.Amount && f.Day == was.Day && f.Interval == was.Interval
	if same && (f.Spend == "" || schedule && f.Remaining == was.Remaining) {
		return
	}
	credits := f.credits(wrong)
	if credits == nil {
		r.Credits = latchkey.Null[latchkey.UpdateKeyCredits]()
		return
	}
	var change latchkey.UpdateKeyCredits
	if f.Remaining != was.Remaining || was.Spend == "" {
		change.Remaining = credits.Remaining
	}
	switch {
	case credits.Refill == nil && was.Spend == "refill":
		change.Refill = latchkey.Null[latchkey.Refill]()
	case credits.Refill != nil && !schedule:
		change.Refill = latchkey.Set(*credits.Refill)
	}
	r.Credits = latchkey.Set(change)
}

func orNull[T any](value T, null bool) latchkey.Opt[T] {
	if null {
		return latchkey.Null[T]()
	}
	return latchkey.Set(value)
}

func (f keyForm) meta(wrong faults) (meta latchkey.Meta) {
	if f.Meta == "" {
		return ""
	}
	if err := meta.UnmarshalJSON([]byte(f.Meta)); err != nil {
		wrong["meta"] = `Enter a JSON object, such as {"plan": "team"}.`
	}
	return meta
}

// endLayout is the form of dates in fields.
const endLayout = "2006-01-02T15:04"

func (f keyForm) expires(now time.Time, wrong faults) latchkey.Time {
	switch {
	case f.Ends == "":
		return latchkey.Time{}
	case f.Ends == "at":
		at, err := time.Parse(endLayout, f.EndsAt)
		if err != nil {
			wrong["expires"] = "Enter a date and a time, in UTC."
		}
		return latchkey.At(at)
	}
	days, err := strconv.Atoi(f.Ends)
	if err != nil || days < 1 || days > 36500 {
		wrong["expires"] = "Enter a number of days from 1 to 36500."
		return latchkey.Time{}
	}
	return latchkey.At(now.Truncate(time.Minute).AddDate(0, 0, days))
}

func (f keyForm) credits(wrong faults) *latchkey.Credits {
	if f.Spend == "" {
		return nil
	}
	remaining, err := parseNumber(f.Remaining)
	wrong.add("credits", err)
	c := &latchkey.Credits{Remaining: latchkey.Int(remaining)}
	if f.Spend == "fixed" {
		return c
	}
	amount, err := parseNumber(f.Amount)
	wrong.add("refill", err)
	if err == nil && amount == 0 {
		wrong["refill"] = "Enter a number from 1."
	}
	c.Refill = &latchkey.Refill{Interval: latchkey.RefillInterval(f.Interval), Amount: amount}
	if c.Refill.Interval == "" {
		c.Refill.Interval = latchkey.Monthly
	}
	if f.Day != "" && c.Refill.Interval == latchkey.Monthly {
		day, err := parseNumber(f.Day)
		if err != nil || day < 1 || day > 31 {
			wrong["refill"] = "Enter a day from 1 to 31."
		}
		c.Refill.RefillDay = int(min(day, 32))
	}
	return c
}

// requestLimits returns the rate limits of the fields.
func requestLimits(fields []limitFields, wrong faults) (limits []latchkey.RatelimitRequest) {
	for _, l := range fields {
		most, err := parseNumber(l.Limit)
		if err != nil {
			wrong.add("ratelimits", fmt.Errorf("%s: %w", l.Name, err))
		}
		limits = append(limits, latchkey.RatelimitRequest{
			Name: l.Name, Limit: most, Duration: l.duration(wrong),
			AutoApply: latchkey.Set(l.Apply != "named"), Algorithm: latchkey.Algorithm(l.Algorithm),
		})
	}
	return limits
}

func (l limitFields) duration(wrong faults) latchkey.Duration {
	every, err := parseNumber(l.Every)
	unit, wrongUnit := strconv.ParseInt(l.Unit, 10, 64)
	if err != nil || wrongUnit != nil || every < 1 || unit < 1 || every > math.MaxInt64/unit {
		wrong["ratelimits"] = l.Name + ": Enter the length of the window, such as 1 minute."
		return latchkey.Duration{}
	}
	return latchkey.PerMilli(every * unit)
}

// formOf returns the form that shows a key.
func formOf(key *latchkey.Key) keyForm {
	f := keyForm{
		Name: key.Name, ExternalID: key.ExternalID(), Meta: indented(key.Meta),
		Limits: fieldsOf(key.Ratelimits), Disabled: !key.Enabled,
	}
	if !key.Expires.IsZero() {
		f.Ends, f.EndsAt = "at", key.Expires.UTC().Format(endLayout)
	}
	left, limited := balance(key)
	if !limited {
		return f
	}
	f.Spend, f.Remaining = "fixed", strconv.FormatInt(left, 10)
	if refill := key.Credits.Refill; refill != nil {
		f.Spend, f.Amount = "refill", strconv.FormatInt(refill.Amount, 10)
		f.Interval = string(refill.Interval)
		if refill.RefillDay > 0 {
			f.Day = strconv.Itoa(refill.RefillDay)
		}
	}
	return f
}

// fieldsOf returns the fields that show rate limits.
func fieldsOf(limits []latchkey.Ratelimit) (fields []limitFields) {
	for _, l := range limits {
		f := limitFields{
			Name: l.Name, Limit: strconv.FormatInt(l.Limit, 10), Algorithm: string(l.Algorithm),
			Apply: "every",
		}
		if !l.AutoApply {
			f.Apply = "named"
		}
		for _, u := range units {
			if n := l.Duration.Milliseconds() / u.ms; n > 0 && n*u.ms == l.Duration.Milliseconds() {
				f.Every, f.Unit = strconv.FormatInt(n, 10), strconv.FormatInt(u.ms, 10)
				break
			}
		}
		fields = append(fields, f)
	}
	return fields
}

// indented returns metadata to read, "" if there is none. Characters that change the order of
// others are escaped, which means the same in JSON.
func indented(meta latchkey.Meta) string {
	if meta == "" {
		return ""
	}
	text, err := json.MarshalIndent(json.RawMessage(meta), "", "  ")
	if err != nil {
		return string(meta)
	}
	return bidi.Replace(string(text))
}

// Encoded is the form as the value of a field, to find out what was changed.
func (f keyForm) Encoded() (string, error) {
	text, err := json.Marshal(f)
	return string(text), err
}

// slugs returns the words of a text.
func slugs(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\n\r\t", r) })
}

var errNumber = errors.New("enter a whole number, such as 1000, 10k or 1M")

// parseNumber reads a number from 0 as people write it: 1000, 1 000, 10k, 1M.
func parseNumber(text string) (int64, error) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _,\u00a0\u202f", r) {
			return -1
		}
		return r
	}, text)
	factor := int64(1)
	switch {
	case strings.HasSuffix(text, "k"), strings.HasSuffix(text, "K"):
		factor, text = 1000, text[:len(text)-1]
	case strings.HasSuffix(text, "M"), strings.HasSuffix(text, "m"):
		factor, text = 1_000_000, text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, errNumber
	}
	return n * factor, nil
}

// decodeForm is the inverse of Encoded.
func decodeForm(text string) (f keyForm, err error) {
	err = json.Unmarshal([]byte(text), &f)
	return f, err
}
