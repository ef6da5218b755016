package ui

import (
	"fmt"
	"math"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// overviewView is what the first page shows.
type overviewView struct {
	Usage      usageView
	Figures    figures
	Looks      []needsLook
	Keys       []rank
	Identities []rank
	Examples   []example // how to verify a key, while nothing happened
	APIs       bool      // there is one
}

// figures are what happened in the range, in numbers.
type figures struct{ Keys, Credits int64 }

// needsLook is something that needs a look.
type needsLook struct{ Icon, Title, Text, Path, Kind string }

// rank is one of those that are used most.
type rank struct {
	Name, Path string
	N, Percent int64
}

// RefusedPercent is how many of the verifications were refused, with one decimal.
func (v overviewView) RefusedPercent() string {
	if v.Usage.Total == 0 {
		return "0"
	}
	tenths := math.Round(1000 * float64(v.Usage.Refused) / float64(v.Usage.Total))
	return fmt.Sprintf("%g", tenths/10)
}

// overview shows whether all is well.
func (v *visit) overview() error {
	view := overviewView{Usage: v.usage("", true)}
	view.Looks = v.endingKeys()
	if view.Usage.Total > 0 {
		view.Figures = v.figures()
		view.Looks = append(v.refusedKeys(), view.Looks...)
		view.Keys, view.Identities = v.busiest("key_id"), v.busiest("external_id")
	} else if view.Usage.Failure == nil {
		view.Examples = examplesOf("keys.verifyKey", latchkey.VerifyKeyRequest{Key: "$KEY"})
		apis, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{Limit: 1})
		view.APIs = err == nil && len(apis.Data) > 0
	}
	return v.show("overview", page{Title: "Overview", Section: "/", Data: view})
}

// since returns the beginning of the range that the URL asks for, and its table.
func (v *visit) since() (table, start string) {
	w := v.windowOf()
	end := v.Now().UTC().Truncate(w.step).Add(w.step)
	return w.table, end.Add(-time.Duration(w.steps) * w.step).Format(layoutOf(w))
}

// rows returns what a query over the range returns; nothing if it can't be asked, which the
// chart says.
func (v *visit) rows(format string) []latchkey.AnalyticsRow {
	table, start := v.since()
	rows, err := v.client.Analytics.GetVerifications(v.ctx(), latchkey.AnalyticsRequest{
		Query: fmt.Sprintf(format, table, start),
	})
	if err != nil {
		v.Log.Debug("a part of the overview is missing", "error", err)
		return nil
	}
	return rows
}

func (v *visit) figures() (f figures) {
	for _, row := range v.rows("SELECT count(DISTINCT key_id) AS keys, " +
		"sum(spent_credits) AS credits FROM %s WHERE time >= '%s' AND outcome != 'NOT_FOUND'") {
		f.Keys, f.Credits = whole(row["keys"]), whole(row["credits"])
	}
	return f
}

// causes are what refused keys need, by outcome.
var causes = map[string]needsLook{
	string(latchkey.UsageExceeded): {"coins", "is out of credits", "", "", "bad"},
	string(latchkey.RateLimited):   {"gauge", "meets its limit", "", "", "warn"},
	string(latchkey.InsufficientPermissions): {
		"shield-alert", "lacks a permission", "", "", "warn",
	},
	string(latchkey.Expired):   {"clock", "has ended and is still used", "", "", "warn"},
	string(latchkey.Disabled):  {"ban", "is disabled and still used", "", "", "warn"},
	string(latchkey.Forbidden): {"ban", "is used from a forbidden address", "", "", "bad"},
}

// refusedKeys are the keys that were refused most.
func (v *visit) refusedKeys() (looks []needsLook) {
	for _, row := range v.rows("SELECT key_id, outcome, sum(count) AS n FROM %s WHERE time >= '%s' " +
		"AND outcome != 'VALID' AND outcome != 'NOT_FOUND' " +
		"GROUP BY key_id, outcome ORDER BY n DESC LIMIT 4") {
		l, known := causes[fmt.Sprint(row["outcome"])]
		name, path := v.named(fmt.Sprint(row["key_id"]))
		if !known || path == "" {
			continue
		}
		l.Title, l.Path = name+" "+l.Title, path
		l.Text = plural(int(whole(row["n"])), "call", "calls") + " refused."
		looks = append(looks, l)
	}
	return looks
}

// endingKeys says which keys end soon.
func (v *visit) endingKeys() []needsLook {
	const most = 100
	now := v.Now()
	found, err := v.client.Keys.Find(v.ctx(), latchkey.FindKeysRequest{
		ExpiresAfter: latchkey.At(now), ExpiresBefore: latchkey.At(now.Add(soon)), Limit: most,
	})
	if err != nil || len(found.Data) == 0 {
		return nil
	}
	first := found.Data[0]
	n := plural(len(found.Data), "key ends", "keys end")
	if found.Pagination.HasMore {
		n = "More than " + n
	}
	return []needsLook{{
		"clock", n + " within 7 days", keyName(&first) + " in " + span(first.Expires.Sub(now)) + ".",
		"/keys/" + first.KeyID, "warn",
	}}
}

// named returns the name of a key and the path of its page, "" for one that is gone.
func (v *visit) named(id string) (name, path string) {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: id})
	if err != nil {
		return id, ""
	}
	return keyName(&key), "/keys/" + key.KeyID
}

// busiest returns the keys or identities with the most verifications.
func (v *visit) busiest(by string) (ranks []rank) {
	for _, row := range v.rows("SELECT " + by + " AS of, sum(count) AS n FROM %s " +
		"WHERE time >= '%s' AND " + by + " != '' GROUP BY of ORDER BY n DESC LIMIT 5") {
		r := rank{Name: fmt.Sprint(row["of"]), N: whole(row["n"])}
		if by == "key_id" {
			r.Name, r.Path = v.named(r.Name)
		} else {
			r.Path = identityPath(r.Name)
		}
		r.Percent = 100
		if len(ranks) > 0 {
			r.Percent = percent(r.N, ranks[0].N)
		}
		ranks = append(ranks, r)
	}
	return ranks
}
