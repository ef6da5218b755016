package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// TestAPIsAreMadeChangedAndDeleted, and a protected one stays.
func TestAPIsAreMadeChangedAndDeleted(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	if a := b.post("/apis/new", "once", "1", "name", "x"); a.status != 422 ||
		!strings.Contains(a.text, `value="x"`) {
		t.Errorf("a short name: %d", a.status)
	}
	path := b.post("/apis/new", "once", "2", "name", "geocoding").leads()
	if a := b.get(path); a.status != http.StatusOK || !strings.Contains(a.text, "No keys in") {
		t.Fatalf("%s: %d", path, a.status)
	}
	settings := []string{
		"defaultPrefix", "wx", "defaultBytes", "24", "ipWhitelist", "198.51.100.0/24\n192.0.2.1",
		"deleteProtection", "yes", "strictGrants", "yes",
	}
	if a := b.post(path+"/settings", append(settings, "once", "3")...); a.status != 303 {
		t.Fatalf("settings: %d", a.status)
	}
	list, err := w.Client.APIs.List(t.Context(), latchkey.ListAPIsRequest{})
	if err != nil || len(list.Data) != 1 {
		t.Fatal(list, err)
	}
	if got := list.Data[0]; got.DefaultPrefix != "wx" || got.DefaultBytes != 24 ||
		len(got.IPWhitelist) != 2 || !got.DeleteProtection || !got.StrictGrants ||
		got.StoreEncryptedKeys {
		t.Errorf("the settings are %+v", got)
	}
	if a := b.post(path+"/settings", "once", "4", "defaultBytes", "x"); a.status != 422 {
		t.Errorf("wrong settings: %d", a.status)
	}
	if a := b.post(path+"/delete", "once", "5", "name", "geocoding"); a.status != 422 {
		t.Errorf("a protected API: %d", a.status)
	}
	b.post(path+"/settings", "once", "6")
	if a := b.post(path+"/delete", "once", "7", "name", "another"); a.status != 422 {
		t.Errorf("with another name: %d", a.status)
	}
	if a := b.post(path+"/delete", "once", "8", "name", "geocoding"); a.leads() != "/apis" {
		t.Errorf("deleted: %d", a.status)
	}
	if a := b.get(path); a.status != http.StatusNotFound {
		t.Errorf("after that: %d", a.status)
	}
}

// TestIdentitiesAreMadeChangedAndDeleted.
func TestIdentitiesAreMadeChangedAndDeleted(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	limit := []string{"limit.name", "shared", "limit.limit", "600", "limit.every", "1",
		"limit.unit", "60000", "limit.apply", "every"}
	a := b.post("/identities/new", append(limit, "once", "1", "externalId", "acct_1",
		"meta", `{"plan": "team"}`)...)
	path := a.leads()
	get := func() latchkey.Identity {
		identity, err := w.Client.Identities.Get(t.Context(),
			latchkey.GetIdentityRequest{Identity: "acct_1"})
		if err != nil {
			t.Fatal(err)
		}
		return identity
	}
	if got := get(); path != "/identities/"+got.ID || got.Meta != `{"plan":"team"}` ||
		len(got.Ratelimits) != 1 || got.Ratelimits[0].Limit != 600 {
		t.Errorf("%s: %+v", path, got)
	}
	before := get()
	b.post(path, append(limit, "once", "2", "meta", "{\n  \"plan\": \"team\"\n}")...)
	if got := get(); got.Ratelimits[0] != before.Ratelimits[0] || got.Meta != before.Meta {
		t.Errorf("unchanged: %+v", got)
	}
	b.post(path, "once", "3", "meta", "")
	if got := get(); got.Meta != "" || len(got.Ratelimits) != 0 {
		t.Errorf("emptied: %+v", got)
	}
	if a := b.post(path, "once", "4", "meta", "{"); a.status != 422 {
		t.Errorf("wrong metadata: %d", a.status)
	}
	b.post(path+"/switch", "once", "5", "enabled", "false")
	if !get().Disabled || !strings.Contains(b.get(path).text, "This identity is disabled") {
		t.Error("not disabled")
	}
	if a := b.post(path+"/delete", "once", "6", "name", "acct_1"); a.leads() != "/identities" {
		t.Errorf("deleted: %d", a.status)
	}
}

// TestTheOverviewShowsWhatHappened, and what to do while nothing has.
func TestTheOverviewShowsWhatHappened(t *testing.T) {
	b, api := withAPI(t)
	if a := b.get("/"); !strings.Contains(a.text, "Waiting for the first verification") {
		t.Errorf("at first: %d", a.status)
	}
	key := secretOf(b.post("/apis/"+api+"/keys/new", "once", "1", "name", "nightly",
		"externalId", "acct_1", "spend", "fixed", "remaining", "1"))
	for range 3 {
		if _, err := b.Service.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{
			Key: key,
		}); err != nil {
			t.Fatal(err)
		}
	}
	a := b.get("/")
	for _, want := range []string{
		"<dd>3</dd>", "66.7 %", "nightly is out of credits", "2 calls refused", ">acct_1</a>",
		"Show as a table",
	} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
}
