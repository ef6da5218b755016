package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey/internal/licenses"
)

// TestCommittedNoticesAreCurrent: the program shows the licenses of the modules
// that are linked into it today.
func TestCommittedNoticesAreCurrent(t *testing.T) {
	want, err := notices()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(
		strings.Split(licenses.Notices, "\n"), strings.Split(string(want), "\n"),
	); diff != "" {
		t.Errorf("notices.txt is stale: run go generate ./internal/licenses\n%s", diff)
	}
}

// TestNoticesNameWhatTheyApplyTo: Latchkey first, then Go, then the modules; a
// text that several have is there once.
func TestNoticesNameWhatTheyApplyTo(t *testing.T) {
	text := licenses.Notices
	if !strings.HasPrefix(text, "Latchkey\n") {
		t.Errorf("it begins with %q", text[:40])
	}
	for _, want := range []string{
		"The Go standard library\n", "github.com/jackc/pgx/v5 v", "modernc.org/sqlite v",
		"htmx.org 4.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, strings.Repeat("=", 80)) {
		_, license, _ := strings.Cut(strings.TrimSpace(part), "\n\n")
		if license == "" || seen[license] {
			t.Errorf("a text is there twice, or empty: %.100q", license)
		}
		seen[license] = true
	}
}
