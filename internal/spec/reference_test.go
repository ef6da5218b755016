package spec

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whoever reads the reference of an installation without a way to the internet
// must see all of it, and nobody else may learn that they read it.
func TestReferenceAsksForNothingButTheDocument(t *testing.T) {
	page, err := os.ReadFile("../server/reference.html")
	if err != nil {
		t.Fatal(err)
	}
	asks := regexp.MustCompile(`\bfetch\([^)]*\)|\bsrc\s*=|\burl\([^)]*\)|@import|https?:|//\w+\.\w+|XMLHttpRequest|WebSocket|sendBeacon|import\(`)
	if diff := cmp.Diff([]string{`fetch("openapi.json")`}, asks.FindAllString(string(page), -1)); diff != "" {
		t.Error(diff)
	}
}

// The document is put into the page as text alone, so nothing in it can run.
func TestReferenceNeverTakesTextAsMarkup(t *testing.T) {
	page, err := os.ReadFile("../server/reference.html")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function`).FindAll(page, -1); found != nil {
		t.Errorf("%q", found)
	}
}
