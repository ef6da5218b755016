package ui

import (
	"sync"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/docs"
	"github.com/latchkeyhq/latchkey/internal/ui/manual"
)

// theManual is the documentation, which is read when somebody asks for it.
var theManual = sync.OnceValues(func() (*manual.Manual, error) { return manual.New(docs.Files) })

// docsView is what the documentation shows: a page, or what was found, or all pages.
type docsView struct {
	Search string
	Hits   []manual.Hit
	Groups []manual.Group
	Page   *manual.Page // nil for none
}

// docs shows all pages of the documentation, or where a text is in them.
func (v *visit) docs() error {
	m, err := theManual()
	if err != nil {
		return err
	}
	search := clip(v.r.FormValue("q"), manual.MaxQuery)
	return v.show("docs", page{Title: "Documentation", Section: "/docs", Data: docsView{
		Search: search, Hits: m.Search(search), Groups: m.Groups,
	}})
}

// docsPage shows a page of the documentation.
func (v *visit) docsPage() error {
	m, err := theManual()
	if err != nil {
		return err
	}
	p := m.Page(v.r.PathValue("page"))
	if p == nil {
		return &latchkey.Error{Status: 404, Detail: "The documentation has no such page."}
	}
	return v.show("docs", page{
		Title: p.Title, Section: "/docs", Trail: []link{{"Documentation", "/docs"}},
		Data: docsView{Groups: m.Groups, Page: p},
	})
}
