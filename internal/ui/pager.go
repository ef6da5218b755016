package ui

import (
	"net/url"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// pageSize is the number of rows of a list.
const pageSize = 50

// maxTrail is how many pages back the links of a list lead.
const maxTrail = 30

// pager leads to the pages before and after one. The cursors of those before are in the
// URL, so going back, reloading and sharing a link work.
type pager struct {
	Shown      int
	Back, Next string // URLs; "" for none
}

// cursor returns where the page of a list begins that the URL asks for.
func (v *visit) cursor() string {
	trail := v.r.URL.Query()["after"]
	if len(trail) == 0 {
		return ""
	}
	return trail[len(trail)-1]
}

// pager returns the links for a page of a list.
func (v *visit) pager(shown int, p latchkey.Pagination) pager {
	query := v.r.URL.Query()
	trail := query["after"]
	to := func(trail []string) string {
		other := url.Values{}
		for name, values := range query {
			if name != "after" {
				other[name] = values
			}
		}
		if len(trail) > 0 {
			other["after"] = trail
		}
		return v.listPath() + "?" + other.Encode()
	}
	links := pager{Shown: shown}
	if len(trail) > 0 {
		links.Back = to(trail[:len(trail)-1])
	}
	if p.HasMore {
		next := slices.Concat(trail, []string{p.Cursor})
		links.Next = to(next[max(0, len(next)-maxTrail):])
	}
	return links
}
