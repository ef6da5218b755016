package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestThePaletteFindsWhatIsNamed, and shows no text that can be a key.
func TestThePaletteFindsWhatIsNamed(t *testing.T) {
	b, api := withAPI(t)
	made := b.post("/apis/"+api+"/keys/new", "once", "1", "name", "nightly", "externalId", "acct_1")
	id := regexp.MustCompile(`key_[A-Za-z0-9]+`).FindString(made.text)
	for text, want := range map[string]string{
		id: "/keys/" + id, secretOf(made): "/keys/" + id, "nightly": "/keys/" + id,
		"geocoding": "/apis/" + api,
	} {
		if got := b.post("/find", "q", text).leads(); got != want {
			t.Errorf("it leads to %s, want %s", got, want)
		}
	}
	if got := b.post("/find", "q", "acct_1").leads(); !strings.HasPrefix(got, "/identities/id_") {
		t.Errorf("an external id leads to %s", got)
	}
	for _, unknown := range []string{"", strings.Repeat("x", 40), strings.Repeat("y", 9000)} {
		a := b.post("/find", "q", unknown)
		if a.status != http.StatusNotFound || unknown != "" && strings.Contains(a.text, unknown) {
			t.Errorf("%.9q: %d", unknown, a.status)
		}
	}
}
