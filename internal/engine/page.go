package engine

import (
	"cmp"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// pageSize returns the limit of a list request, or def if it has none.
func pageSize(limit, def int) int { return cmp.Or(limit, def) }

// pageOf returns a page of at most size items from rows, which were read in id
// order with a limit of size+1. If there is one row too many, the next page
// starts at its id, so that no row is lost if that one is deleted meanwhile.
func pageOf[Row, Item any](
	rows []Row, size int, id func(Row) string, item func(Row) Item,
) latchkey.Page[Item] {
	page, _ := tryPageOf(rows, size, id, func(row Row) (Item, error) { return item(row), nil })
	return page
}

// tryPageOf is pageOf for items whose conversion can fail.
func tryPageOf[Row, Item any](
	rows []Row, size int, id func(Row) string, item func(Row) (Item, error),
) (latchkey.Page[Item], error) {
	var page latchkey.Page[Item]
	if len(rows) > size {
		page.Pagination = latchkey.Pagination{HasMore: true, Cursor: id(rows[size])}
		rows = rows[:size]
	}
	page.Data = make([]Item, len(rows))
	for i, row := range rows {
		var err error
		if page.Data[i], err = item(row); err != nil {
			return latchkey.Page[Item]{}, err
		}
	}
	return page, nil
}

// searchText returns the text that searches match: the fields in lower case,
// separated by a character that no search contains.
func searchText(fields ...string) string {
	return strings.ToLower(strings.Join(fields, "\x1f"))
}

var likeEscaper = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// searchPattern returns the LIKE pattern (ESCAPE '!') that matches texts that
// contain the text. Blank text matches all.
func searchPattern(text string) string {
	return "%" + likeEscaper.Replace(strings.ToLower(strings.TrimSpace(text))) + "%"
}
