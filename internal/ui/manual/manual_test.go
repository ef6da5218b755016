package manual

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/latchkeyhq/latchkey/docs"
)

const sample = "# Keys & locks\n\nAll about `keys`.\n\n## Create a key\n\n" +
	"See [limits](limits.md#per-key), [the code](../keys.go), [home](https://example.com/) " +
	"and [above](#create-a-key).\n\n<script>alert(1)</script>\n\n[bad](javascript:alert(1))\n\n" +
	"| | b |\n|---|--:|\n| 1 | rolling doors |\n\n```sh\necho \"<b>\"\n```\n\n" +
	"## Create a key\n\nAgain.\n"

func open(t *testing.T) *Manual {
	t.Helper()
	m, err := New(fstest.MapFS{
		"keys.md":   {Data: []byte(sample)},
		"limits.md": {Data: []byte("# Limits\n\n## Per key\n\nA key has limits.\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPagesAreReadAsOnGitHub: links between files lead to pages, headings have the names
// that links count on, and what could be markup of somebody else is not.
func TestPagesAreReadAsOnGitHub(t *testing.T) {
	page := open(t).Page("keys")
	if page == nil || page.Title != "Keys & locks" || len(page.Sections) != 3 {
		t.Fatalf("the page is %+v", page)
	}
	html := string(page.HTML)
	for _, want := range []string{
		`<h1 id="keys--locks">Keys &amp; locks</h1>`, `<h2 id="create-a-key">`,
		`<h2 id="create-a-key-1">`, `href="/docs/limits#per-key"`, `href="#create-a-key"`,
		`href="https://github.com/latchkeyhq/latchkey/blob/main/keys.go"`,
		`href="https://example.com/"`, `<div class="scroll" tabindex="0"><table>`,
		`<pre tabindex="0">`, "&lt;b&gt;", "<td></td>", `<th align="right">b</th>`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
	for _, not := range []string{"<script", "javascript:", "style="} {
		if strings.Contains(html, not) {
			t.Errorf("%s in %s", not, html)
		}
	}
}

// TestSearchFindsSections: with all words, in any letter case, titles first.
func TestSearchFindsSections(t *testing.T) {
	m := open(t)
	for query, want := range map[string]string{
		"ROLLING doors": "/docs/keys#create-a-key",
		"per key":       "/docs/limits#per-key",
		"locks":         "/docs/keys",
		"nothing here":  "", "": "", "   ": "",
		strings.Repeat("é", MaxQuery): "",
	} {
		hits := m.Search(query)
		if want == "" && len(hits) == 0 {
			continue
		}
		if len(hits) == 0 || hits[0].Path() != want {
			t.Errorf("%q finds %+v, want %s", query, hits, want)
		}
	}
	hit := m.Search("doors")[0]
	if hit.Match != "doors" || !strings.HasSuffix(hit.Before, "rolling ") {
		t.Errorf("the text is %q %q %q", hit.Before, hit.Match, hit.After)
	}
}

// TestTheDocumentationIsReadable: every page of it has a title and is in a group once.
func TestTheDocumentationIsReadable(t *testing.T) {
	m, err := New(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	files, err := docs.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range m.Groups {
		for _, p := range g.Pages {
			if seen[p.Slug] || p.Title == p.Slug || strings.Count(string(p.HTML), "<h1") != 1 {
				t.Errorf("%s: title %q", p.Slug, p.Title)
			}
			seen[p.Slug] = true
		}
	}
	if len(seen) != len(files) {
		t.Errorf("%d of %d files are pages", len(seen), len(files))
	}
	if len(m.Search("revoke a key")) == 0 {
		t.Error("a search finds nothing")
	}
}
