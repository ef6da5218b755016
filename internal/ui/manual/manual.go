// Package manual makes pages of the documentation, and finds texts in them.
package manual

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Manual is the documentation. It doesn't change, so any number of goroutines can use it.
type Manual struct {
	// Groups are all pages, in the order in which a newcomer needs them.
	Groups []Group
	bySlug map[string]*Page
}

// Group is a part of the documentation.
type Group struct {
	Title string
	Pages []*Page
}

// Page is a page.
type Page struct {
	// Slug is its name in URLs.
	Slug  string
	Title string
	// HTML is its content, with the title as the only h1.
	HTML template.HTML
	// Sections are its parts, the first of them without a heading.
	Sections []Section
}

// Section is what follows a heading.
type Section struct {
	// ID is that of the heading in the page; "" before the first one.
	ID string
	// Title is the text of the heading.
	Title string
	// Level is 2 or more; 1 before the first heading.
	Level int
	// Text is all text up to the next heading, without markup.
	Text string
}

// groups are the pages of each group by their slugs. A page that no group names is in the
// last one.
var groups = []struct {
	title string
	slugs string
}{
	{"Begin", "concepts recipes moving"},
	{"Clients", "clients sdk typescript python mcp"},
	{"Features", "permissions plans rotation portals gate webhooks analytics usage budgets"},
	{"Operate", "configuration operate security performance"},
	{"Reference", "cli errors compatibility"},
}

// New reads all Markdown files of a folder.
func New(files fs.FS) (*Manual, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	m := &Manual{bySlug: map[string]*Page{}}
	for _, name := range names {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		page, err := render(strings.TrimSuffix(path.Base(name), ".md"), source)
		if err != nil {
			return nil, fmt.Errorf("manual: %s: %w", name, err)
		}
		m.bySlug[page.Slug] = page
	}
	m.sort()
	return m, nil
}

// sort puts the pages into their groups.
func (m *Manual) sort() {
	left := map[string]*Page{}
	for slug, page := range m.bySlug {
		left[slug] = page
	}
	for _, g := range groups {
		group := Group{Title: g.title}
		for slug := range strings.FieldsSeq(g.slugs) {
			if page := left[slug]; page != nil {
				group.Pages = append(group.Pages, page)
				delete(left, slug)
			}
		}
		if len(group.Pages) > 0 {
			m.Groups = append(m.Groups, group)
		}
	}
	more := Group{Title: "More"}
	for _, page := range left {
		more.Pages = append(more.Pages, page)
	}
	slices.SortFunc(more.Pages, func(a, b *Page) int { return strings.Compare(a.Slug, b.Slug) })
	if len(more.Pages) > 0 {
		m.Groups = append(m.Groups, more)
	}
}

// Page returns the page of that name, or nil.
func (m *Manual) Page(slug string) *Page { return m.bySlug[slug] }

// better replaces elements that can be wider than a screen with what can be scrolled by
// itself. In the rest of the text these characters are escaped.
var better = strings.NewReplacer(
	"<table>", `<div class="scroll" tabindex="0"><table>`, "</table>", "</table></div>",
	"<pre>", `<pre tabindex="0">`,
	"<th></th>", "<td></td>", // a heading without a text is none
)

func html(b *bytes.Buffer) template.HTML {
	return template.HTML(better.Replace(b.String())) //nolint:gosec // goldmark escapes HTML
}
