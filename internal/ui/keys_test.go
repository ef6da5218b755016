package ui_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// withAPI is a browser of the operator, and an API.
func withAPI(t *testing.T) (*browser, string) {
	t.Helper()
	w := open(t)
	api, err := w.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "geocoding"})
	if err != nil {
		t.Fatal(err)
	}
	return w.signedIn(w.RootKey), api.APIID
}

var shown = regexp.MustCompile(`data-secret tabindex="0">([^<]+)<`)

// secretOf returns the key that a page shows, "" for none.
func secretOf(a answer) string {
	if found := shown.FindStringSubmatch(a.text); found != nil {
		return found[1]
	}
	return ""
}

// hidden returns the value of a hidden field of a page.
func hidden(t *testing.T, a answer, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(a.text)
	if found == nil {
		t.Fatalf("no field %s in a page of status %d", name, a.status)
	}
	return html.UnescapeString(found[1])
}

// everything is a form with something in every field.
var everything = []string{
	"name", "nightly", "externalId", "acct_1", "permissions", "docs.read, docs.write",
	"limit.name", "requests", "limit.limit", "1k", "limit.every", "5", "limit.unit", "60000",
	"limit.apply", "named", "limit.algorithm", "token_bucket",
	"limit.name", "", "limit.limit", "", "limit.every", "1", "limit.unit", "60000",
	"spend", "refill", "remaining", "50 000", "amount", "1M", "interval", "monthly", "day", "31",
	"ends", "30", "prefix", "wx", "bytes", "32", "meta", `{"plan": "team"}`, "disabled", "yes",
}

// TestCreatedKeysAreWhatTheFormSays, and the key is in the one response to the form: sent
// again, the form shows the same key.
func TestCreatedKeysAreWhatTheFormSays(t *testing.T) {
	b, api := withAPI(t)
	path := "/apis/" + api + "/keys/new"
	form := append([]string{"once", hidden(t, b.get(path), "once")}, everything...)
	a := b.post(path, form...)
	secret := secretOf(a)
	if !strings.HasPrefix(secret, "wx_") || len(secret) < 40 {
		t.Fatalf("%d: %q", a.status, secret)
	}
	if a.header.Get("Content-Encoding") != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", a.header)
	}
	if again := secretOf(b.post(path, form...)); again != secret {
		t.Errorf("sent again: %q", again)
	}
	list, err := b.Service.Client.Keys.Find(t.Context(), latchkey.FindKeysRequest{APIID: api})
	if err != nil || len(list.Data) != 1 {
		t.Fatalf("%d keys, %v", len(list.Data), err)
	}
	for _, path := range []string{"/apis/" + api, "/keys/" + list.Data[0].KeyID, "/apis"} {
		if strings.Contains(b.get(path).text, secret) {
			t.Errorf("%s has the secret", path)
		}
	}
	key := list.Data[0]
	key.Identity, key.KeyID, key.Start, key.APIID = nil, "", "", ""
	key.CreatedAt, key.Ratelimits[0].ID = latchkey.Time{}, ""
	want := latchkey.Key{
		Name: "nightly", Permissions: []string{"docs.read", "docs.write"},
		Meta: `{"plan":"team"}`, Expires: latchkey.At(b.now().AddDate(0, 0, 30)),
		Credits: &latchkey.Credits{Remaining: latchkey.Int(50_000), Refill: &latchkey.Refill{
			Interval: latchkey.Monthly, Amount: 1_000_000, RefillDay: 31,
		}},
		Ratelimits: []latchkey.Ratelimit{{
			Name: "requests", Limit: 1000, Duration: latchkey.Per(5 * time.Minute),
			Algorithm: latchkey.TokenBucket,
		}},
	}
	if diff := cmp.Diff(want, key, cmp.AllowUnexported(latchkey.Opt[int64]{})); diff != "" {
		t.Error(diff)
	}
}

