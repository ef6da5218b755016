package latchkey_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencedBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	pageHeading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// TestLinksOfPagesResolve: a relative link of a page leads to a file, and its anchor to a
// heading there.
func TestLinksOfPagesResolve(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md",
		"SECURITY.md", "compat/README.md")
	links := 0
	for _, page := range pages {
		text := fencedBlock.ReplaceAllString(readFile(t, page), "")
		for _, match := range pageLink.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, ":") {
				continue // to another site
			}
			links++
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, match[1])
			} else if anchor != "" && !hasHeading(readFile(t, file), anchor) {
				t.Errorf("%s: %s has no heading for the link %s", page, file, match[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

// hasHeading reports whether a page has a heading with that anchor, as GitHub makes it.
func hasHeading(page, anchor string) bool {
	for _, match := range pageHeading.FindAllStringSubmatch(page, -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}
