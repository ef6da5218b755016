package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// TestOverridesAreSetTestedAndDeleted, and a test counts nothing.
func TestOverridesAreSetTestedAndDeleted(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	call := func() latchkey.LimitResult {
		r, err := w.Client.Ratelimits.Limit(t.Context(), latchkey.LimitRequest{
			Namespace: "uploads", Identifier: "premium_1", Limit: 10,
			Duration: latchkey.Per(time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if left := call().Remaining; left != 9 {
		t.Fatalf("%d left", left)
	}
	path := regexp.MustCompile(`/limits/[A-Za-z0-9_]+`).FindString(b.get("/limits").text)
	limit := func(once, identifier, most string) []string {
		return []string{"once", once, "identifier", identifier, "limit", most, "every", "1",
			"unit", "60000"}
	}
	if a := b.post(path+"/overrides", limit("1", "premium_*", "1k")...); a.leads() != path {
		t.Errorf("set: %d", a.status)
	}
	if a := b.post(path+"/overrides", limit("2", "x", "many")...); a.status != 422 {
		t.Errorf("a wrong limit: %d", a.status)
	}
	for range 3 {
		a := b.post(path+"/test", limit("", "premium_1", "10")...)
		if !strings.Contains(a.text, "The override <b>premium_*</b> applies") {
			t.Errorf("the test: %d", a.status)
		}
	}
	if r := call(); r.Limit != 1000 || r.Remaining != 998 {
		t.Errorf("then %+v", r)
	}
	b.post(path, "once", "3", "whenDegraded", "refuse", "algorithm", "token_bucket")
	if a := b.get("/limits"); !strings.Contains(a.text, "token bucket") {
		t.Error("the settings are not saved")
	}
	b.post(path+"/overrides/delete", "once", "4", "identifier", "premium_*")
	if a := b.get(path); !strings.Contains(a.text, "every identifier has the limit of its call") {
		t.Errorf("deleted: %d", a.status)
	}
}

// TestThePlaygroundSpendsNothing unless it is told to, and shows no whole key.
func TestThePlaygroundSpendsNothing(t *testing.T) {
	b, api := withAPI(t)
	key := secretOf(b.post("/apis/"+api+"/keys/new", "once", "1", "name", "nightly",
		"spend", "fixed", "remaining", "1"))
	for range 3 {
		a := b.post("/playground", "key", key, "cost", "1")
		if a.status != http.StatusOK || !strings.Contains(a.text, "<code>VALID</code>") {
			t.Fatalf("asked: %d", a.status)
		}
		if strings.Contains(a.text, key) {
			t.Error("the page has the key")
		}
	}
	for _, want := range []string{"VALID", "USAGE_EXCEEDED"} {
		a := b.post("/playground", "key", key, "cost", "1", "spend", "yes", "once", want)
		if !strings.Contains(a.text, "<code>"+want+"</code>") || strings.Contains(a.text, key) {
			t.Errorf("verified: %d, want %s", a.status, want)
		}
	}
	like := secretOf(b.post("/apis/"+api+"/keys/new", "once", "2", "name", "like", "prefix", "key"))
	for _, form := range [][]string{{"cost", "1"}, {"cost", "1", "spend", "yes"}} {
		a := b.post("/playground", append(form, "key", like)...)
		if !strings.HasPrefix(like, "key_") || !strings.Contains(a.text, "<code>VALID</code>") ||
			strings.Contains(a.text, like) {
			t.Errorf("a key that looks like an id: %d", a.status)
		}
	}
	a := b.post("/playground", "key", key, "cost", "1", "permissions", "docs.read")
	if !strings.Contains(a.text, "INSUFFICIENT_PERMISSIONS") ||
		!strings.Contains(a.text, "This decides.") {
		t.Errorf("a missing permission: %d", a.status)
	}
	if a := b.post("/playground", "key", key, "cost", "1", "permissions", "((("); a.status != 422 {
		t.Errorf("a wrong query: %d", a.status)
	}
}