// TestWrongFormsKeepWhatWasTyped, and say which field is wrong.
func TestWrongFormsKeepWhatWasTyped(t *testing.T) {
	b, api := withAPI(t)
	for _, wrong := range [][]string{
		{"meta", "{"}, {"spend", "fixed", "remaining", "many"}, {"ends", "at", "endsAt", "soon"},
		{"limit.name", "requests", "limit.limit", "x", "limit.every", "1", "limit.unit", "1000"},
		{"prefix", "not a prefix"}, {"roles", "unknown"}, {"bytes", "9999999999999"},
		{"limit.name", "requests", "limit.limit", "1", "limit.every", "9M", "limit.unit",
			"9000000000000000"}, {"spend", "refill", "remaining", "1", "amount", "0"},
	} {
		a := b.post("/apis/"+api+"/keys/new", append(wrong, "name", "kept")...)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, `id="problem"`) ||
			!strings.Contains(a.text, `value="kept"`) {
			t.Errorf("%v: %d", wrong, a.status)
		}
	}
	if list, err := b.Service.Client.Keys.Find(t.Context(), latchkey.FindKeysRequest{}); err != nil ||
		len(list.Data) != 0 {
		t.Errorf("%d keys, %v", len(list.Data), err)
	}
}

// newKey creates a key with everything.
func (b *browser) newKey(api string) string {
	b.t.Helper()
	a := b.post("/apis/"+api+"/keys/new", append([]string{"once", "first"}, everything...)...)
	found := regexp.MustCompile(`key_[A-Za-z0-9]+`).FindString(a.text)
	if found == "" {
		b.t.Fatalf("no key: %d", a.status)
	}
	return found
}

// TestEditsChangeWhatWasEdited and nothing else: a form that is sent as it was shown changes
// nothing, and neither do changes of others get lost.
func TestEditsChangeWhatWasEdited(t *testing.T) {
	b, api := withAPI(t)
	id := b.newKey(api)
	get := func() latchkey.Key {
		key, err := b.Service.Client.Keys.Get(t.Context(), latchkey.GetKeyRequest{KeyID: id})
		if err != nil {
			t.Fatal(err)
		}
		key.UpdatedAt = latchkey.Time{}
		return key
	}
	opts := cmp.AllowUnexported(latchkey.Opt[int64]{})
	page := b.get("/keys/" + id + "/edit")
	form := func(change map[string]string) []string {
		fields := []string{"once", change["once"], "was", hidden(t, page, "was")}
		for i := 0; i < len(everything); i += 2 {
			name, value := everything[i], everything[i+1]
			switch name {
			case "ends":
				value = "at"
			case "remaining", "amount":
				value = map[string]string{"remaining": "50000", "amount": "1000000"}[name]
			case "meta":
				value = "{\n  \"plan\": \"team\"\n}"
			case "limit.limit":
				if value != "" {
					value = "1000"
				}
			}
			if to, changed := change[name]; changed {
				value = to
			}
			if name != "permissions" && !(name == "disabled" && value == "") {
				fields = append(fields, name, value)
			}
		}
		return append(fields, "endsAt", b.now().AddDate(0, 0, 30).Format("2006-01-02T15:04"))
	}
	before := get()
	if a := b.post("/keys/"+id+"/edit", form(map[string]string{"once": "a"})...); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if diff := cmp.Diff(before, get(), opts); diff != "" {
		t.Errorf("unchanged: %s", diff)
	}
	if _, err := b.Service.Client.Keys.UpdateCredits(t.Context(), latchkey.UpdateCreditsRequest{
		KeyID: id, Operation: latchkey.SetCredits, Value: latchkey.Int(7),
	}); err != nil {
		t.Fatal(err)
	}
	a := b.post("/keys/"+id+"/edit", form(map[string]string{
		"once": "b", "name": "other", "amount": "2M", "disabled": "",
	})...)
	want := before
	want.Name, want.Enabled = "other", true
	want.Credits = &latchkey.Credits{Remaining: latchkey.Int(7), Refill: &latchkey.Refill{
		Interval: latchkey.Monthly, Amount: 2_000_000, RefillDay: 31,
	}}
	if diff := cmp.Diff(want, get(), opts); diff != "" || a.status != 303 {
		t.Errorf("changed: %d %s", a.status, diff)
	}
}

