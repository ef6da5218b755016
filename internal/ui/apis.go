package ui

import (
	"net/http"

	"github.com/latchkeyhq/latchkey"
)

// apisView is what the list of APIs shows.
type apisView struct {
	Search string
	APIs   []latchkey.APISettings
	Pages  pager
}

// apis lists the APIs of the workspace.
func (v *visit) apis() error {
	search := clip(v.r.FormValue("q"), 256)
	list, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{
		Search: search, Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	return v.show("apis", page{Title: "APIs", Section: "/apis", Data: apisView{
		Search: search, APIs: list.Data, Pages: v.pager(len(list.Data), list.Pagination),
	}})
}

// more lists all pages, for screens without a side bar.
func (v *visit) more() error {
	return v.show("more", page{Title: "All pages", Section: "/more"})
}

// overview shows whether all is well.
func (v *visit) overview() error {
	http.Redirect(v.w, v.r, "/apis", http.StatusSeeOther)
	return nil
}
