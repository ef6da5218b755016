package spec

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// typeLiteral finds error types in the code. Types that are put together from a noun are
// described together, so only their ends are looked for.
var typeLiteral = regexp.MustCompile(
	`"((?:unkey|user)/[a-z_]+/[a-z_]+)"|(?:badQuery|heavyQuery|httpError)\([^)]*?"([a-z_]{4,})"`)

// TestPageOfErrorsListsEveryType looks for the types in the code of the engine and the
// server, besides those of version 1.
func TestPageOfErrorsListsEveryType(t *testing.T) {
	page, err := os.ReadFile(module + "/docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, dir := range []string{"internal/engine", "internal/server", "embedded"} {
		files, err := fs.Glob(os.DirFS(filepath.Join(module, dir)), "*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "v1") {
				continue
			}
			source, err := os.ReadFile(filepath.Join(module, dir, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range typeLiteral.FindAllStringSubmatch(string(source), -1) {
				found++
				if name := match[1] + match[2]; !strings.Contains(string(page), name) {
					t.Errorf("docs/errors.md lacks %s, which %s/%s has", name, dir, file)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d types were found in the code", found)
	}
}
