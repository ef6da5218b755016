package ui

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// soon is how far ahead an end is worth a look.
const soon = 7 * 24 * time.Hour

// unused is how long a key that is worth a look was not used.
const unused = 30 * 24 * time.Hour

// keysView is what the keys of an API show.
type keysView struct {
	API     latchkey.API
	Search  string
	NoMatch bool // nothing was found for Search
	Views   []choice
	Chips   []chip
	Keys    []keyRow
	Pages   pager
	Bare    bool // there is no filter
}

// choice is one of several views of a list.
type choice struct {
	Text, Path string
	Current    bool
}

// chip is a filter that is set.
type chip struct {
	Field, Value string
	Without      string // the URL without it
}

// keyRow is a key in a list.
type keyRow struct {
	latchkey.Key
	State pill
}

// pill is a state in a word, with its color.
type pill struct{ Text, Kind string }

// filters are the parameters of the URL that select keys, with their names.
var filters = []struct{ name, field string }{
	{"identity", "Identity"}, {"role", "Role"}, {"permission", "Permission"},
	{"name", "Name"}, {"start", "Start"},
}

// keys lists the keys of an API.
func (v *visit) keys() error {
	api, err := v.client.APIs.Get(v.ctx(), latchkey.GetAPIRequest{APIID: v.r.PathValue("apiId")})
	if err != nil {
		return err
	}
	list, err := v.client.Keys.Find(v.ctx(), v.keyQuery(api.ID))
	if err != nil {
		return err
	}
	view := keysView{
		API: api, NoMatch: v.r.PostFormValue("q") != "", Views: v.keyViews(),
		Chips: v.keyChips(), Pages: v.pager(len(list.Data), list.Pagination),
	}
	if view.NoMatch && !looksLikeKey(v.r.PostFormValue("q")) {
		view.Search = v.r.PostFormValue("q")
	}
	view.Bare = len(view.Chips) == 0 && v.r.FormValue("view") == ""
	for _, key := range list.Data {
		view.Keys = append(view.Keys, keyRow{key, stateOf(&key, v.Now())})
	}
	return v.show("keys", page{
		Title: api.Name, Section: "/apis", Trail: []link{{"APIs", "/apis"}}, Data: view,
	})
}

// keyQuery returns the request for the keys that the URL asks for.
func (v *visit) keyQuery(apiID string) latchkey.FindKeysRequest {
	now := v.Now()
	q := latchkey.FindKeysRequest{
		APIID: apiID, Limit: pageSize, Cursor: v.cursor(),
		ExternalID: v.r.FormValue("identity"), Role: v.r.FormValue("role"),
		Permission: v.r.FormValue("permission"), Name: v.r.FormValue("name"),
		Start: v.r.FormValue("start"),
	}
	switch v.r.FormValue("view") {
	case "disabled":
		q.Enabled = latchkey.Set(false)
	case "ending":
		q.ExpiresAfter, q.ExpiresBefore = latchkey.At(now), latchkey.At(now.Add(soon))
	case "unused":
		q.LastUsedBefore = latchkey.At(now.Add(-unused))
	}
	return q
}

// keyViews returns the views of the list.
func (v *visit) keyViews() []choice {
	views := []choice{
		{Text: "All"}, {Text: "Ending soon", Path: "ending"}, {Text: "Disabled", Path: "disabled"},
		{Text: "Not used for 30 days", Path: "unused"},
	}
	for i := range views {
		views[i].Current = views[i].Path == v.r.FormValue("view")
		views[i].Path = v.with("view", views[i].Path)
	}
	return views
}

// keyChips returns the filters that are set.
func (v *visit) keyChips() (chips []chip) {
	for _, f := range filters {
		if value := v.r.FormValue(f.name); value != "" {
			chips = append(chips, chip{f.field, value, v.with(f.name, "")})
		}
	}
	return chips
}

// with returns the URL of this list with another value of a filter, from its beginning.
func (v *visit) with(name, value string) string {
	query := v.r.URL.Query()
	query.Del(name)
	query.Del("after")
	if value != "" {
		query.Set(name, value)
	}
	return v.listPath() + "?" + query.Encode()
}

// listPath returns the path of the list that is shown, which a search without a result shows too.
func (v *visit) listPath() string { return strings.TrimSuffix(v.r.URL.Path, "/find") }

// findKeys turns a search into a filter, which an index serves: a key id or a whole start, an
// external id, or a name. The first of them that finds something counts.
func (v *visit) findKeys() error {
	apiID, text := v.r.PathValue("apiId"), strings.TrimSpace(v.r.FormValue("q"))
	list := "/apis/" + url.PathEscape(apiID)
	if text == "" {
		return v.redirect(list, "")
	}
	if key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: text}); err == nil {
		return v.redirect("/keys/"+url.PathEscape(key.KeyID), "")
	}
	if looksLikeKey(text) {
		key, err := v.client.Keys.Whoami(v.ctx(), latchkey.WhoamiRequest{Key: text})
		if err == nil {
			return v.redirect("/keys/"+url.PathEscape(key.KeyID), "")
		}
	}
	for _, by := range []struct {
		filter  string
		request latchkey.FindKeysRequest
	}{
		{"start", latchkey.FindKeysRequest{Start: strings.TrimRight(text, "….")}},
		{"identity", latchkey.FindKeysRequest{ExternalID: text}},
		{"name", latchkey.FindKeysRequest{Name: text}},
	} {
		by.request.APIID, by.request.Limit = apiID, 1
		found, err := v.client.Keys.Find(v.ctx(), by.request)
		if errors.Is(err, latchkey.ErrBadRequest) {
			continue // the text can't be one of these
		}
		if err != nil {
			return err
		}
		if len(found.Data) > 0 {
			return v.redirect(list+"?"+url.Values{by.filter: {text}}.Encode(), "")
		}
	}
	return v.keys() // without the text in a URL, because it can be a key
}

// looksLikeKey reports whether a text can be a whole key, which must not be shown.
func looksLikeKey(text string) bool { return len(text) >= 20 && !strings.ContainsAny(text, " @") }

// stateOf returns what a key's next verification meets first.
func stateOf(key *latchkey.Key, now time.Time) pill {
	left := key.Expires.Sub(now)
	switch {
	case !key.Enabled:
		return pill{"Disabled", "off"}
	case !key.Expires.IsZero() && left < 0:
		return pill{"Expired", "bad"}
	case key.Identity != nil && key.Identity.Disabled:
		return pill{"Owner disabled", "off"}
	case outOfCredits(key):
		return pill{"Out of credits", "warn"}
	case !key.Expires.IsZero() && left < soon:
		return pill{"Ends in " + span(left), "warn"}
	}
	return pill{"Active", "ok"}
}

func outOfCredits(key *latchkey.Key) bool {
	if key.Credits == nil {
		return false
	}
	left, limited := key.Credits.Remaining.Get()
	return limited && left == 0
}

// Left returns the balance of a key, and reports whether it has one.
func (k keyRow) Left() (int64, bool) { return balance(&k.Key) }

func balance(key *latchkey.Key) (int64, bool) {
	if key.Credits == nil {
		return 0, false
	}
	return key.Credits.Remaining.Get()
}