// TestKeysAreChangedOnTheirPage: switched, rerolled, topped up, granted and deleted.
func TestKeysAreChangedOnTheirPage(t *testing.T) {
	b, api := withAPI(t)
	id := b.newKey(api)
	path := "/keys/" + id
	get := func() latchkey.Key {
		key, err := b.Service.Client.Keys.Get(t.Context(), latchkey.GetKeyRequest{KeyID: id})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	b.post(path+"/switch", "once", "1", "enabled", "true")
	if !get().Enabled || !strings.Contains(b.get(path).text, "Enabled. It verifies") {
		t.Error("not enabled, or nobody says so")
	}
	b.post(path+"/credits", "once", "2", "operation", "increment", "value", "10k")
	if left := get().Credits.Remaining.Or(0); left != 60_000 {
		t.Errorf("%d credits", left)
	}
	b.post(path+"/grants", "once", "3", "addPermission", "docs.delete docs.share")
	b.post(path+"/grants", "once", "4", "removePermission", "docs.read")
	if got := strings.Join(get().Permissions, " "); got != "docs.delete docs.share docs.write" {
		t.Errorf("the permissions are %s", got)
	}
	if a := b.post(path+"/grants", "once", "5", "addRole", "unknown"); a.status != 422 {
		t.Errorf("an unknown role: %d", a.status)
	}
	first := b.post(path+"/reroll", "once", "6", "grace", "24h")
	if secret := secretOf(first); secret == "" || secretOf(
		b.post(path+"/reroll", "once", "6", "grace", "24h")) != secret {
		t.Error("rerolled twice, or no key is shown")
	}
	if ends := get().Expires; !ends.Equal(b.now().Add(24 * time.Hour)) {
		t.Errorf("the old key ends at %v", ends)
	}
	if a := b.post(path+"/delete", "once", "7", "name", "another"); a.status != 422 {
		t.Errorf("deleted with another name: %d", a.status)
	}
	if a := b.post(path+"/delete", "once", "8", "name", "nightly"); a.leads() != "/apis/"+api {
		t.Errorf("deleted: %d %q", a.status, a.leads())
	}
	if a := b.get(path); a.status != http.StatusNotFound {
		t.Errorf("the page of a deleted key: %d", a.status)
	}
}

// TestSearchesLeadToWhatTheyFind, and a whole key gets into no URL and no page.
func TestSearchesLeadToWhatTheyFind(t *testing.T) {
	b, api := withAPI(t)
	made := b.post("/apis/"+api+"/keys/new", append([]string{"once", "x"}, everything...)...)
	secret := secretOf(made)
	id := regexp.MustCompile(`key_[A-Za-z0-9]+`).FindString(made.text)
	find := func(text string) answer { return b.post("/apis/"+api+"/find", "q", text) }
	for text, want := range map[string]string{
		id: "/keys/" + id, secret: "/keys/" + id, "acct_1": "/apis/" + api + "?identity=acct_1",
		"nightly": "/apis/" + api + "?name=nightly", "": "/apis/" + api,
		secret[:5]: "/apis/" + api + "?start=" + secret[:5],
	} {
		if got := find(text).header.Get("Location"); got != want {
			t.Errorf("%q leads to %s, want %s", text, got, want)
		}
	}
	unknown := "wx_" + strings.Repeat("x", 40)
	if a := find(unknown); a.status != http.StatusOK || strings.Contains(a.text, unknown) {
		t.Errorf("an unknown key: %d, shown: %v", a.status, strings.Contains(a.text, unknown))
	}
	if a := find("nothing"); !strings.Contains(a.text, "No key has <b>nothing</b>") {
		t.Errorf("nothing: %d", a.status)
	}
}
