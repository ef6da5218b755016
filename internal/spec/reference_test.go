package spec

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The reference must be complete without internet access, and must not reveal its
// readers to third parties.
func TestReferenceLoadsOnlyTheDocument(t *testing.T) {
	page, err := os.ReadFile("../server/reference.html")
	if err != nil {
		t.Fatal(err)
	}
	loads := regexp.MustCompile(
		`\bfetch\([^)]*\)|\bsrc\s*=|\burl\([^)]*\)|@import|` +
			`https?:|//\w+\.\w+|XMLHttpRequest|WebSocket|sendBeacon|import\(`,
	)
	if diff := cmp.Diff(
		[]string{
			"fetch(\"${base}${op.path}\"${init})", // in a sample, to be read
			"fetch(op.path.slice(1)",
			`fetch("openapi.json")`,
		}, loads.FindAllString(string(page), -1),
	); diff != "" {
		t.Error(diff)
	}
}

// The page inserts the document only as text, so nothing in it can run as a script.
func TestReferenceNeverUsesTextAsMarkup(t *testing.T) {
	page, err := os.ReadFile("../server/reference.html")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(
		`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function`,
	).FindAll(page, -1); found != nil {
		t.Errorf("%q", found)
	}
}
