package engine

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// pageSize returns the limit of a list request, or def if it has none.
func pageSize(limit, def int) int { return cmp.Or(limit, def) }

// maxPageBytes is how long the items of a page are together, as JSON. A page ends there
// even if it has fewer items than its limit. A longer item is a page of its own.
const maxPageBytes = 4 << 20

// partRows is how many rows of a page are read at once, because rows that don't fit into
// the page must not take much memory either.
const partRows = 20

// pageOf returns the page of a list that begins at a cursor: at most size items, and at
// most maxPageBytes of them. Read returns at most that many rows in the order of the
// list, beginning at a cursor, which is the place of a row; items converts rows one to
// one. The next page begins at the place of its first row, so no row is lost if one is
// deleted meanwhile.
func pageOf[Row, Item any](
	cursor string, size int, place func(Row) string,
	read func(cursor string, most int64) ([]Row, error), items func([]Row) ([]Item, error),
) (latchkey.Page[Item], error) {
	page := latchkey.Page[Item]{Data: []Item{}}
	endAt := func(row Row) (latchkey.Page[Item], error) {
		page.Pagination = latchkey.Pagination{HasMore: true, Cursor: place(row)}
		return page, nil
	}
	var scale scale[Item]
	for {
		n := min(partRows, size-len(page.Data))
		rows, err := read(cursor, int64(n)+1)
		if err != nil {
			return latchkey.Page[Item]{}, err
		}
		part, err := items(rows[:min(n, len(rows))])
		if err != nil {
			return latchkey.Page[Item]{}, err
		}
		for i, item := range part {
			if scale.add(item) > maxPageBytes && len(page.Data) > 0 {
				return endAt(rows[i])
			}
			page.Data = append(page.Data, item)
		}
		switch {
		case len(rows) <= n:
			return page, nil
		case len(page.Data) == size:
			return endAt(rows[n])
		}
		cursor = place(rows[n])
	}
}

// scale adds up the bytes of items as JSON. The zero value is ready to use.
type scale[Item any] struct {
	total  int
	buffer []byte
}

// add returns the bytes of all items so far, with this one.
func (s *scale[Item]) add(item Item) int {
	text, ok := wire.Append(s.buffer[:0], []Item{item})
	if !ok {
		panic(fmt.Sprintf("%T is not the type of a response", item))
	}
	s.buffer = text
	s.total += len(text)
	return s.total
}

// each makes a conversion of rows from the conversion of one row.
func each[Row, Item any](item func(Row) Item) func([]Row) ([]Item, error) {
	return eachOr(func(row Row) (Item, error) { return item(row), nil })
}

// eachOr is each for a conversion that can fail.
func eachOr[Row, Item any](item func(Row) (Item, error)) func([]Row) ([]Item, error) {
	return func(rows []Row) ([]Item, error) {
		items := make([]Item, len(rows))
		for i, row := range rows {
			var err error
			if items[i], err = item(row); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
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
