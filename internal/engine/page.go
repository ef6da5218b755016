package engine

import (
	"cmp"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// pageSize is the limit of a list request, or def where it names none.
func pageSize(limit, def int) int { return cmp.Or(limit, def) }

// pageOf makes a page of at most size items from rows, which were read with a
// limit of size+1 in the order of their ids. The row too many tells that the
// list goes on and where: the next page begins at its id, so that nothing is
// lost when that very row is deleted meanwhile.
func pageOf[Row, Item any](rows []Row, size int, id func(Row) string, item func(Row) Item) latchkey.Page[Item] {
	var page latchkey.Page[Item]
	if len(rows) > size {
		page.Pagination = latchkey.Pagination{HasMore: true, Cursor: id(rows[size])}
		rows = rows[:size]
	}
	page.Data = make([]Item, len(rows))
	for i, row := range rows {
		page.Data[i] = item(row)
	}
	return page
}

// searchText is what a search looks through: the fields in lower case, held
// apart by a character that nobody searches for.
func searchText(fields ...string) string {
	return strings.ToLower(strings.Join(fields, "\x1f"))
}

var likeEscaper = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// searchPattern makes a LIKE pattern (ESCAPE '!') that finds the text anywhere.
// Blank text finds everything.
func searchPattern(text string) string {
	return "%" + likeEscaper.Replace(strings.ToLower(strings.TrimSpace(text))) + "%"
}
