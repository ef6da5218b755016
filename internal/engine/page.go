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
func pageOf[Row, Item any](
	rows []Row, size int, id func(Row) string, item func(Row) Item,
) latchkey.Page[Item] {
	page, _ := tryPageOf(rows, size, id, func(row Row) (Item, error) { return item(row), nil })
	return page
}

// tryPageOf is pageOf with items that can't be made of every row.
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
